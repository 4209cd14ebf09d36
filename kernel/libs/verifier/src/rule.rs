//! The rules, their names and their numbers.

use core::fmt;

/// What a driver, or its device, did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Memory that both sides use was freed again.
    CommonFreedTwice,
    /// Memory that was lent was given back again.
    FreedTwice,
    /// A device was released while it had memory that both sides use.
    CommonLeft,
    /// A device was released while memory was lent to it.
    MappingsLeft,
    /// A device changed bytes behind its buffer.
    GuardDamaged,
    /// Memory was freed while a part of it was lent.
    FreedWhileMapped,
    /// Memory was synchronised after it was given back.
    SyncAfterReturn,
    /// A device was used after it was released.
    UsedAfterRelease,
    /// Memory was lent that was lent already.
    LentTwice,
    /// Memory was given back, synchronised or asked for that was never lent.
    NeverLent,
    /// Nothing was lent.
    ZeroLength,
    /// Memory was given back in another direction than it was lent in.
    WrongDirection,
    /// Other memory was given back than was lent at that address.
    WrongMemory,
    /// Memory was synchronised beyond what was lent.
    SyncOutside,
    /// A part of the kernel's image was lent.
    ImageLent,
    /// A part of a stack was lent.
    StackLent,
}

impl Rule {
    /// Every rule, in the order of the codes.
    pub const ALL: [Self; 16] = [
        Self::CommonFreedTwice,
        Self::FreedTwice,
        Self::CommonLeft,
        Self::MappingsLeft,
        Self::GuardDamaged,
        Self::FreedWhileMapped,
        Self::SyncAfterReturn,
        Self::UsedAfterRelease,
        Self::LentTwice,
        Self::NeverLent,
        Self::ZeroLength,
        Self::WrongDirection,
        Self::WrongMemory,
        Self::SyncOutside,
        Self::ImageLent,
        Self::StackLent,
    ];

    /// Parameter 1 of the stop: Microsoft's code for the misuse, or one from 0x100 on where that table, which ends
    /// at 0x26, has none.
    pub const fn code(self) -> u64 {
        match self {
            Self::CommonFreedTwice => 0x03,
            Self::FreedTwice => 0x05,
            Self::CommonLeft => 0x07,
            Self::MappingsLeft => 0x09,
            Self::GuardDamaged => 0x0f,
            Self::FreedWhileMapped => 0x10,
            Self::SyncAfterReturn => 0x16,
            Self::UsedAfterRelease => 0x18,
            Self::LentTwice => 0x1d,
            Self::NeverLent => 0x20,
            Self::ZeroLength => 0x21,
            Self::WrongDirection => 0x100,
            Self::WrongMemory => 0x101,
            Self::SyncOutside => 0x102,
            Self::ImageLent => 0x103,
            Self::StackLent => 0x104,
        }
    }

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommonFreedTwice => "common-freed-twice",
            Self::FreedTwice => "freed-twice",
            Self::CommonLeft => "common-left",
            Self::MappingsLeft => "mappings-left",
            Self::GuardDamaged => "guard-damaged",
            Self::FreedWhileMapped => "freed-while-mapped",
            Self::SyncAfterReturn => "sync-after-return",
            Self::UsedAfterRelease => "used-after-release",
            Self::LentTwice => "lent-twice",
            Self::NeverLent => "never-lent",
            Self::ZeroLength => "zero-length",
            Self::WrongDirection => "wrong-direction",
            Self::WrongMemory => "wrong-memory",
            Self::SyncOutside => "sync-outside",
            Self::ImageLent => "image-lent",
            Self::StackLent => "stack-lent",
        }
    }

    /// What was done, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::CommonFreedTwice => {
                "The driver freed memory shared with its device that it had freed before."
            }
            Self::FreedTwice => "The driver took memory back that it had taken back before.",
            Self::CommonLeft => "The driver released its device while the two still shared memory.",
            Self::MappingsLeft => {
                "The driver released its device while the device still had memory of its own."
            }
            Self::GuardDamaged => "The device wrote behind the end of the buffer that it was given.",
            Self::FreedWhileMapped => "The driver freed memory of which a part was still lent to its device.",
            Self::SyncAfterReturn => "The driver synchronised memory that it had taken back before.",
            Self::UsedAfterRelease => "The driver used its device after it had released it.",
            Self::LentTwice => "The driver lent memory that its device had already.",
            Self::NeverLent => "The driver named an address, or memory, that was never lent.",
            Self::ZeroLength => "The driver lent no bytes at all.",
            Self::WrongDirection => {
                "The driver took memory back in another direction than it had lent it in."
            }
            Self::WrongMemory => "The driver took other memory back than it had lent at that address.",
            Self::SyncOutside => "The driver synchronised bytes beyond what it had lent.",
            Self::ImageLent => "The driver lent a part of the kernel's own image.",
            Self::StackLent => {
                "The driver lent a part of a stack, which is used again as soon as it returns."
            }
        }
    }

    /// Parameters 2 to 4 of the stop, for people.
    pub const fn parameters(self) -> [&'static str; 3] {
        match self {
            Self::CommonFreedTwice | Self::FreedTwice => ["extra frees", "device address", "-"],
            Self::CommonLeft | Self::MappingsLeft => ["device object", "left", "device address of the first"],
            Self::GuardDamaged => {
                ["5: padding behind", "device address of the buffer", "damaged device address"]
            }
            Self::FreedWhileMapped => {
                ["still mapped", "device address freed", "device address of the first mapped"]
            }
            Self::SyncAfterReturn => ["device address", "-", "-"],
            Self::UsedAfterRelease => ["device object", "-", "-"],
            Self::LentTwice => ["start of the range", "end of the range", "device address that it has"],
            Self::NeverLent => ["device address", "memory", "-"],
            Self::ZeroLength => ["memory", "-", "-"],
            Self::WrongDirection => ["device address", "direction lent", "direction returned"],
            Self::WrongMemory => ["device address", "memory lent", "memory returned"],
            Self::SyncOutside => ["device address", "bytes lent", "end of the part"],
            Self::ImageLent | Self::StackLent => ["start of the range", "end of the range", "-"],
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
