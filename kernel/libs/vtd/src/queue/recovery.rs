//! Recovery of a queue that stopped (VT-d "Queued Invalidation Errors").
//!
//! IQE: the unit stands at a descriptor that it cannot use. ITE: a device did not answer, and the waits in
//! the queue were aborted. ICE: a device answered wrongly. Whoever sees one first, a waiter or the fault
//! interrupt's dispatcher, gets the queue going again. What was in it counts as failed from then on:
//! those who wait for it learn so at their next look, and submit again.

use core::fmt;

use dma_types::{PAGE_SIZE, PhysAddr};
use mmio_regs::{Registers, TypedAccess};

use crate::TableMemory;
use crate::spec::descriptor::Descriptor;
use crate::spec::fault_event::FaultStatus;
use crate::spec::queue_registers::QueueErrorRecord;
use crate::spec::registers::{FSTS, IQERCD, IQH};
use crate::tables::Coherence;

use super::{Queue, SCRATCH, SLOTS};

/// What was found when the queue had stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueError {
    /// Which of [`FaultStatus::QUEUE_ERRORS`] stood.
    pub status: FaultStatus,
    /// Which descriptor the unit stood at.
    pub head: usize,
    /// What the unit says about the cause.
    pub record: QueueErrorRecord,
    /// The descriptor it stood at, as memory has it; `None` if the position is not in the ring.
    pub descriptor: Option<Descriptor>,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalidation queue error: status {:#x}, head {}, record {:#x}",
            self.status.bits(),
            self.head,
            self.record.0
        )?;
        match self.descriptor {
            Some(descriptor) => write!(f, ", descriptor {:#x} {:#x}", descriptor.high, descriptor.low),
            None => f.write_str(", no descriptor there"),
        }
    }
}

impl core::error::Error for QueueError {}

impl Queue {
    /// Gets the queue going again if it has stopped; `None` if it has not.
    #[cold]
    pub(crate) fn recover(
        &mut self,
        registers: &impl Registers,
        memory: &mut impl TableMemory,
    ) -> Option<QueueError> {
        let status = registers.get(FSTS);
        let errors = status & FaultStatus::QUEUE_ERRORS;
        // All ones: the unit is gone; the waiter's deadline deals with it.
        if errors.is_empty() || status.bits() == u32::MAX {
            return None;
        }
        let head = registers.get(IQH).index();
        let error = QueueError {
            status: errors,
            head,
            record: registers.get(IQERCD),
            descriptor: (head < SLOTS).then(|| self.read(head, memory)),
        };
        if errors.contains(FaultStatus::QUEUE_ERROR) && head < SLOTS {
            self.write(head, self.harmless(), memory);
            if self.coherence == Coherence::NonCoherent {
                memory.flush(self.ring, PAGE_SIZE);
            }
        }
        self.recoveries = self.recoveries.wrapping_add(1);
        self.last_error = Some(error);
        registers.clear(FSTS, errors);
        // Some units look at the queue again only when the tail is written.
        self.tell(registers);
        Some(error)
    }

    /// A wait whose number nobody looks at: some units take no wait that does nothing at all.
    const fn harmless(&self) -> Descriptor {
        Descriptor::wait(PhysAddr::new(self.status.as_u64() + SCRATCH), 0)
    }

    fn read(&self, index: usize, memory: &impl TableMemory) -> Descriptor {
        let at = self.slot(index).as_u64();
        Descriptor { low: memory.read(PhysAddr::new(at)), high: memory.read(PhysAddr::new(at + 8)) }
    }
}
