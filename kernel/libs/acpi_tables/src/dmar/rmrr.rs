//! Memory reserved for devices (VT-d "Reserved Memory Region Reporting Structure").

use dma_types::{PhysAddr, Segment};

use super::scopes::{ScopeList, Scopes};
use crate::reader::Reader;
use crate::record::Record;

/// Memory that firmware keeps for DMA of certain devices, which must go on reaching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rmrr<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Reserved bytes, as they stand.
    pub reserved: u16,
    /// The PCI segment of its devices.
    pub segment: Segment,
    /// First byte of the region.
    pub base: PhysAddr,
    /// Last byte of the region. May be below the base: nothing is checked.
    pub limit: PhysAddr,
    scopes: ScopeList<'a>,
}

impl<'a> Rmrr<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 1;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            reserved: fields.u16()?,
            segment: Segment(fields.u16()?),
            base: PhysAddr::new(fields.u64()?),
            limit: PhysAddr::new(fields.u64()?),
            scopes: ScopeList::after(record.offset, 24, fields.rest()),
        })
    }

    /// Bytes of the region; `None` if its limit is below its base, or it spans all 2^64 addresses.
    pub fn bytes(&self) -> Option<u64> {
        self.limit.as_u64().checked_sub(self.base.as_u64())?.checked_add(1)
    }

    /// The devices that it is for.
    pub fn scopes(&self) -> Scopes<'a> {
        self.scopes.iter()
    }
}
