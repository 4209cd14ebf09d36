//! A remapping unit (VT-d "DMA Remapping Hardware Unit Definition Structure").

use bitflags::bitflags;
use dma_types::{PAGE_SIZE, PhysAddr, Segment};

use super::scopes::{ScopeList, Scopes};
use crate::reader::Reader;
use crate::record::Record;

/// A remapping unit and the devices it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drhd<'a> {
    /// Where in the table the structure begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u16,
    /// What it says of its devices.
    pub flags: DrhdFlags,
    /// The size field: bits 3:0 are N for a window of 2^N pages, the others are reserved.
    pub size: u8,
    /// The PCI segment of its devices.
    pub segment: Segment,
    /// Where its registers begin. Nothing is checked: zero, unaligned and shared bases are in the wild.
    pub register_base: PhysAddr,
    scopes: ScopeList<'a>,
}

bitflags! {
    /// Flags of a remapping unit. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DrhdFlags: u8 {
        /// The unit is for all devices of its segment that no other unit lists.
        const INCLUDE_PCI_ALL = 1 << 0;
    }
}

impl<'a> Drhd<'a> {
    /// The number of this kind of structure.
    pub const KIND: u16 = 0;

    /// Decodes the structure; `None` if its fixed fields are not all there.
    pub(super) fn read(record: Record<'a>) -> Option<Self> {
        let mut fields = Reader::new(record.body);
        Some(Self {
            offset: record.offset,
            length: record.length,
            flags: DrhdFlags::from_bits_retain(fields.u8()?),
            size: fields.u8()?,
            segment: Segment(fields.u16()?),
            register_base: PhysAddr::new(fields.u64()?),
            scopes: ScopeList::after(record.offset, 16, fields.rest()),
        })
    }

    /// Tells whether the unit is for all devices of its segment that no other unit lists.
    pub const fn include_pci_all(&self) -> bool {
        self.flags.contains(DrhdFlags::INCLUDE_PCI_ALL)
    }

    /// Bytes of its register window: 4 KiB to 128 MiB.
    pub fn window_bytes(&self) -> u64 {
        PAGE_SIZE.checked_shl(u32::from(self.size & 0xf)).unwrap_or(PAGE_SIZE)
    }

    /// The devices it lists.
    pub fn scopes(&self) -> Scopes<'a> {
        self.scopes.iter()
    }
}
