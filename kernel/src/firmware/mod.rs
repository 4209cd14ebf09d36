//! What firmware says of the units and what it left in them: its table, chosen and judged, and the evidence of an earlier
//! boot.

pub mod evidence;
pub mod findings;
mod table;

use pci::Topology;
use spin::Once;

pub use table::{FirmwareTable, Soundness};

/// The bytes of the table in use, and the functions that it was joined with.
static DISCOVERED: Once<(&'static [u8], Topology)> = Once::new();

/// Keeps what was found at start, once.
pub fn note_discovered(table: &FirmwareTable, topology: Topology) {
    DISCOVERED.call_once(|| (table.bytes, topology));
}

/// The table in use and the machine's functions; `None` before they are known.
pub fn discovered() -> Option<(&'static [u8], &'static Topology)> {
    DISCOVERED.get().map(|(table, topology)| (*table, topology))
}
