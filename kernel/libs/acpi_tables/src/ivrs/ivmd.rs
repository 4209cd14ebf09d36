//! Memory with special treatment (AMD-Vi "I/O Virtualization Memory Definition (IVMD) Block").

use bitflags::bitflags;
use dma_types::{PhysAddr, SourceId};

use crate::reader::Reader;
use crate::record::Record;

/// Memory that certain devices must reach unchanged, or reach past the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ivmd<'a> {
    /// Where in the table the block begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Its kind: 20h, 21h or 22h.
    pub kind: u8,
    /// How the memory is treated.
    pub flags: IvmdFlags,
    /// The device, or the first of a range.
    pub device_id: SourceId,
    /// The last device of a range.
    pub auxiliary: SourceId,
    /// Reserved bytes, as they stand.
    pub reserved: [u8; 8],
    /// First byte of the memory.
    pub start: PhysAddr,
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes after the last field; there should be none.
    pub extra: &'a [u8],
}

bitflags! {
    /// How memory is treated. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct IvmdFlags: u8 {
        /// It must be mapped to the same addresses.
        const UNITY = 1 << 0;
        /// Devices may read it.
        const READ = 1 << 1;
        /// Devices may write it.
        const WRITE = 1 << 2;
        /// Requests to it pass the unit untranslated and unchecked.
        const EXCLUSION = 1 << 3;
    }
}

/// Which devices a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IvmdDevices {
    /// All devices.
    All,
    /// One device.
    One(SourceId),
    /// All devices from the first to the last, both included.
    Range {
        /// The first.
        first: SourceId,
        /// The last. May be below the first: nothing is checked.
        last: SourceId,
    },
}

impl<'a> Ivmd<'a> {
    /// The kind for all devices.
    pub const KIND_ALL: u8 = 0x20;
    /// The kind for one device.
    pub const KIND_ONE: u8 = 0x21;
    /// The kind for a range of devices.
    pub const KIND_RANGE: u8 = 0x22;

    /// Decodes the block; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let [kind, flags] = record.tag;
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            kind,
            flags: IvmdFlags::from_bits_retain(flags),
            device_id: SourceId::from_bits(fields.u16()?),
            auxiliary: SourceId::from_bits(fields.u16()?),
            reserved: fields.bytes()?,
            start: PhysAddr::new(fields.u64()?),
            bytes: fields.u64()?,
            extra: fields.rest(),
        })
    }

    /// Which devices the block is about.
    pub const fn devices(&self) -> IvmdDevices {
        match self.kind {
            Self::KIND_ONE => IvmdDevices::One(self.device_id),
            Self::KIND_RANGE => IvmdDevices::Range { first: self.device_id, last: self.auxiliary },
            _ => IvmdDevices::All,
        }
    }
}
