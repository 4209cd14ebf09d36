//! What an event is (AMD I/O Virtualization "Event Logging"): the one table of numbers and words.

use core::fmt;

/// The number of an event. An open number: a unit may log what no document names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCode(pub u8);

impl EventCode {
    /// ILLEGAL_DEV_TABLE_ENTRY.
    pub const ILLEGAL_DEVICE_ENTRY: Self = Self(0x1);
    /// IO_PAGE_FAULT.
    pub const PAGE_FAULT: Self = Self(0x2);
    /// DEV_TAB_HARDWARE_ERROR.
    pub const DEVICE_TABLE_ERROR: Self = Self(0x3);
    /// PAGE_TAB_HARDWARE_ERROR.
    pub const PAGE_TABLE_ERROR: Self = Self(0x4);
    /// ILLEGAL_COMMAND_ERROR.
    pub const ILLEGAL_COMMAND: Self = Self(0x5);
    /// COMMAND_HARDWARE_ERROR.
    pub const COMMAND_ERROR: Self = Self(0x6);
    /// IOTLB_INV_TIMEOUT.
    pub const DEVICE_TLB_TIMEOUT: Self = Self(0x7);
    /// INVALID_DEVICE_REQUEST.
    pub const INVALID_REQUEST: Self = Self(0x8);
    /// INVALID_PPR_REQUEST.
    pub const INVALID_PAGE_REQUEST: Self = Self(0x9);
    /// EVENT_COUNTER_ZERO.
    pub const COUNTER_ZERO: Self = Self(0xa);

    /// What it means, as a clause; `None` for a number that no document names.
    pub const fn meaning(self) -> Option<&'static str> {
        Some(match self {
            Self::ILLEGAL_DEVICE_ENTRY => "the device table entry is not one that the unit accepts",
            Self::PAGE_FAULT => "the page is not mapped, or not for this access",
            Self::DEVICE_TABLE_ERROR => "the device table could not be read",
            Self::PAGE_TABLE_ERROR => "a page table could not be read",
            Self::ILLEGAL_COMMAND => "the unit was given a command that it does not know",
            Self::COMMAND_ERROR => "the command buffer could not be read",
            Self::DEVICE_TLB_TIMEOUT => "a device did not confirm that it forgot translations",
            Self::INVALID_REQUEST => "the device made a request that it may not make",
            Self::INVALID_PAGE_REQUEST => "the device asked for a page, which it may not",
            Self::COUNTER_ZERO => "a counter of events ran out",
            _ => return None,
        })
    }

    /// Tells whether it is about the unit's commands, so that no device is to blame.
    pub const fn is_of_commands(self) -> bool {
        matches!(self, Self::ILLEGAL_COMMAND | Self::COMMAND_ERROR | Self::COUNTER_ZERO)
    }
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => f.write_str(meaning),
            None => write!(f, "unknown event {:#x}", self.0),
        }
    }
}
