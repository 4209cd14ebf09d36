//! Why an attack cannot be tried.

use core::fmt;

/// Why a target cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPossible {
    /// No free memory.
    Memory,
    /// Every page tried has a number that means something else in this domain.
    Numbers,
    /// There is no other device with an address space.
    Alone,
    /// The address is beyond what the device can send or the tables can hold.
    Beyond,
    /// The device may use that address.
    Live,
    /// The processor's interrupt window, which is not translated.
    InterruptWindow,
    /// The user lets the device see what lies beside its buffers.
    Trusted,
    /// The device moves more than fits into a page beside a buffer.
    TooLong,
    /// Nowhere at the target stands what the device would write, so that a hit would change it.
    Contents,
    /// The device makes no request at such an address.
    Refused,
    /// The device is cut off or has no address space.
    NoAddressSpace,
    /// An interrupt is written; nothing can be read of it.
    WriteOnly,
    /// Its unit lets every message pass.
    InterruptsPlain,
    /// The device was given no interrupt, or does not raise it when told.
    NoMessage,
    /// No other function has interrupts by the same unit, or none can be given.
    NoOtherMessage,
}

impl NotPossible {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Memory => "no free memory for the target",
            Self::Numbers => "every free page has a number that means something else to this device",
            Self::Alone => "no other device has an address space",
            Self::Beyond => "the address is beyond what the device can send or its tables can hold",
            Self::Live => "the address is live in the device's own domain",
            Self::InterruptWindow => "a write to this address is an interrupt and reaches no memory",
            Self::Trusted => "the option trust lets this device see what lies beside its buffers",
            Self::TooLong => {
                "one transfer of the device is longer than what lies beside a buffer in its page"
            }
            Self::Contents => "the device cannot be told to write what stands there already",
            Self::Refused => "the device makes no request at such an address",
            Self::NoAddressSpace => "the device has no address space now",
            Self::WriteOnly => "an interrupt is a write, and there is nothing to read",
            Self::InterruptsPlain => "interrupts are not remapped, so any device may raise any of them",
            Self::NoMessage => "the device has no interrupt that it raises when it is told",
            Self::NoOtherMessage => "its unit can give no other device an interrupt",
        }
    }
}

impl fmt::Display for NotPossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for NotPossible {}
