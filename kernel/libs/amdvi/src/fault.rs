//! Draining the event log (AMD I/O Virtualization "Event Log").
//!
//! The log is a ring in memory. When it is full the unit sets the overflow bit and logs nothing any more until software has
//! switched the log off and on.

use dma_types::{Access, FaultKind, Iova, PAGE_SIZE, PhysAddr, SourceId};
use iommu::TableMemory;
use mmio_regs::{Registers, TypedAccess};

use crate::spec::control::Control;
use crate::spec::event::Event;
use crate::spec::registers::{CONTROL, EVENT_HEAD, EVENT_TAIL, STATUS};
use crate::spec::ring::{ENTRY_BYTES, RingPosition};
use crate::spec::status::Status;

/// Events in the log: one page.
const SLOTS: usize = (PAGE_SIZE / ENTRY_BYTES) as usize;

/// How often one drain looks at an event that the unit has announced and not yet written.
const LOOKS: usize = 1_000;

/// The fault side of a unit: its event log, and the status that tells of it.
///
/// It shares nothing with the unit's other half but the registers, so an interrupt handler or a stop path may use it while
/// that half is in use or locked. Two drains at the same time may hand out an event twice.
#[derive(Clone, Copy, Debug)]
pub struct FaultPort<R, M> {
    registers: R,
    memory: M,
    log: PhysAddr,
    /// What the unit was told to do.
    control: Control,
}

/// One event, and what of it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    event: Event,
}

/// What one drain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DrainOutcome {
    /// Events handed out; 0 for a spurious interrupt.
    pub drained: usize,
    /// Events were lost, because the log was full; it has been set going again.
    pub overflow: bool,
    /// The limit was reached and more is waiting.
    pub pending_more: bool,
}

impl FaultRecord {
    /// An event as it was logged.
    pub const fn new(event: Event) -> Self {
        Self { event }
    }

    /// The event as it stands.
    pub const fn event(self) -> Event {
        self.event
    }

    /// Who is said to have made the request; `None` for events that are of no device.
    pub const fn source(self) -> Option<SourceId> {
        self.event.source()
    }

    /// What was asked; unknown where the event contradicts itself.
    pub const fn access(self) -> Access {
        if self.event.contradicts() { Access::Unknown } else { self.event.access() }
    }

    /// The page asked for; `None` where there is none, or the event contradicts itself.
    pub const fn page(self) -> Option<Iova> {
        if self.event.contradicts() { None } else { self.event.page() }
    }

    /// Why it was blocked.
    pub const fn kind(self) -> FaultKind {
        if self.event.contradicts() { FaultKind::NoPermission } else { self.event.kind() }
    }

    /// The same in words, as a clause.
    pub fn meaning(self) -> &'static str {
        self.event.code().meaning().unwrap_or("an event that no document names")
    }
}

impl<R: Registers, M: TableMemory> FaultPort<R, M> {
    pub(crate) const fn new(registers: R, memory: M, log: PhysAddr, control: Control) -> Self {
        Self { registers, memory, log, control }
    }

    /// Hands up to `limit` waiting events to `sink`, oldest first, and gives their room back.
    ///
    /// An event that is announced and does not come within some looks is left for the next drain. A log that overflowed is
    /// started anew once it is empty. A window that answers with all ones is gone and yields nothing.
    pub fn drain(&mut self, sink: &mut dyn FnMut(FaultRecord), limit: usize) -> DrainOutcome {
        let mut outcome = DrainOutcome { drained: 0, overflow: false, pending_more: false };
        let status: Status = self.registers.get(STATUS);
        if status.bits() == u64::MAX {
            return outcome;
        }
        // Cleared first, so that an event which comes meanwhile raises an interrupt of its own.
        self.registers.clear(STATUS, Status::EVENT_INTERRUPT);
        let head = self.registers.get(EVENT_HEAD).index() % SLOTS;
        let tail = self.registers.get(EVENT_TAIL).index() % SLOTS;
        let waiting = tail.wrapping_sub(head) % SLOTS;
        let mut next = head;
        while outcome.drained < waiting.min(limit) {
            let Some(event) = self.take(next) else { break };
            sink(FaultRecord::new(event));
            outcome.drained += 1;
            next = (next + 1) % SLOTS;
        }
        if outcome.drained > 0 {
            self.registers.set(EVENT_HEAD, RingPosition::at(next));
        }
        outcome.pending_more = outcome.drained < waiting;
        if status.contains(Status::EVENT_OVERFLOW) && !outcome.pending_more {
            self.restart();
            outcome.overflow = true;
        }
        outcome
    }

    /// Reads the status register.
    pub fn status(&self) -> Status {
        self.registers.get(STATUS)
    }

    /// Has the unit log again.
    fn restart(&self) {
        if !self.registers.get(CONTROL).contains(Control::EVENT_LOG) {
            // Somebody else switched it off, and with it maybe all: that is for whoever asks whether the unit enforces.
            return;
        }
        self.registers.set(CONTROL, self.control.difference(Control::EVENT_LOG));
        self.registers.clear(STATUS, Status::EVENT_OVERFLOW);
        self.registers.set(EVENT_HEAD, RingPosition::at(0));
        self.registers.set(EVENT_TAIL, RingPosition::at(0));
        self.registers.set(CONTROL, self.control);
    }

    /// Reads one event and clears its place; `None` if the unit has not written it yet.
    fn take(&mut self, index: usize) -> Option<Event> {
        let at = self.log.as_u64() + index as u64 * ENTRY_BYTES;
        let (low, high) = (PhysAddr::new(at), PhysAddr::new(at + 8));
        let first = (0..LOOKS).find_map(|_| Some(self.memory.read(low)).filter(|bits| bits >> 60 != 0))?;
        let event = Event { low: first, high: self.memory.read(high) };
        self.memory.write(high, 0);
        self.memory.write(low, 0);
        Some(event)
    }
}
