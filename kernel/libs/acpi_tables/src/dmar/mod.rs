//! Intel's table: DMA Remapping Reporting (VT-d "DMA Remapping Reporting Structure").

mod andd;
mod drhd;
mod ports;
mod rhsa;
mod rmrr;
mod scope;
mod scopes;
mod structure;
#[cfg(test)]
mod tests;

use bitflags::bitflags;

use crate::damage::Damage;
use crate::table::{Checksum, Header, LengthProblem, Table, TableError};

pub use andd::Andd;
pub use drhd::{Drhd, DrhdFlags};
pub use ports::{Atsr, AtsrFlags, Satc, SatcFlags, Sidp};
pub use rhsa::Rhsa;
pub use rmrr::Rmrr;
pub use scope::{PathHop, Scope, ScopeFlags, ScopeKind};
pub use scopes::{ScopeError, Scopes};
pub use structure::{Structure, Structures, UnknownStructure};

/// A DMAR table.
///
/// Holding one proves no more than that its header and the fields before the first structure are there and
/// carry the right signature. What is wrong beyond that, [`Dmar::damage`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Dmar<'a> {
    table: Table<'a>,
}

bitflags! {
    /// What firmware says of the platform as a whole. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DmarFlags: u8 {
        /// The platform supports interrupt remapping.
        const INTR_REMAP = 1 << 0;
        /// Firmware asks software not to switch x2APIC on.
        const X2APIC_OPT_OUT = 1 << 1;
        /// Firmware kept DMA out until software took over, and asks software to go on so.
        const DMA_CTRL_PLATFORM_OPT_IN = 1 << 2;
    }
}

impl<'a> Dmar<'a> {
    /// The four letters of this kind of table.
    pub const SIGNATURE: [u8; 4] = *b"DMAR";

    /// Reads the header. A declared length below the number of bytes is respected; one above it is kept as
    /// a [`LengthProblem`], and what is there is used.
    ///
    /// # Errors
    /// If the signature differs, or the table ends before its first structure could begin.
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

    /// Width in bits of the addresses that DMA can reach on this machine: the field's value plus one.
    pub fn host_address_width(&self) -> u16 {
        let [field, ..] = self.table.fixed;
        u16::from(field).saturating_add(1)
    }

    /// What firmware says of the platform as a whole.
    pub const fn flags(&self) -> DmarFlags {
        let [_, flags, ..] = self.table.fixed;
        DmarFlags::from_bits_retain(flags)
    }

    /// The reserved bytes before the first structure.
    pub const fn reserved(&self) -> [u8; 10] {
        let [_, _, reserved @ ..] = self.table.fixed;
        reserved
    }

    /// The structures in order. After an error that leaves the rest unreachable, that error is the last item.
    pub fn structures(&self) -> Structures<'a> {
        Structures::new(&self.table)
    }

    /// The remapping units among the structures.
    pub fn drhds(&self) -> impl Iterator<Item = Drhd<'a>> + Clone + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Ok(Structure::Drhd(drhd)) => Some(drhd),
            _ => None,
        })
    }

    /// The reserved memory regions among the structures.
    pub fn rmrrs(&self) -> impl Iterator<Item = Rmrr<'a>> + Clone + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Ok(Structure::Rmrr(rmrr)) => Some(rmrr),
            _ => None,
        })
    }

    /// Everything that kept the table from being read in full; nothing if it was.
    pub fn damage(&self) -> impl Iterator<Item = Damage> + use<'a> {
        let in_structures = self.structures().flat_map(|structure| {
            let (error, scopes) = match structure {
                Ok(structure) => (None, structure.scopes()),
                Err(error) => (Some(Damage::Structure(error)), Scopes::default()),
            };
            error.into_iter().chain(scopes.filter_map(Result::err).map(Damage::Scope))
        });
        self.table.damage().chain(in_structures)
    }

    /// How many structures are of a kind that this library does not know.
    pub fn unknown_structures(&self) -> usize {
        self.structures().filter(|structure| matches!(structure, Ok(Structure::Unknown(_)))).count()
    }
}
