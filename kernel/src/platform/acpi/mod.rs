//! The ACPI tables.
//!
//! `acpi_root` lists them, wherever firmware's pointers lead. DMAR tables are copied out of that list, so that
//! one with a wrong checksum is found as well, and a second one. FADT and MCFG are read by the `acpi`
//! crate; since it trusts lengths, it sees copies of tables that are long enough, and nothing else.

mod copies;
mod fadt;
mod interrupts;
mod memory;

use acpi::mcfg::Mcfg;
use acpi_root::{FirmwareMemory, Inventory, RootError, Table};
use alloc::vec::Vec;
use dma_types::{PhysAddr, Segment};
use pci::{BusRange, EcamWindow};

use crate::arch::cpu;
use crate::memory::map;

pub use fadt::{FixedHardware, PmTimer};
pub use interrupts::InterruptTables;

use copies::Copies;
use memory::Firmware;

const DMAR: [u8; 4] = *b"DMAR";
const IVRS: [u8; 4] = *b"IVRS";
const MCFG: [u8; 4] = *b"MCFG";

/// Bytes of a MCFG before its first entry.
const MCFG_ENTRIES: usize = 44;

/// What the tables say, as far as the kernel needs it.
#[derive(Debug)]
pub struct AcpiTables {
    /// Every DMAR table, in firmware's order, as it stands: nothing is checked but that its memory exists.
    pub dmar: Vec<Vec<u8>>,
    /// AMD's table about its units, as it stands; the first, if there are several.
    pub ivrs: Option<Vec<u8>>,
    /// Where configuration space lies; windows that make no sense are left out.
    pub ecam: Vec<EcamWindow>,
    /// Processors and interrupt controllers.
    pub interrupts: InterruptTables,
    /// Timer, power and reset registers.
    pub fixed: FixedHardware,
    /// Where all tables lie, the root table among them, with their lengths.
    pub spans: Vec<(PhysAddr, u64)>,
}

/// Reads the tables that the pointer at `rsdp` leads to, and logs what is wrong with them.
///
/// # Errors
/// If there is no root pointer or no root table there.
pub fn read(rsdp: PhysAddr) -> Result<AcpiTables, RootError> {
    let inventory = Inventory::read(&Firmware, rsdp)?;
    for finding in &inventory.findings {
        log::warn!("{finding}");
    }
    let bytes = |table: &Table| Firmware.read(table.address, table.len);
    let all = core::iter::once(&inventory.root).chain(&inventory.tables);
    Ok(AcpiTables {
        dmar: inventory.all(DMAR).filter_map(bytes).collect(),
        ivrs: inventory.all(IVRS).find_map(bytes),
        ecam: read_mcfg(&inventory),
        interrupts: interrupts::read(&inventory),
        fixed: fadt::read(&inventory),
        spans: all.map(|table| (table.address, table.len as u64)).collect(),
    })
}

/// The windows of the MCFG, PCI Firmware "MCFG Table Description".
fn read_mcfg(inventory: &Inventory) -> Vec<EcamWindow> {
    if !inventory.each_holds(MCFG, MCFG_ENTRIES) {
        return Vec::new();
    }
    let copies = Copies::of(inventory, MCFG);
    let Some(mcfg) = copies.find::<Mcfg>() else { return Vec::new() };
    let windows = mcfg.entries().iter().filter_map(|entry| {
        let (segment, first, last) =
            (Segment(entry.pci_segment_group), entry.bus_number_start, entry.bus_number_end);
        let buses = BusRange { segment, first, last };
        check_window(buses, PhysAddr::new(entry.base_address))
    });
    windows.collect()
}

/// A window must not lie where memory is: configuration writes would land in it.
fn check_window(buses: BusRange, base: PhysAddr) -> Option<EcamWindow> {
    let window = EcamWindow::new(buses, base, cpu::physical_address_bits())
        .inspect_err(|error| log::warn!("{error}"))
        .ok()?;
    if map::touches_ram(window.start(), window.len()) {
        log::warn!("configuration window at {} lies in memory", window.start());
        return None;
    }
    Some(window)
}
