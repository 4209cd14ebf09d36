//! What a unit does at all (AMD I/O Virtualization "IOMMU Control Register").

use bitflags::bitflags;
use mmio_regs::register_value;

bitflags! {
    /// The control register.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u64 {
        /// IommuEn: requests are translated.
        const UNIT = 1 << 0;
        /// HtTunEn: upstream traffic of the HyperTransport tunnel is translated too.
        const TUNNEL = 1 << 1;
        /// EventLogEn: events are logged.
        const EVENT_LOG = 1 << 2;
        /// EventIntEn: a logged event raises an interrupt.
        const EVENT_INTERRUPT = 1 << 3;
        /// ComWaitIntEn: a completion wait may raise an interrupt.
        const WAIT_INTERRUPT = 1 << 4;
        /// PassPW: posted writes may pass others.
        const PASS_POSTED = 1 << 8;
        /// ResPassPW: responses may pass posted writes.
        const RESPONSE_PASS_POSTED = 1 << 9;
        /// Coherent: the unit reads its device table through the processors' caches.
        const COHERENT = 1 << 10;
        /// Isoc: its own reads go by the isochronous channel.
        const ISOCHRONOUS = 1 << 11;
        /// CmdBufEn: commands are fetched.
        const COMMANDS = 1 << 12;
        /// PPRLogEn: requests of devices for pages are logged.
        const PAGE_REQUEST_LOG = 1 << 13;
        /// PPRIntEn: such a request raises an interrupt.
        const PAGE_REQUEST_INTERRUPT = 1 << 14;
        /// PPREn: devices may ask for pages.
        const PAGE_REQUESTS = 1 << 15;
        /// GTEn: requests within a process's address space are translated.
        const GUEST_TRANSLATION = 1 << 16;
        /// GAEn: interrupt entries have 128 bits.
        const WIDE_INTERRUPT_ENTRIES = 1 << 17;
        /// XTEn: interrupt entries name processors by 32 bits.
        const X2APIC = 1 << 50;
    }
}

impl Control {
    /// What firmware's table asks for, for the fabric that the unit stands in.
    pub const FABRIC: Self =
        Self::TUNNEL.union(Self::PASS_POSTED).union(Self::RESPONSE_PASS_POSTED).union(Self::ISOCHRONOUS);

    /// What must be on for as long as the unit enforces.
    pub const ENFORCING: Self = Self::UNIT.union(Self::EVENT_LOG).union(Self::COMMANDS);
}

register_value!(flags Control: u64);
