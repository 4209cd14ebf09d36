//! What a device tried to do, and what it may do.

use core::fmt;

/// What a request of a device was, as far as the hardware tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The device read memory.
    Read,
    /// The device wrote memory.
    Write,
    /// An atomic operation: both at once.
    Atomic,
    /// An interrupt request: a write into the interrupt range.
    Interrupt,
    /// The record does not tell.
    Unknown,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Atomic => "atomic",
            Self::Interrupt => "interrupt",
            Self::Unknown => "unknown",
        })
    }
}

/// Which way the data of a mapping flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The device reads what the driver wrote.
    ToDevice,
    /// The device writes what the driver will read.
    FromDevice,
    /// The device reads and writes it.
    Bidirectional,
}

impl Direction {
    /// The narrowest permissions that let a device work in this direction.
    pub const fn permissions(self) -> Permissions {
        match self {
            Self::ToDevice => Permissions::READ,
            Self::FromDevice => Permissions::WRITE,
            Self::Bidirectional => Permissions::READ_WRITE,
        }
    }

    /// Tells whether a request of this kind is within the direction.
    pub const fn allows(self, access: Access) -> bool {
        self.permissions().allow(access)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToDevice => "to-device",
            Self::FromDevice => "from-device",
            Self::Bidirectional => "bidirectional",
        })
    }
}

/// What a translation entry permits; at least one of the two.
///
/// Holding one proves that the entry made from it is not a blocking one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// The device may read.
    pub const READ: Self = Self(1);
    /// The device may write.
    pub const WRITE: Self = Self(2);
    /// The device may do both.
    pub const READ_WRITE: Self = Self(Self::READ.0 | Self::WRITE.0);

    /// The permissions as every kind of table writes them: bit 0 for reads, bit 1 for writes.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Tells whether reads pass.
    pub const fn read(self) -> bool {
        self.0 & Self::READ.0 != 0
    }

    /// Tells whether writes pass.
    pub const fn write(self) -> bool {
        self.0 & Self::WRITE.0 != 0
    }

    /// Tells whether a request of this kind passes; an unknown kind never does.
    pub const fn allow(self, access: Access) -> bool {
        match access {
            Access::Read => self.read(),
            Access::Write => self.write(),
            Access::Atomic => self.read() && self.write(),
            Access::Interrupt | Access::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_permits_no_more_than_it_says() {
        assert!(Direction::ToDevice.allows(Access::Read));
        assert!(!Direction::ToDevice.allows(Access::Write));
        assert!(Direction::FromDevice.allows(Access::Write));
        assert!(!Direction::FromDevice.allows(Access::Read));
        assert!(Direction::Bidirectional.allows(Access::Atomic));
        assert!(!Direction::ToDevice.allows(Access::Atomic));
        assert!(!Direction::Bidirectional.allows(Access::Unknown));
    }
}
