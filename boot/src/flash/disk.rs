//! What matters of a disk before it is overwritten.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The number by which the system knows a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumber {
    /// Its driver.
    pub major: u32,
    /// The device among that driver's.
    pub minor: u32,
}

impl FromStr for DeviceNumber {
    type Err = std::num::ParseIntError;

    /// Reads it as the system's files spell it: `8:16`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.trim().split_once(':').unwrap_or((text, ""));
        Ok(Self { major: major.parse()?, minor: minor.parse()? })
    }
}

/// A block device: a whole disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name in `/dev`.
    pub name: String,
    /// Its number.
    pub number: DeviceNumber,
}

/// A disk, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The disk itself.
    pub device: Device,
    /// Its partitions.
    pub partitions: Vec<Device>,
    /// Whether its medium can be taken out: a stick, a card.
    pub removable: bool,
    /// Whether it is write-protected.
    pub read_only: bool,
    /// Its size; 0 if there is no medium in the drive.
    pub bytes: u64,
    /// What it is used for now, on any of its partitions and through whatever is built on them.
    pub uses: Vec<Use>,
}

/// Something that a disk is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A file system is mounted.
    Mounted {
        /// The device that holds it.
        device: String,
        /// Where it is seen.
        at: PathBuf,
    },
    /// Memory is swapped out to it.
    Swap {
        /// The device that holds it.
        device: String,
    },
    /// Another block device is built on it, such as an encrypted or a logical volume.
    Held {
        /// The device below.
        device: String,
        /// The device above.
        by: String,
    },
}

impl Use {
    /// Whether the running system needs it: its root, its programs, or what it starts from.
    pub fn is_system(&self) -> bool {
        const SYSTEM: [&str; 5] = ["/", "/usr", "/boot", "/boot/efi", "/efi"];
        matches!(self, Self::Mounted { at, .. } if SYSTEM.iter().any(|path| at.as_os_str() == *path))
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted at {}", at.display()),
            Self::Swap { device } => write!(f, "{device} is in use as swap"),
            Self::Held { device, by } => write!(f, "{device} is in use by {by}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_system_writes_them() {
        assert_eq!("8:16\n".parse(), Ok(DeviceNumber { major: 8, minor: 16 }));
        for text in ["", "8", "8:", ":1", "8:x", "8:1:2"] {
            assert!(text.parse::<DeviceNumber>().is_err(), "{text}");
        }
    }
}
