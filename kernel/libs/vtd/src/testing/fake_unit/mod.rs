//! A remapping unit in software that follows the specification to the letter, and punishes the careless.
//!
//! What real units tolerate, this one does not: it panics at writes to registers that are read-only, at
//! two commands in one write, at a reserved bit; it remembers everything until told to forget it; it
//! clears nothing that was not written 1; its queue starts again only at a tail write, cannot be turned
//! off unless it ends in a wait, and with the queue on an invalidation by register never ends.

mod caches;
mod commands;
mod config;
mod dma;
mod faults;
mod halves;
mod interrupts;
mod invalidations;
#[cfg(test)]
mod tests;
mod window;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use dma_types::{Iova, MsiMessage, PhysAddr, SourceId};

use crate::spec::command::{GlobalCommand, GlobalStatus, RootTableAddress};
use crate::spec::descriptor::Descriptor;
use crate::spec::fault_event::FaultStatus;
use crate::spec::fault_record::FaultRecord;
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::spec::queue_registers::{QueueAddress, QueueErrorRecord};
use crate::spec::register_invalidation::{ContextCommand, InvalidateAddress, IotlbCommand};
use crate::testing::{FakeMemory, View};

pub use config::{FakeConfig, Injection, LeftQueue, Leftovers, Offer, Pace, Stuck};
pub use dma::Blocked;
pub use interrupts::Delivery;

use caches::Caches;
use faults::Faults;
use halves::Halves;
use interrupts::Interrupts;

/// A remapping unit in software; clones are the same unit.
#[derive(Clone, Debug)]
pub struct FakeUnit {
    state: Rc<RefCell<State>>,
}

/// What protected memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// TES.
    pub translation: bool,
    /// PRS.
    pub protected_memory: bool,
    /// The root table in force.
    pub root: PhysAddr,
}

#[derive(Debug)]
struct State {
    config: FakeConfig,
    memory: FakeMemory,
    status: GlobalStatus,
    /// A command that is not confirmed yet, and after how many reads it is.
    pending: Option<(GlobalCommand, usize)>,
    root_register: RootTableAddress,
    /// The root table pointer in force.
    root: RootTableAddress,
    /// EPM as written; PRS follows.
    protect: bool,
    protected: bool,
    faults: Faults,
    caches: Caches,
    interrupts: Interrupts,
    context_command: ContextCommand,
    invalidate_address: InvalidateAddress,
    iotlb_command: IotlbCommand,
    /// Reads until a register invalidation is confirmed.
    busy_reads: usize,
    queue: QueueState,
    /// Translated writes that have not reached memory yet.
    in_flight: Vec<PhysAddr>,
    /// Devices that make a request at each store to memory and before each write to a register.
    eager: Vec<(SourceId, Iova)>,
    /// What they have fetched of context entries so far.
    halves: Halves,
    stuck: Vec<Stuck>,
    injections: Vec<Injection>,
    history: Vec<Protection>,
}

#[derive(Debug)]
struct QueueState {
    address: QueueAddress,
    head: usize,
    tail: usize,
    error: QueueErrorRecord,
    ends_with_wait: bool,
    /// The next descriptors, as they were when the tail was written.
    fetched: VecDeque<Descriptor>,
}

impl FakeUnit {
    /// A unit as reset leaves it.
    pub fn new(config: FakeConfig, memory: FakeMemory) -> Self {
        Self::left_by_firmware(config, memory, &Leftovers::default())
    }

