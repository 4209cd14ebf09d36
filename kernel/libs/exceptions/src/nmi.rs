//! What the platform says about a non-maskable interrupt.

use core::fmt;

/// System control port B, at port 0x61 (chipset data sheets, "NMI Status and Control").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NmiStatus(pub u8);

/// Who raised it, as far as the platform shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NmiCause {
    /// A PCI system error.
    SystemError,
    /// An error on the I/O channel.
    ChannelCheck,
    /// Neither: what is left is a message, or firmware.
    NotShown,
}

impl NmiStatus {
    /// The status after a system error.
    pub const SYSTEM_ERROR: Self = Self(1 << 7);
    /// The status after an error on the I/O channel.
    pub const CHANNEL_CHECK: Self = Self(1 << 6);
    /// Where there is no such port.
    const ABSENT: Self = Self(u8::MAX);

    /// What the status tells of.
    pub const fn cause(self) -> NmiCause {
        match self {
            Self::ABSENT => NmiCause::NotShown,
            Self(bits) if bits & Self::SYSTEM_ERROR.0 != 0 => NmiCause::SystemError,
            Self(bits) if bits & Self::CHANNEL_CHECK.0 != 0 => NmiCause::ChannelCheck,
            Self(_) => NmiCause::NotShown,
        }
    }
}

impl fmt::Display for NmiCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SystemError => "the platform reports a PCI system error (SERR#)",
            Self::ChannelCheck => "the platform reports an I/O channel check (IOCHK#)",
            Self::NotShown => "the platform shows no cause; a device may have sent it as a message",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_port_tells_the_causes_that_it_knows() {
        // Timer, refresh and speaker bits say nothing.
        for (status, cause) in [
            (0x00, NmiCause::NotShown),
            (0x3f, NmiCause::NotShown),
            (0x80, NmiCause::SystemError),
            (0x61, NmiCause::ChannelCheck),
            (0xc0, NmiCause::SystemError),
            (0xff, NmiCause::NotShown),
        ] {
            assert_eq!(NmiStatus(status).cause(), cause, "{status:#x}");
        }
        assert!(NmiCause::NotShown.to_string().contains("a device may have sent it"));
    }
}
