//! A remapping unit in software that follows the specification to the letter, and punishes the careless.
//!
//! What real units tolerate, this one does not: it panics at registers written while what they rule is running, and at
//! reserved bits; it remembers everything until told to forget it; it stops at a command that it does not know; it fetches
//! device entries word by word while they are changed; a log that is full stays off until it was off and on again.

mod caches;
mod commands;
mod config;
mod dma;
mod events;
#[cfg(test)]
mod tests;
mod torn;
mod window;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::vec::Vec;

use dma_types::{Access, Iova, PhysAddr, SourceId};
use iommu::testing::{FakeMemory, View};

use crate::spec::control::Control;
use crate::spec::ring::{DeviceTableBase, RingBase};
use crate::spec::status::Status;
use crate::testing::walker::{Blocked, WalkMemory, WalkStart};

pub use config::{Entries, FakeConfig, Injection, Leftovers, Offer, Pace, Stuck};

use caches::Caches;
use torn::Torn;

/// A remapping unit in software; clones are the same unit.
#[derive(Clone, Debug)]
pub struct FakeUnit {
    state: Rc<RefCell<State>>,
}

/// What ruled at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// IommuEn.
    pub translation: bool,
    /// The device table register.
    pub table: DeviceTableBase,
    /// ExEn.
    pub exclusion: bool,
}

#[derive(Debug)]
struct State {
    config: FakeConfig,
    memory: FakeMemory,
    control: Control,
    status: Status,
    table: DeviceTableBase,
    exclusion: (u64, u64),
    commands: Ring,
    events: Ring,
    caches: Caches,
    torn: Torn,
    /// Whose entries it was told to forget at some time.
    told: BTreeSet<u16>,
    stuck: Vec<Stuck>,
    injections: Vec<Injection>,
    messages: usize,
    lost: usize,
    history: Vec<Protection>,
}

#[derive(Debug)]
struct Ring {
    base: RingBase,
    head: usize,
    tail: usize,
}

impl FakeUnit {
    /// A unit as reset leaves it.
    pub fn new(config: FakeConfig, memory: FakeMemory) -> Self {
        Self::left_by_firmware(config, memory, &Leftovers::default())
    }

    /// A unit as firmware leaves it.
    pub fn left_by_firmware(config: FakeConfig, memory: FakeMemory, left: &Leftovers) -> Self {
        let nowhere = || Ring { base: RingBase(0x0800_0000_0000_0000), head: 0, tail: 0 };
        let mut state = State {
            config,
            memory: memory.clone(),
            control: left.control,
            status: Status::empty(),
            table: left.table,
            exclusion: left.exclusion,
            commands: nowhere(),
            events: nowhere(),
            caches: Caches::default(),
            torn: Torn::default(),
            told: BTreeSet::new(),
            stuck: Vec::new(),
            injections: Vec::new(),
            messages: 0,
            lost: 0,
            history: Vec::new(),
        };
        state.status.set(Status::COMMANDS_RUN, left.control.contains(Control::UNIT | Control::COMMANDS));
        state.status.set(Status::EVENTS_RUN, left.control.contains(Control::UNIT | Control::EVENT_LOG));
        state.note();
        let unit = Self { state: Rc::new(RefCell::new(state)) };
        let watcher = Rc::downgrade(&unit.state);
        memory.watch(move || {
            if let Some(state) = watcher.upgrade() {
                state.borrow_mut().meanwhile();
            }
        });
        unit
    }

    /// Makes a request as a device does.
    ///
    /// # Errors
    /// It is blocked, and logged where the document says so.
    pub fn dma(&self, source: SourceId, iova: Iova, access: Access) -> Result<PhysAddr, Blocked> {
        self.state.borrow_mut().dma(source, iova, access)
    }

    /// Has a device read an address whenever the processor stores something, with its entry fetched word by word in the
    /// meantime.
    pub fn ask_all_the_time(&self, source: SourceId, iova: Iova) {
        self.state.borrow_mut().torn.ask(source, iova);
    }

    /// What such devices reached since this was last called.
    pub fn reached_meanwhile(&self) -> Vec<(SourceId, PhysAddr)> {
        core::mem::take(&mut self.state.borrow_mut().torn.reached)
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

    /// Has an error happen at the next command; several happen one after the other.
    pub fn inject(&self, injection: Injection) {
        self.state.borrow_mut().injections.push(injection);
    }

    /// Writes the control register as somebody does who reached it.
    pub fn control_by_a_stranger(&self, control: Control) {
        self.state.borrow_mut().set_control(control);
    }

    /// Leads the unit to another device table, as somebody does who reached its registers.
    pub fn table_by_a_stranger(&self, table: DeviceTableBase) {
        self.state.borrow_mut().table = table;
    }

    /// Has a range pass untranslated, as somebody does who reached its registers.
    pub fn exclude_by_a_stranger(&self, base: u64, limit: u64) {
        self.state.borrow_mut().exclusion = (base, limit);
    }

    /// Announces an event before it is written, as units may; [`write_late_event`](Self::write_late_event) writes it.
    pub fn announce_event(&self) {
        let mut state = self.state.borrow_mut();
        state.events.tail = (state.events.tail + 1) % state.events.base.entries();
    }

    /// Writes an event that was announced.
    pub fn write_late_event(&self, low: u64, high: u64) {
        self.state.borrow_mut().write_late_event(low, high);
    }

    /// Works through one command, if there is one and nothing stands against it.
    pub fn step(&self) {
        self.state.borrow_mut().work_through(1);
    }

    /// How often the unit's interrupt was raised.
    pub fn messages(&self) -> usize {
        self.state.borrow().messages
    }

    /// How many events left no record.
    pub fn lost_events(&self) -> usize {
        self.state.borrow().lost
    }

    /// What ruled, from the beginning, at each change.
    pub fn history(&self) -> Vec<Protection> {
        self.state.borrow().history.clone()
    }

    /// What the walker has to know of the unit.
    pub fn walk_start(&self) -> WalkStart {
        self.state.borrow().walk_start()
    }
}

impl State {
    fn is_stuck(&self, part: Stuck) -> bool {
        self.stuck.contains(&part)
    }

    fn walk_start(&self) -> WalkStart {
        WalkStart { table: self.table.0, deepest: self.config.deepest.count() }
    }

    /// Notes what rules, if it changed.
    fn note(&mut self) {
        let now = Protection {
            translation: self.control.contains(Control::UNIT),
            table: self.table,
            exclusion: self.exclusion.0 & 1 != 0,
        };
        if self.history.last() != Some(&now) {
            self.history.push(now);
        }
    }
}

impl WalkMemory for FakeMemory {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.device_read(at, View::Coherent)
    }
}
