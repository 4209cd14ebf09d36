//! What an entry of the event log of an AMD-Vi unit says.

use super::device::DeviceName;
use super::fault::{Pasid, Reading};

/// An entry of the event log of an AMD-Vi unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// What happened.
    pub(super) kind: EventKind,
    /// The requester.
    pub(super) device: Option<DeviceName>,
    /// The address.
    pub(super) address: Reading<u64>,
    /// The flags.
    pub(super) flags: Reading<EventFlags>,
    /// The process address space; none where the event says 0, which is what a request without one has.
    pub(super) pasid: Pasid,
    /// Which unit reported it, where the message says so.
    pub(super) unit: Option<u16>,
}

impl Event {
    /// An event of which only the kind is known.
    pub(super) const fn blank(kind: EventKind) -> Self {
        Self {
            kind,
            device: None,
            address: Reading::Absent,
            flags: Reading::Absent,
            pasid: Pasid::Absent,
            unit: None,
        }
    }
}

/// Kinds of entries in the event log (AMD-Vi "Event Logging").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventKind {
    /// A request that the page tables do not permit.
    IoPageFault,
    /// A request that devices must not send.
    InvalidDeviceRequest,
    /// A device table entry that makes no sense.
    IllegalDevTableEntry,
    /// A device table entry that could not be read.
    DevTabHardwareError,
    /// A page table entry that could not be read.
    PageTabHardwareError,
    /// A command that makes no sense.
    IllegalCommandError,
    /// A command that could not be read.
    CommandHardwareError,
    /// A device that did not answer a TLB invalidation.
    IotlbInvTimeout,
    /// A page request that cannot be taken.
    InvalidPprRequest,
    /// A page that belongs to somebody else (secure nested paging).
    RmpPageFault,
    /// The table of page owners could not be read.
    RmpHardwareError,
}

impl EventKind {
    /// All kinds.
    pub(super) const ALL: [Self; 11] = [
        Self::IoPageFault,
        Self::InvalidDeviceRequest,
        Self::IllegalDevTableEntry,
        Self::DevTabHardwareError,
        Self::PageTabHardwareError,
        Self::IllegalCommandError,
        Self::CommandHardwareError,
        Self::IotlbInvTimeout,
        Self::InvalidPprRequest,
        Self::RmpPageFault,
        Self::RmpHardwareError,
    ];

    /// The name in Linux's messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::IoPageFault => "IO_PAGE_FAULT",
            Self::InvalidDeviceRequest => "INVALID_DEVICE_REQUEST",
            Self::IllegalDevTableEntry => "ILLEGAL_DEV_TABLE_ENTRY",
            Self::DevTabHardwareError => "DEV_TAB_HARDWARE_ERROR",
            Self::PageTabHardwareError => "PAGE_TAB_HARDWARE_ERROR",
            Self::IllegalCommandError => "ILLEGAL_COMMAND_ERROR",
            Self::CommandHardwareError => "COMMAND_HARDWARE_ERROR",
            Self::IotlbInvTimeout => "IOTLB_INV_TIMEOUT",
            Self::InvalidPprRequest => "INVALID_PPR_REQUEST",
            Self::RmpPageFault => "RMP_PAGE_FAULT",
            Self::RmpHardwareError => "RMP_HARDWARE_ERROR",
        }
    }

    /// The name in Xen's messages, or a shorter one that Linux uses too.
    const fn other_name(self) -> Option<&'static str> {
        match self {
            Self::IoPageFault => Some("IO_PAGE_FALT"),
            Self::InvalidDeviceRequest => Some("INVALID_DEV_REQUEST"),
            Self::DevTabHardwareError => Some("DEV_TABLE_HW_ERROR"),
            Self::PageTabHardwareError => Some("PAGE_TABLE_HW_ERROR"),
            Self::CommandHardwareError => Some("COMMAND_HW_ERROR"),
            Self::RmpHardwareError => Some("RMP_HW_ERROR"),
            _ => None,
        }
    }

    /// All names in messages.
    pub(super) fn spellings(self) -> impl Iterator<Item = &'static str> {
        [Some(self.name()), self.other_name()].into_iter().flatten()
    }

    /// Tells whether the address is that of a command, in the unit's command buffer.
    pub(super) const fn is_about_command(self) -> bool {
        matches!(self, Self::IllegalCommandError | Self::CommandHardwareError | Self::IotlbInvTimeout)
    }

    /// Tells whether a device is the cause; of commands software is.
    pub(super) const fn names_device(self) -> bool {
        !matches!(self, Self::IllegalCommandError | Self::CommandHardwareError)
    }
}

/// Flags of an entry: bits 59:48 of the event (AMD-Vi "IO_PAGE_FAULT Event").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventFlags(pub(super) u16);

impl EventFlags {
    /// The flags in the second word of an entry.
    pub(super) const fn of_word(word: u32) -> Self {
        Self((word >> 16 & 0xfff) as u16)
    }

    /// I: the request was for an interrupt.
    pub(super) const fn interrupt(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// PR: the page is present.
    pub(super) const fn present(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// RW: it was a write.
    pub(super) const fn write(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// RZ: a reserved bit was set in a table.
    pub(super) const fn reserved_bit(self) -> bool {
        self.0 & 1 << 7 != 0
    }

    /// The type of an invalid device request, in the upper bits.
    pub(super) const fn request_type(self) -> u16 {
        self.0 >> 9 & 0b111
    }
}
