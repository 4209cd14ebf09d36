//! Default-deny bring-up without an unprotected moment.
//!
//! 1. what firmware left running is stopped, save translation: command buffer, logs, requests for pages; no range is excluded
//! 2. command buffer and event log are ours
//! 3. device table replaced: with translation on, the new table counts from here
//! 4. translation on, with commands and log
//! 5. everything that the unit remembers is forgotten
//! 6. verified
//!
//! Failing at any step leaves translation at least as strict as it was.

use iommu::TableMemory;
use iommu::wait::{ANSWER_LIMIT_NS, TimedOut, wait_for};
use mmio_regs::{Clock, Registers, TypedAccess};

use dma_types::{DomainId, SourceId};

use crate::invalidation::{Invalidation, InvalidationError};
use crate::queue::{MAX_BATCH, Queue};
use crate::spec::control::Control;
use crate::spec::registers::{
    COMMANDS, CONTROL, DEVICE_TABLE, EVENT_HEAD, EVENT_TAIL, EVENTS, EXCLUSION_BASE, EXCLUSION_LIMIT, STATUS,
};
use crate::spec::ring::{DeviceTableBase, RingBase, RingPosition};
use crate::spec::status::Status;

use super::{Path, Unit, UnitError};

/// What bringing up needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BringUp {
    /// The device table, complete. It should permit nothing yet.
    pub table: DeviceTableBase,
    /// What firmware's table asks for, for the fabric: of [`Control::FABRIC`].
    pub fabric: Control,
}

impl<R: Registers> Unit<R> {
    /// Makes the unit enforce the given device table.
    ///
    /// Safe to call on a unit that firmware, or an earlier kernel, left translating: it translates throughout. Command buffer
    /// and log take three pages of `memory`, which stay with the unit for good. The log raises an interrupt from here on,
    /// by the unit's own PCI function.
    ///
    /// # Errors
    /// See [`UnitError`]. Translation that was on is still on.
    pub fn bring_up(
        &mut self,
        config: &BringUp,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), UnitError> {
        let (queue, log) = self.rings(memory)?;
        self.path = Path::None;
        let kept = self.registers.get(CONTROL) & Control::UNIT;
        self.registers.set(CONTROL, kept);
        self.wait_for(Status::COMMANDS_RUN | Status::EVENTS_RUN, Status::empty(), clock)?;
        self.registers.set(EXCLUSION_BASE, 0);
        self.registers.set(EXCLUSION_LIMIT, 0);
        self.registers.clear(STATUS, Status::EVENTS);
        self.registers.set(COMMANDS, queue);
        if let Some(queue) = &mut self.queue {
            queue.restart(&self.registers);
        }
        self.registers.set(EVENTS, log);
        self.registers.set(EVENT_HEAD, RingPosition::at(0));
        self.registers.set(EVENT_TAIL, RingPosition::at(0));
        self.registers.set(DEVICE_TABLE, config.table);
        let fabric = config.fabric & Control::FABRIC;
        self.control = Control::ENFORCING | Control::EVENT_INTERRUPT | Control::COHERENT | fabric;
        self.registers.set(CONTROL, self.control);
        let running = Status::COMMANDS_RUN | Status::EVENTS_RUN;
        self.wait_for(running, running, clock)?;
        self.path = Path::Commands;
        self.forget_everything(memory, clock)?;
        self.table = Some(config.table);
        if self.is_enforcing() {
            return Ok(());
        }
        self.table = None;
        let (control, table) = (self.registers.get(CONTROL), self.registers.get(DEVICE_TABLE));
        Err(UnitError::NotEnforcing { control, table })
    }

    /// The memory of both rings, taken at the first bring-up.
    fn rings(&mut self, memory: &mut impl TableMemory) -> Result<(RingBase, RingBase), UnitError> {
        if self.queue.is_none() {
            self.queue = Queue::allocate(memory);
        }
        if self.log.is_none() {
            self.log = memory.allocate();
        }
        match (&self.queue, self.log) {
            (Some(queue), Some(log)) => Ok((queue.base(), RingBase::one_page(log))),
            _ => Err(UnitError::OutOfMemory),
        }
    }

    /// Has the unit forget whatever it remembers of earlier tables, and look at every requester's new entry: an emulator lets
    /// the requests of a device pass until it is told of its entry, whatever it was told to forget before.
    fn forget_everything(
        &mut self,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let has_all = self.features.invalidate_all();
        if has_all {
            self.invalidate_all(&[Invalidation::All], memory, clock)?;
        }
        let mut batch = Requests::new(if has_all { 1 } else { 3 });
        for id in 0..=u16::MAX {
            let source = SourceId::from_bits(id);
            let of_id = [
                Invalidation::DeviceEntry(source),
                Invalidation::Domain(DomainId(id)),
                Invalidation::InterruptTable(source),
            ];
            if batch.add(of_id) {
                self.invalidate_all(batch.take(), memory, clock)?;
            }
        }
        self.invalidate_all(batch.take(), memory, clock)
    }

    fn wait_for(&self, mask: Status, expected: Status, clock: &impl Clock) -> Result<(), TimedOut> {
        wait_for(&self.registers, STATUS, (mask, expected), ANSWER_LIMIT_NS, clock).map(|_| ())
    }
}

/// Requests for one id after the other, as many of each as the unit needs.
struct Requests {
    of_each: usize,
    requests: [Invalidation; MAX_BATCH],
    len: usize,
}

impl Requests {
    const fn new(of_each: usize) -> Self {
        Self { of_each, requests: [Invalidation::All; MAX_BATCH], len: 0 }
    }

    /// Adds those of an id; true if there may be no room for another's.
    fn add(&mut self, of_id: [Invalidation; 3]) -> bool {
        let free = self.requests.iter_mut().skip(self.len);
        for (slot, request) in free.zip(of_id.into_iter().take(self.of_each)) {
            *slot = request;
            self.len += 1;
        }
        self.len + self.of_each > MAX_BATCH
    }

    /// What was added since this was last called.
    fn take(&mut self) -> &[Invalidation] {
        let len = core::mem::take(&mut self.len);
        self.requests.get(..len).unwrap_or_default()
    }
}
