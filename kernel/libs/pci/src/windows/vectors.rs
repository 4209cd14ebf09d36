//! Where a function keeps the table of its interrupt messages.

use super::{Window, Windows};
use crate::bar::Bar;
use crate::msi::{MsixCapability, TableLocation};
use crate::refusal::Refusal;

/// Bytes of a vector, PCI "MSI-X Table Structure".
const VECTOR: u64 = 16;
/// Vectors whose pending bits share 8 bytes, PCI "MSI-X PBA Structure".
const PENDING_WORD: u64 = 64;

/// A table of messages that lies within a window of its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorTable {
    /// The register window that holds the table.
    pub window: Window,
    /// Bytes from its start.
    pub offset: u32,
}

/// Checks where a function says that its table and the pending bits lie.
///
/// # Errors
/// If one of them does not lie in a memory window, or they meet: no function is built so.
pub(super) fn check(msix: &MsixCapability, bars: &[Bar; 6]) -> Result<(), Refusal> {
    let [table, pending] = parts(msix);
    table.check(bars)?;
    pending.check(bars)?;
    if table.meets(pending) { Err(pending.refusal()) } else { Ok(()) }
}

/// Where the table lies; `None` if a window that is needed was given no address.
pub(super) fn place(msix: &MsixCapability, windows: &Windows) -> Option<VectorTable> {
    windows.of_register(msix.pending.bar)?;
    let window = windows.of_register(msix.table.bar)?;
    Some(VectorTable { window, offset: msix.table.offset })
}

fn parts(msix: &MsixCapability) -> [Part; 2] {
    let vectors = u64::from(msix.vectors);
    let table = Part { place: msix.table, bytes: vectors * VECTOR };
    [table, Part { place: msix.pending, bytes: vectors.div_ceil(PENDING_WORD) * 8 }]
}

#[derive(Clone, Copy)]
struct Part {
    place: TableLocation,
    bytes: u64,
}

impl Part {
    fn end(self) -> u64 {
        u64::from(self.place.offset) + self.bytes
    }

    fn check(self, bars: &[Bar; 6]) -> Result<(), Refusal> {
        match bars.get(usize::from(self.place.bar)) {
            Some(Bar::Memory { size, .. }) if self.end() <= *size => Ok(()),
            _ => Err(self.refusal()),
        }
    }

    fn meets(self, other: Self) -> bool {
        let starts_before = |one: Self, two: Self| u64::from(one.place.offset) < two.end();
        self.place.bar == other.place.bar && starts_before(self, other) && starts_before(other, self)
    }

    const fn refusal(self) -> Refusal {
        Refusal::Vectors { register: self.place.bar, offset: self.place.offset, bytes: self.bytes }
    }
}
