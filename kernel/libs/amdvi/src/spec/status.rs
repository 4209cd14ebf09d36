//! What runs and what happened (AMD I/O Virtualization "IOMMU Status Register").

use bitflags::bitflags;
use mmio_regs::register_value;

bitflags! {
    /// The status register. What happened is cleared by writing 1; what runs is read-only.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u64 {
        /// EventOverflow: an event found no room. Nothing is logged any more until the log is started anew.
        const EVENT_OVERFLOW = 1 << 0;
        /// EventLogInt: an event was logged.
        const EVENT_INTERRUPT = 1 << 1;
        /// ComWaitInt: a completion wait raised an interrupt.
        const WAIT_INTERRUPT = 1 << 2;
        /// EventLogRun: the unit logs events.
        const EVENTS_RUN = 1 << 3;
        /// CmdBufRun: the unit fetches commands. It stops at one that it cannot carry out.
        const COMMANDS_RUN = 1 << 4;
    }
}

impl Status {
    /// What is cleared by writing 1.
    pub const EVENTS: Self = Self::EVENT_OVERFLOW.union(Self::EVENT_INTERRUPT).union(Self::WAIT_INTERRUPT);
}

register_value!(flags Status: u64);
