//! The list of all tables.

use crate::rsdp::{RootError, Rsdp};
use crate::{FirmwareMemory, adds_up, u32_at};
use alloc::vec::Vec;
use core::fmt;
use dma_types::PhysAddr;

/// Bytes of a table that are believed possible.
pub const MAX_TABLE_LEN: usize = 1 << 20;
/// Tables that are looked at.
pub const MAX_TABLES: usize = 256;
/// Bytes of the header that all tables begin with.
const HEADER_LEN: usize = 36;

/// A table that lies wholly in memory, 36 bytes or more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Four letters that name the kind.
    pub signature: [u8; 4],
    /// Where it lies.
    pub address: PhysAddr,
    /// Bytes, header and all.
    pub len: usize,
    /// Whether its bytes add up to zero.
    pub adds_up: bool,
}

/// Which table of tables was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootTable {
    /// The one of 32-bit addresses.
    Rsdt,
    /// The one of 64-bit addresses.
    Xsdt,
}

/// Something wrong with the way to the tables, or with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFinding {
    /// The root pointer's bytes do not add up.
    RootPointerChecksum,
    /// The XSDT that the root pointer names cannot be read; the RSDT is used.
    XsdtUnreadable {
        /// Where it should be.
        at: PhysAddr,
    },
    /// A table's bytes do not add up.
    Checksum {
        /// The table's kind.
        signature: [u8; 4],
        /// Where it lies.
        at: PhysAddr,
    },
    /// An entry that leads to no header in memory.
    Unreachable {
        /// Where it leads.
        at: PhysAddr,
    },
    /// A table whose length is below its header's, above [`MAX_TABLE_LEN`] or reaches past the end of
    /// memory; left out.
    Length {
        /// The table's kind.
        signature: [u8; 4],
        /// Where it lies.
        at: PhysAddr,
        /// The length it declares.
        declared: u32,
    },
    /// There are more than [`MAX_TABLES`]; the rest is left out.
    TooMany,
}

impl fmt::Display for RootFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootPointerChecksum => f.write_str("checksum of the ACPI root pointer is wrong"),
            Self::XsdtUnreadable { at } => write!(f, "no XSDT at {at}, using the RSDT"),
            Self::Checksum { signature, at } => {
                write!(f, "checksum of the {} table at {at} is wrong", signature.escape_ascii())
            }
            Self::Unreachable { at } => write!(f, "no ACPI table at {at}"),
            Self::Length { signature, at, declared } => {
                write!(f, "{} table at {at} declares {declared} bytes", signature.escape_ascii())
            }
            Self::TooMany => write!(f, "more than {MAX_TABLES} ACPI tables"),
        }
    }
}

/// What was found on the way from the root pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The table of tables.
    pub root: Table,
    /// Of which kind that is.
    pub root_kind: RootTable,
    /// The tables, in the order in which firmware lists them; those of one kind may be several.
    pub tables: Vec<Table>,
    /// What is wrong.
    pub findings: Vec<RootFinding>,
}

impl Inventory {
    /// Follows the root pointer that lies at `rsdp`.
    ///
    /// # Errors
    /// If there is no root pointer, or neither of the root tables can be read.
    pub fn read(memory: &impl FirmwareMemory, rsdp: PhysAddr) -> Result<Self, RootError> {
        let pointer = Rsdp::read(memory, rsdp)?;
        let mut findings = Vec::new();
        if !pointer.sound {
            findings.push(RootFinding::RootPointerChecksum);
        }
        let (root, root_kind) = find_root(memory, pointer, &mut findings).ok_or(RootError::NoRootTable)?;
        let mut inventory = Self { root, root_kind, tables: Vec::new(), findings };
        inventory.read_tables(memory);
        Ok(inventory)
    }

    /// The tables of one kind, in firmware's order.
    pub fn all(&self, signature: [u8; 4]) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| table.signature == signature)
    }

    /// Tells whether there are tables of a kind and each has at least `len` bytes: a reader that knows no
    /// lengths may be let at them.
    pub fn each_holds(&self, signature: [u8; 4], len: usize) -> bool {
        self.all(signature).next().is_some() && self.all(signature).all(|table| table.len >= len)
    }

    fn read_tables(&mut self, memory: &impl FirmwareMemory) {
        let width = match self.root_kind {
            RootTable::Rsdt => 4,
            RootTable::Xsdt => 8,
        };
        let root = memory.read(self.root.address, self.root.len).unwrap_or_default();
        let entries = root.get(HEADER_LEN..).unwrap_or(&[]);
        for entry in entries.chunks_exact(width) {
            let address =
                PhysAddr::new(entry.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)));
            if self.tables.len() == MAX_TABLES || self.findings.len() == MAX_TABLES {
                self.findings.push(RootFinding::TooMany);
                break;
            }
            match read_table(memory, address) {
                Ok(table) => {
                    self.note_checksum(&table);
                    self.tables.push(table);
                }
                Err(finding) => self.findings.push(finding),
            }
        }
    }

    fn note_checksum(&mut self, table: &Table) {
        if !table.adds_up {
            self.findings.push(RootFinding::Checksum { signature: table.signature, at: table.address });
        }
    }
}

/// Reads the header of a table and checks that all of it is there.
///
/// # Errors
/// What is wrong, if it cannot be used.
fn read_table(memory: &impl FirmwareMemory, at: PhysAddr) -> Result<Table, RootFinding> {
    let unreachable = RootFinding::Unreachable { at };
    let header = memory.read(at, HEADER_LEN).ok_or(unreachable)?;
    let signature = *header.first_chunk().ok_or(unreachable)?;
    let declared = u32_at(&header, 4).ok_or(unreachable)?;
    let wrong_length = RootFinding::Length { signature, at, declared };
    let len = usize::try_from(declared).map_err(|_| wrong_length)?;
    if !(HEADER_LEN..=MAX_TABLE_LEN).contains(&len) {
        return Err(wrong_length);
    }
    let bytes = memory.read(at, len).ok_or(wrong_length)?;
    Ok(Table { signature, address: at, len, adds_up: adds_up(&bytes) })
}

/// The XSDT where there is one, else the RSDT.
fn find_root(
    memory: &impl FirmwareMemory,
    pointer: Rsdp,
    findings: &mut Vec<RootFinding>,
) -> Option<(Table, RootTable)> {
    let read = |at: PhysAddr, signature: &[u8; 4]| {
        read_table(memory, at).ok().filter(|table| table.signature == *signature)
    };
    let xsdt = pointer.xsdt.and_then(|at| {
        let table = read(at, b"XSDT");
        if table.is_none() {
            findings.push(RootFinding::XsdtUnreadable { at });
        }
        Some((table?, RootTable::Xsdt))
    });
    let root = xsdt.or_else(|| Some((read(pointer.rsdt?, b"RSDT")?, RootTable::Rsdt)))?;
    if !root.0.adds_up {
        findings.push(RootFinding::Checksum { signature: root.0.signature, at: root.0.address });
    }
    Some(root)
}

#[cfg(test)]
mod tests;
