//! Which devices a unit is for (AMD-Vi "IVHD Device Entries").

use bitflags::bitflags;
use dma_types::SourceId;

/// One device entry of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceEntry<'a> {
    /// Where in the table the entry begins.
    pub offset: usize,
    /// Its length in bytes, which follows from its kind.
    pub length: u16,
    /// What it says.
    pub kind: EntryKind,
    /// The device it is about, or the first or last one of a range.
    pub device_id: SourceId,
    /// Interrupts that the devices may send untranslated.
    pub settings: DeviceSettings,
    /// What some kinds add.
    pub detail: EntryDetail<'a>,
}

/// What an entry says. Any byte may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKind(pub u8);

impl EntryKind {
    /// Nothing: padding.
    pub const PADDING: Self = Self(0);
    /// All devices.
    pub const ALL: Self = Self(1);
    /// One device.
    pub const SELECT: Self = Self(2);
    /// The first device of a range.
    pub const RANGE_START: Self = Self(3);
    /// The last device of a range.
    pub const RANGE_END: Self = Self(4);
    /// One device that uses the id of another.
    pub const ALIAS_SELECT: Self = Self(66);
    /// The first device of a range that uses the id of another.
    pub const ALIAS_RANGE_START: Self = Self(67);
    /// One device with extended settings.
    pub const EXTENDED_SELECT: Self = Self(70);
    /// The first device of a range with extended settings.
    pub const EXTENDED_RANGE_START: Self = Self(71);
    /// An I/O APIC or an HPET.
    pub const SPECIAL: Self = Self(72);
    /// A device of the ACPI namespace.
    pub const ACPI_HID: Self = Self(240);

    /// Tells whether a range of devices begins with the entry.
    pub const fn starts_range(self) -> bool {
        matches!(self, Self::RANGE_START | Self::ALIAS_RANGE_START | Self::EXTENDED_RANGE_START)
    }

    /// Bytes of an entry of this kind; of [`EntryKind::ACPI_HID`], those before its unique id.
    pub(super) const fn bytes(self) -> u16 {
        match self.0 {
            240 => 22,
            0..64 => 4,
            64..128 => 8,
            128..192 => 16,
            192.. => 32,
        }
    }
}

bitflags! {
    /// Interrupts that devices may send untranslated, and a field that stands between them. Bits without a
    /// name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DeviceSettings: u8 {
        /// INIT.
        const INIT = 1 << 0;
        /// External interrupts.
        const EXTERNAL = 1 << 1;
        /// NMI.
        const NMI = 1 << 2;
        /// System management messages: two bits.
        const SYSTEM_MANAGEMENT = 0b11 << 4;
        /// LINT0.
        const LINT0 = 1 << 6;
        /// LINT1.
        const LINT1 = 1 << 7;
    }
}

/// What an entry of some kinds adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryDetail<'a> {
    /// Nothing.
    None,
    /// The id that the devices' requests carry.
    Alias {
        /// That id.
        source: SourceId,
        /// The reserved bytes before and after it.
        reserved: [u8; 2],
    },
    /// Extended settings.
    Extended(u32),
    /// An I/O APIC or an HPET.
    Special {
        /// Its id or number.
        handle: u8,
        /// The id that its requests carry.
        source: SourceId,
        /// Which of them.
        variety: SpecialVariety,
    },
    /// A device of the ACPI namespace.
    Acpi(AcpiDevice<'a>),
    /// The bytes of a kind that this library does not know, after its first four.
    Unknown(&'a [u8]),
}

/// What a [`EntryKind::SPECIAL`] entry is about. Any byte may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpecialVariety(pub u8);

impl SpecialVariety {
    /// An I/O APIC.
    pub const IOAPIC: Self = Self(1);
    /// An HPET.
    pub const HPET: Self = Self(2);
}

/// A device of the ACPI namespace, by its ids. Firmware's text: show it escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcpiDevice<'a> {
    /// Hardware id.
    pub hid: [u8; 8],
    /// Compatible id.
    pub cid: [u8; 8],
    /// How the unique id is written: 0 there is none, 1 a number, 2 text.
    pub uid_format: u8,
    /// The unique id.
    pub uid: &'a [u8],
}
