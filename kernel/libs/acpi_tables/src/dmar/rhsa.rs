//! Where a unit sits (VT-d "Remapping Hardware Status Affinity Structure").

use dma_types::PhysAddr;

use crate::reader::Reader;
use crate::record::Record;

/// The proximity domain of a remapping unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhsa<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// Reserved bytes, as they stand.
    pub reserved: u32,
    /// The register base that names the unit.
    pub register_base: PhysAddr,
    /// The proximity domain of that unit.
    pub proximity_domain: u32,
    /// Bytes after the last field; there should be none.
    pub extra: &'a [u8],
}

impl<'a> Rhsa<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 3;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            reserved: fields.u32()?,
            register_base: PhysAddr::new(fields.u64()?),
            proximity_domain: fields.u32()?,
            extra: fields.rest(),
        })
    }
}
