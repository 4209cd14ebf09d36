//! A unit (AMD-Vi "I/O Virtualization Hardware Definition (IVHD) Block").

use bitflags::bitflags;
use dma_types::{PhysAddr, Segment, SourceId};

use super::entries::{DeviceEntries, EntryList};
use crate::reader::Reader;
use crate::record::Record;

/// A unit and the devices it is for.
///
/// Newer firmware describes each unit several times, by blocks of kinds 10h, 11h and 40h; software uses the
/// highest kind it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ivhd<'a> {
    /// Where in the table the block begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Its kind: 10h, 11h or 40h.
    pub kind: u8,
    /// What the unit can do and how it is to be set up.
    pub flags: IvhdFlags,
    /// The unit's own PCI function.
    pub device_id: SourceId,
    /// Where its capability stands in that function's configuration space.
    pub capability_offset: u16,
    /// Where its registers begin. Nothing is checked.
    pub base: PhysAddr,
    /// The PCI segment of its devices.
    pub segment: Segment,
    /// Number of its message (4:0) and of the unit (12:8).
    pub info: u16,
    /// Features where the kind is 10h, else attributes.
    pub features: u32,
    /// Images of the two extended feature registers; kind 10h has none.
    pub extended_features: Option<[u64; 2]>,
    entries: EntryList<'a>,
}

bitflags! {
    /// Flags of a unit. All eight have a meaning.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct IvhdFlags: u8 {
        /// HyperTransport tunnel translation.
        const HT_TUNNEL = 1 << 0;
        /// Posted writes may pass others.
        const PASS_POSTED_WRITES = 1 << 1;
        /// Responses may pass posted writes.
        const RESPONSES_PASS = 1 << 2;
        /// Isochronous traffic.
        const ISOCHRONOUS = 1 << 3;
        /// Devices may cache translations.
        const IOTLB = 1 << 4;
        /// Table walks snoop the processors' caches.
        const COHERENT = 1 << 5;
        /// Prefetch commands are supported.
        const PREFETCH = 1 << 6;
        /// Page requests are supported.
        const PAGE_REQUESTS = 1 << 7;
    }
}

impl<'a> Ivhd<'a> {
    /// The first kind.
    pub const KIND_10: u8 = 0x10;
    /// The kind with extended features.
    pub const KIND_11: u8 = 0x11;
    /// The kind that also names ACPI devices.
    pub const KIND_40: u8 = 0x40;

    /// Decodes the block; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let [kind, flags] = record.tag;
        let mut fields = Reader::new(record.body);
        let device_id = SourceId::from_bits(fields.u16()?);
        let capability_offset = fields.u16()?;
        let base = PhysAddr::new(fields.u64()?);
        let segment = Segment(fields.u16()?);
        let info = fields.u16()?;
        let features = fields.u32()?;
        let (extended_features, fixed_bytes) = match kind {
            Self::KIND_10 => (None, 24),
            _ => (Some([fields.u64()?, fields.u64()?]), 40),
        };
        Some(Self {
            offset: record.offset,
            length: record.length,
            kind,
            flags: IvhdFlags::from_bits_retain(flags),
            device_id,
            capability_offset,
            base,
            segment,
            info,
            features,
            extended_features,
            entries: EntryList::after(record.offset, fixed_bytes, fields.rest()),
        })
    }

    /// The devices it lists.
    pub fn entries(&self) -> DeviceEntries<'a> {
        self.entries.iter()
    }
}