    /// A unit as firmware leaves it.
    pub fn left_by_firmware(config: FakeConfig, memory: FakeMemory, left: &Leftovers) -> Self {
        let mut state = State {
            faults: Faults::new(&config),
            config,
            memory,
            status: GlobalStatus::empty(),
            pending: None,
            root_register: RootTableAddress(0),
            root: RootTableAddress(0),
            protect: left.protected_memory,
            protected: left.protected_memory,
            caches: Caches::default(),
            interrupts: Interrupts::default(),
            context_command: ContextCommand::IDLE,
            invalidate_address: InvalidateAddress(0),
            iotlb_command: IotlbCommand::IDLE,
            busy_reads: 0,
            queue: QueueState {
                address: QueueAddress(0),
                head: 0,
                tail: 0,
                error: QueueErrorRecord(0),
                ends_with_wait: true,
                fetched: VecDeque::new(),
            },
            in_flight: Vec::new(),
            eager: Vec::new(),
            halves: Halves::default(),
            stuck: Vec::new(),
            injections: Vec::new(),
            history: Vec::new(),
        };
        state.leave(left);
        state.note();
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Breaks a part of the unit.
    pub fn break_part(&self, part: Stuck) {
        self.state.borrow_mut().stuck.push(part);
    }

    /// Mends everything that was broken; the unit goes on where it stood.
    pub fn mend(&self) {
        let mut state = self.state.borrow_mut();
        state.stuck.clear();
        if state.config.pace == Pace::AtOnce {
            state.work_through(usize::MAX);
        }
    }

    /// Has an error happen in the queue at the next occasion; several happen one after the other.
    pub fn inject(&self, injection: Injection) {
        self.state.borrow_mut().injections.push(injection);
    }

    /// Writes the global command register as somebody does who reached it and knows no rules: all that is not set goes
    /// off at once.
    pub fn command_by_a_stranger(&self, command: GlobalCommand) {
        let mut state = self.state.borrow_mut();
        state.overwrite(command);
        state.note();
    }

    /// Leads the unit to another root table, as somebody does who reached its registers.
    pub fn root_by_a_stranger(&self, root: RootTableAddress) {
        let mut state = self.state.borrow_mut();
        state.root_register = root;
        state.root = root;
        state.note();
    }

    /// Leads the unit to another table of interrupt entries, as somebody does who reached its registers.
    pub fn interrupt_table_by_a_stranger(&self, table: InterruptTableAddress) {
        let mut state = self.state.borrow_mut();
        (state.interrupts.register, state.interrupts.table) = (table, table);
    }

    /// Lets interrupts of the compatibility format pass, as somebody does who reached its registers.
    pub fn let_compatibility_interrupts_pass(&self) {
        self.state.borrow_mut().status |= GlobalStatus::COMPATIBILITY_INTERRUPTS;
    }

    /// Works through one descriptor of the queue, if there is one and nothing stands against it.
    pub fn step(&self) {
        self.state.borrow_mut().work_through(1);
    }

    /// The fault interrupts sent so far.
    pub fn messages(&self) -> Vec<MsiMessage> {
        self.state.borrow().faults.sent.clone()
    }

    /// The fault records that wait.
    pub fn waiting_records(&self) -> Vec<FaultRecord> {
        self.state.borrow().faults.waiting()
    }

    /// How many faults left no record of their own.
    pub fn lost_faults(&self) -> usize {
        self.state.borrow().faults.lost
    }

    /// What protected memory, from the beginning, at each change.
    pub fn history(&self) -> Vec<Protection> {
        self.state.borrow().history.clone()
    }
}

impl State {
    /// Puts the unit into the state that firmware left.
    fn leave(&mut self, left: &Leftovers) {
        let mut on = |condition: bool, bits: GlobalStatus| {
            if condition {
                self.status |= bits;
            }
        };
        on(left.root.is_some(), GlobalStatus::TRANSLATION | GlobalStatus::ROOT_SET);
        let remapping = GlobalStatus::INTERRUPT_REMAPPING | GlobalStatus::INTERRUPT_TABLE_SET;
        on(left.interrupt_table.is_some(), remapping);
        on(left.compatibility_interrupts, GlobalStatus::COMPATIBILITY_INTERRUPTS);
        on(left.fault_log, GlobalStatus::ADVANCED_FAULT_LOG | GlobalStatus::FAULT_LOG_SET);
        on(left.queue.is_some(), GlobalStatus::QUEUE);
        let root = left.root.map_or(0, PhysAddr::as_u64);
        self.root_register = RootTableAddress(root | u64::from(left.table_mode) << 10);
        self.root = self.root_register;
        if let Some(table) = left.interrupt_table {
            (self.interrupts.register, self.interrupts.table) = (table, table);
        }
        match left.queue {
            Some(LeftQueue::Stopped) => {
                self.queue.tail = 5;
                self.faults.stand(FaultStatus::QUEUE_ERROR);
            }
            Some(LeftQueue::EndsWithoutWait) => self.queue.ends_with_wait = false,
            Some(LeftQueue::Idle) | None => {}
        }
    }

    fn is_stuck(&self, part: Stuck) -> bool {
        self.stuck.contains(&part)
    }

    /// How the unit sees memory when it walks tables or fetches descriptors.
    fn view(&self) -> View {
        if self.config.coherent_walks.is_yes() { View::Coherent } else { View::WrittenBack }
    }

    /// Notes what protects memory, if it changed.
    fn note(&mut self) {
        let now = Protection {
            translation: self.status.contains(GlobalStatus::TRANSLATION),
            protected_memory: self.protected,
            root: self.root.table(),
        };
        if self.history.last() != Some(&now) {
            self.history.push(now);
        }
    }
}
