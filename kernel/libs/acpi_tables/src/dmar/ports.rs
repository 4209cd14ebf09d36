//! Lists of ports and devices with a property: ATSR, SATC, SIDP (VT-d "Root Port ATS Capability Reporting
//! Structure", "SoC Integrated Address Translation Cache Reporting Structure", "SoC Integrated Device
//! Property Reporting Structure").

use bitflags::bitflags;
use dma_types::Segment;

use super::scopes::{ScopeList, Scopes};
use crate::reader::Reader;
use crate::record::Record;

/// Bytes before the scopes, in all three.
const FIXED_BYTES: usize = 8;

/// Root ports below which devices may use address translation services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atsr<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Which ports it is about.
    pub flags: AtsrFlags,
    /// A reserved byte, as it stands.
    pub reserved: u8,
    /// The PCI segment of its ports.
    pub segment: Segment,
    scopes: ScopeList<'a>,
}

bitflags! {
    /// Flags of an ATSR. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct AtsrFlags: u8 {
        /// All root ports of the segment, whatever is listed.
        const ALL_PORTS = 1 << 0;
    }
}

impl<'a> Atsr<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 2;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            flags: AtsrFlags::from_bits_retain(fields.u8()?),
            reserved: fields.u8()?,
            segment: Segment(fields.u16()?),
            scopes: ScopeList::after(record.offset, FIXED_BYTES, fields.rest()),
        })
    }

    /// Tells whether it is about all root ports of its segment.
    pub const fn all_ports(&self) -> bool {
        self.flags.contains(AtsrFlags::ALL_PORTS)
    }

    /// The root ports it lists.
    pub fn scopes(&self) -> Scopes<'a> {
        self.scopes.iter()
    }
}

/// Devices on the chip that cache translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Satc<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// What the devices need.
    pub flags: SatcFlags,
    /// A reserved byte, as it stands.
    pub reserved: u8,
    /// The PCI segment of its devices.
    pub segment: Segment,
    scopes: ScopeList<'a>,
}

bitflags! {
    /// Flags of a SATC. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct SatcFlags: u8 {
        /// The devices only work with their translation cache on.
        const ATC_REQUIRED = 1 << 0;
    }
}

impl<'a> Satc<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 5;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            flags: SatcFlags::from_bits_retain(fields.u8()?),
            reserved: fields.u8()?,
            segment: Segment(fields.u16()?),
            scopes: ScopeList::after(record.offset, FIXED_BYTES, fields.rest()),
        })
    }

    /// Tells whether the devices only work with their translation cache on.
    pub const fn atc_required(&self) -> bool {
        self.flags.contains(SatcFlags::ATC_REQUIRED)
    }

    /// The devices it lists.
    pub fn scopes(&self) -> Scopes<'a> {
        self.scopes.iter()
    }
}

/// Devices on the chip with properties of their own, told by the flags of their scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sidp<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Reserved bytes, as they stand.
    pub reserved: u16,
    /// The PCI segment of its devices.
    pub segment: Segment,
    scopes: ScopeList<'a>,
}

impl<'a> Sidp<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 6;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            reserved: fields.u16()?,
            segment: Segment(fields.u16()?),
            scopes: ScopeList::after(record.offset, FIXED_BYTES, fields.rest()),
        })
    }

    /// The devices it lists, whose scope flags mean something only here.
    pub fn scopes(&self) -> Scopes<'a> {
        self.scopes.iter()
    }
}
