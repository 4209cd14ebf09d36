//! Tables for the `acpi` crate to read: copies, with room behind them.
//!
//! The crate takes a table's memory for whatever type it expects there and follows the root table's pointers
//! before it knows what they lead to. Here every pointer leads either to a copy that holds at least what was
//! asked for, or to zeros, which are no table.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: implements the acpi crate's handler, whose mappings are raw pointers"
)]

use acpi::{AcpiHandler, AcpiTable, AcpiTables, PhysicalMapping};
use acpi_root::{FirmwareMemory, Inventory, RootTable, Table};
use alloc::vec::Vec;
use core::mem::size_of;
use core::ptr::NonNull;

use super::memory::Firmware;

/// Zeros behind each copy, more than any type that the crate reads is long.
const ROOM: usize = 512;
static ZEROS: [u8; ROOM] = [0; ROOM];

/// A copy of one table with [`ROOM`] behind it.
struct TableCopy {
    address: usize,
    bytes: Vec<u8>,
}

/// Copies of the root table and of all tables of one kind.
pub struct Copies {
    copies: Vec<TableCopy>,
    root: usize,
    revision: u8,
}

impl Copies {
    /// Copies the root table and the tables with a signature.
    pub fn of(inventory: &Inventory, signature: [u8; 4]) -> Self {
        let tables = core::iter::once(&inventory.root).chain(inventory.all(signature));
        let revision = match inventory.root_kind {
            RootTable::Rsdt => 0,
            RootTable::Xsdt => 2,
        };
        Self { copies: tables.filter_map(copy).collect(), root: address(&inventory.root), revision }
    }

    /// The first table of a type that the crate accepts. The caller has made sure that each of its kind is
    /// as long as the crate takes for granted.
    pub fn find<T: AcpiTable>(&self) -> Option<PhysicalMapping<&Self, T>> {
        // SAFETY: the handler answers for every address, the root table's among them, with memory that is
        // readable and initialised for as long as `self` is borrowed.
        let tables = unsafe { AcpiTables::from_rsdt(self, self.revision, self.root) };
        tables.and_then(|tables| tables.find_table()).inspect_err(|error| log::warn!("ACPI: {error:?}")).ok()
    }

    /// The memory that stands for an address: at least `len` bytes of a copy, or zeros.
    fn at(&self, address: usize, len: usize) -> NonNull<u8> {
        let copy = self.copies.iter().find(|copy| copy.address == address && copy.bytes.len() >= len);
        NonNull::from(copy.map_or(&ZEROS[..], |copy| &copy.bytes)).cast()
    }
}

fn address(table: &Table) -> usize {
    table.address.as_u64() as usize
}

/// Copies a table, unless its length has changed since it was listed.
fn copy(table: &Table) -> Option<TableCopy> {
    let mut bytes = Firmware.read(table.address, table.len)?;
    let declared = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    if usize::try_from(declared) != Ok(table.len) {
        return None;
    }
    bytes.extend_from_slice(&ZEROS);
    Some(TableCopy { address: address(table), bytes })
}

impl AcpiHandler for &Copies {
    unsafe fn map_physical_region<T>(
        &self,
        physical_address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        const { assert!(size_of::<T>() <= ROOM && align_of::<T>() == 1) };
        let start = self.at(physical_address, size.max(size_of::<T>())).cast();
        // SAFETY: `start` leads to initialised bytes that hold a `T`: its alignment is 1, and the copy is at
        // least as long, or the zeros are. They live as long as the handler. Where the size asked for is
        // larger than the zeros, the crate finds a signature that is none and reads no further.
        unsafe { PhysicalMapping::new(physical_address, start, size, size, *self) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}
