//! Status and interrupt of faults (VT-d "Fault Status Register", "Fault Event Control Register").

use bitflags::bitflags;
use mmio_regs::register_value;

bitflags! {
    /// VT-d "Fault Status Register". Its upper half holds the fault record index, see [`Self::record_index`].
    ///
    /// While one of the conditions stands, a further one raises no interrupt.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FaultStatus: u32 {
        /// PFO: faults were dropped for want of a free record, and are until this is cleared.
        const OVERFLOW = 1 << 0;
        /// PPF: some record is waiting. Read-only; clears with the records.
        const PENDING = 1 << 1;
        /// AFO: the log in memory overflowed.
        const LOG_OVERFLOW = 1 << 2;
        /// APF: the log in memory has faults.
        const LOG_PENDING = 1 << 3;
        /// IQE: the queue stopped at a descriptor that the hardware cannot use.
        const QUEUE_ERROR = 1 << 4;
        /// ICE: a device answered a TLB invalidation wrongly.
        const COMPLETION_ERROR = 1 << 5;
        /// ITE: a device did not answer a TLB invalidation; the waits in the queue were aborted.
        const COMPLETION_TIMEOUT = 1 << 6;
        /// PRO: page requests were dropped.
        const PAGE_REQUEST_OVERFLOW = 1 << 7;
    }
}

impl FaultStatus {
    /// What stops or disturbs the invalidation queue.
    pub const QUEUE_ERRORS: Self =
        Self::QUEUE_ERROR.union(Self::COMPLETION_ERROR).union(Self::COMPLETION_TIMEOUT);

    /// The log in memory; not used by this crate.
    pub const LOG: Self = Self::LOG_OVERFLOW.union(Self::LOG_PENDING);

    /// The conditions alone, without the record index and what this crate does not know.
    pub const fn conditions(self) -> Self {
        self.intersection(Self::all())
    }

    /// FRI: index of the oldest waiting record; means something only while one waits.
    pub const fn record_index(self) -> usize {
        (self.bits() >> 8 & 0xff) as usize
    }
}

bitflags! {
    /// VT-d "Fault Event Control Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FaultEventControl: u32 {
        /// IM: no interrupt is sent; set by reset.
        const MASK = 1 << 31;
        /// IP: an interrupt is held back. Read-only.
        const PENDING = 1 << 30;
    }
}

register_value!(flags FaultStatus: u32);
register_value!(flags FaultEventControl: u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_index_is_beside_the_flags() {
        // Record 0x2a is the oldest; records wait, one was lost, the queue stopped.
        let status = FaultStatus::from_bits_retain(0x2a13);
        assert_eq!(status.record_index(), 0x2a);
        assert!(status.contains(FaultStatus::PENDING | FaultStatus::OVERFLOW | FaultStatus::QUEUE_ERROR));
        assert_eq!(status & FaultStatus::QUEUE_ERRORS, FaultStatus::QUEUE_ERROR);
        assert_eq!(FaultStatus::QUEUE_ERRORS.bits(), 0x70);
    }
}
