//! Draining fault records (VT-d "Primary Fault Logging").
//!
//! The records are a ring. The oldest waiting one stands at the index in the fault status register; its
//! requester may have caused more faults than the one recorded, because the hardware may merge them while
//! the record waits. When no record is free the overflow bit is set, and nothing is recorded until it is
//! cleared, even with all records free again.

use mmio_regs::{Registers, TypedAccess};

use crate::spec::capability::Capabilities;
use crate::spec::fault_event::{FaultEventControl, FaultStatus};
use crate::spec::fault_record::{FAULT_VALID, FaultRecord};
use crate::spec::registers::{
    FAULT_RECORD, FECTL, FSTS, fault_record_high, fault_record_low, fault_record_source,
};

/// How often one drain clears the overflow bit: a second time for faults between clearing and looking.
const OVERFLOW_ROUNDS: usize = 2;

/// The fault side of a unit: records, status, and the mask of the fault interrupt.
///
/// It shares nothing with the unit's other half but the registers, so an interrupt handler or a stop path
/// may use it while that half is in use or locked. Two drains at the same time may hand out a record twice.
#[derive(Clone, Copy, Debug)]
pub struct FaultPort<R> {
    registers: R,
    first_record: usize,
    records: usize,
}

/// What one drain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DrainOutcome {
    /// Records handed out; 0 for a spurious interrupt.
    pub drained: usize,
    /// Faults were lost, because no record was free; recording has been set going again.
    pub overflow: bool,
    /// Queue errors that stand. They are left alone: the queue's recovery clears them.
    pub queue_errors: FaultStatus,
    /// The limit was reached and more is waiting.
    pub pending_more: bool,
}

impl<R: Registers> FaultPort<R> {
    /// Makes a port from registers and the capabilities that [`crate::Unit::probe`] found sound.
    pub(crate) fn new(registers: R, capabilities: Capabilities) -> Self {
        Self {
            registers,
            first_record: capabilities.fault_record_offset(),
            records: capabilities.fault_records(),
        }
    }

    /// Hands up to `limit` waiting records to `sink`, oldest first, and frees each.
    ///
    /// Then clears the overflow bit and looks again. Works whether translation is on or not. A window
    /// that answers with all ones is gone and yields nothing.
    pub fn drain(&self, sink: &mut dyn FnMut(FaultRecord), limit: usize) -> DrainOutcome {
        let mut drained = 0;
        let mut overflows = 0;
        let mut queue_errors = FaultStatus::empty();
        let mut pending_more = false;
        loop {
            let status = self.status();
            if status.bits() == u32::MAX {
                break;
            }
            queue_errors |= status & FaultStatus::QUEUE_ERRORS;
            if status.contains(FaultStatus::PENDING) {
                if drained == limit {
                    pending_more = true;
                    break;
                }
                let taken = self.drain_ring(status.record_index(), sink, limit - drained);
                if taken == 0 {
                    break;
                }
                drained += taken;
            } else if status.contains(FaultStatus::OVERFLOW) {
                if overflows == OVERFLOW_ROUNDS {
                    pending_more = true;
                    break;
                }
                self.registers.clear(FSTS, FaultStatus::OVERFLOW);
                overflows += 1;
            } else {
                break;
            }
        }
        DrainOutcome { drained, overflow: overflows > 0, queue_errors, pending_more }
    }

    /// Reads the fault status register as it stands, the record index included.
    pub fn status(&self) -> FaultStatus {
        self.registers.get(FSTS)
    }

    /// Holds the fault interrupt back; faults go on being recorded.
    pub fn mask_fault_event(&self) {
        self.registers.set(FECTL, FaultEventControl::MASK);
        // Read back, so that the write has arrived when this returns.
        let _: FaultEventControl = self.registers.get(FECTL);
    }

    /// Lets the fault interrupt pass again and returns the conditions that stand.
    ///
    /// A condition that stood already before the mask raises no interrupt: if the status shows one, the
    /// caller must drain and, for queue errors, recover the queue.
    #[must_use = "conditions that stand raise no interrupt by themselves"]
    pub fn unmask_fault_event(&self) -> FaultStatus {
        self.registers.set(FECTL, FaultEventControl::empty());
        let _: FaultEventControl = self.registers.get(FECTL);
        self.status().conditions()
    }

    /// Empties the ring once from its oldest record; stops at the first free one behind it.
    fn drain_ring(&self, oldest: usize, sink: &mut dyn FnMut(FaultRecord), room: usize) -> usize {
        let mut taken = 0;
        for step in 0..self.records {
            if taken == room {
                break;
            }
            match self.take((oldest + step) % self.records) {
                Some(record) => {
                    sink(record);
                    taken += 1;
                }
                None if taken > 0 => break,
                // The index was wrong: the waiting record is elsewhere in the ring.
                None => {}
            }
        }
        taken
    }

    /// Reads one record and frees it; `None` if it is free.
    fn take(&self, index: usize) -> Option<FaultRecord> {
        let base = self.first_record + index * FAULT_RECORD;
        // F is read first and cleared last: in between the hardware does not touch the record.
        let high = self.registers.get(fault_record_high(base));
        if high & FAULT_VALID == 0 {
            return None;
        }
        let source = self.registers.get(fault_record_source(base));
        let low = self.registers.get(fault_record_low(base));
        self.registers.clear(fault_record_high(base), FAULT_VALID);
        Some(FaultRecord::from_halves(low, u64::from(high) << 32 | u64::from(source)))
    }
}

#[cfg(test)]
mod tests;
