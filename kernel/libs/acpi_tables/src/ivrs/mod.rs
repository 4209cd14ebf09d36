//! AMD's table: I/O Virtualization Reporting Structure (AMD-Vi "I/O Virtualization ACPI Table").

mod block;
mod entries;
mod entry;
mod ivhd;
mod ivmd;
#[cfg(test)]
mod tests;

use crate::damage::Damage;
use crate::table::{Checksum, Header, LengthProblem, Table, TableError};

pub use block::{Block, Blocks, UnknownBlock};
pub use entries::{DeviceEntries, EntryError};
pub use entry::{AcpiDevice, DeviceEntry, DeviceSettings, EntryDetail, EntryKind, SpecialVariety};
pub use ivhd::{Ivhd, IvhdFlags};
pub use ivmd::{Ivmd, IvmdDevices, IvmdFlags};

/// An IVRS table.
///
/// Holding one proves no more than that its header and the fields before the first block are there and carry
/// the right signature. What is wrong beyond that, [`Ivrs::damage`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Ivrs<'a> {
    table: Table<'a>,
}

impl<'a> Ivrs<'a> {
    /// The four letters of this kind of table.
    pub const SIGNATURE: [u8; 4] = *b"IVRS";

    /// Reads the header. A declared length below the number of bytes is respected; one above it is kept as
    /// a [`LengthProblem`], and what is there is used.
    ///
    /// # Errors
    /// If the signature differs, or the table ends before its first block could begin.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TableError> {
        Ok(Self { table: Table::parse(bytes, Self::SIGNATURE)? })
    }

    /// The header, as it stands.
    pub const fn header(&self) -> &Header {
        &self.table.header
    }

    /// Whether the bytes of the table, as far as they are there, add up to zero.
    pub const fn checksum(&self) -> Checksum {
        self.table.checksum
    }

    /// Whether part of the table is missing.
    pub const fn length_problem(&self) -> Option<LengthProblem> {
        self.table.length_problem
    }

    /// Bytes given that lie after the table's declared end.
    pub const fn trailing_bytes(&self) -> usize {
        self.table.trailing_bytes
    }

    /// What all units of the machine have in common.
    pub const fn info(&self) -> IvInfo {
        let [a, b, c, d, ..] = self.table.fixed;
        IvInfo(u32::from_le_bytes([a, b, c, d]))
    }

    /// The reserved bytes before the first block.
    pub const fn reserved(&self) -> [u8; 8] {
        let [_, _, _, _, reserved @ ..] = self.table.fixed;
        reserved
    }

    /// The blocks in order. After an error that leaves the rest unreachable, that error is the last item.
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks::new(&self.table)
    }

    /// The flags of the block at `offset`, even of one too short for its kind.
    #[cfg(feature = "json")]
    pub(crate) fn block_flags(&self, offset: usize) -> Option<u8> {
        let flags = offset.checked_sub(crate::table::STRUCTURES_OFFSET)?.checked_add(1)?;
        self.table.structures.get(flags).copied()
    }

    /// Everything that kept the table from being read in full; nothing if it was.
    pub fn damage(&self) -> impl Iterator<Item = Damage> + use<'a> {
        let in_blocks = self.blocks().flat_map(|block| {
            let (error, entries) = match block {
                Ok(Block::Ivhd(ivhd)) => (None, ivhd.entries()),
                Ok(_) => (None, DeviceEntries::default()),
                Err(error) => (Some(Damage::Structure(error)), DeviceEntries::default()),
            };
            error.into_iter().chain(entries.filter_map(Result::err).map(Damage::Entry))
        });
        self.table.damage().chain(in_blocks)
    }

    /// How many blocks are of a kind that this library does not know.
    pub fn unknown_blocks(&self) -> usize {
        self.blocks().filter(|block| matches!(block, Ok(Block::Unknown(_)))).count()
    }
}

/// What all units of the machine have in common (AMD-Vi "IVinfo Field").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IvInfo(pub u32);

impl IvInfo {
    /// Tells whether the blocks carry images of the units' extended features.
    pub const fn extended_features(self) -> bool {
        self.0 & 1 != 0
    }

    /// Tells whether firmware kept DMA out until software took over, and asks software to go on so.
    pub const fn dma_remap_opt_in(self) -> bool {
        self.0 >> 1 & 1 != 0
    }

    /// Code of the guest virtual address size.
    pub const fn guest_address_size(self) -> u8 {
        (self.0 >> 5) as u8 & 0x7
    }

    /// Bits of a physical address.
    pub const fn physical_address_bits(self) -> u8 {
        (self.0 >> 8) as u8 & 0x7f
    }

    /// Bits of a virtual address.
    pub const fn virtual_address_bits(self) -> u8 {
        (self.0 >> 15) as u8 & 0x7f
    }

    /// Tells whether the address range of HyperTransport's translation services is reserved.
    pub const fn ats_range_reserved(self) -> bool {
        self.0 >> 22 & 1 != 0
    }

    /// Bits without a meaning.
    pub const fn reserved_bits(self) -> u32 {
        self.0 & 0xff80_001c
    }
}
