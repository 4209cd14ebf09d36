//! Processors and interrupt controllers, by the tables' word.

use acpi_root::{FirmwareMemory, Inventory, IoApicEntry, Madt, Table};
use alloc::vec::Vec;
use dma_types::{ApicId, PhysAddr};

use super::memory::Firmware;

const MADT: [u8; 4] = *b"APIC";
const HPET: [u8; 4] = *b"HPET";

/// What the tables say of processors and interrupts; addresses are not checked.
#[derive(Clone, Debug, Default)]
pub struct InterruptTables {
    /// Processors that may be used, by the first sound table.
    pub processors: Vec<ApicId>,
    /// I/O APICs, by every table that can be read.
    pub io_apics: Vec<IoApicEntry>,
    /// Where event timers have their registers.
    pub hpets: Vec<PhysAddr>,
    /// Part of a table of interrupt controllers is missing or wrong: there may be more than is known.
    pub damaged: bool,
}

/// Reads every table of the two kinds.
pub fn read(inventory: &Inventory) -> InterruptTables {
    let mut this = InterruptTables::default();
    for table in inventory.all(MADT) {
        let madt = Firmware.read(table.address, table.len).map(|bytes| Madt::read(&bytes));
        let sound = table.adds_up && madt.as_ref().is_some_and(|madt| madt.broken_at.is_none());
        if !sound {
            warn(table);
            this.damaged = true;
        }
        let Some(madt) = madt else { continue };
        if table.adds_up && this.processors.is_empty() {
            this.processors = madt.processors;
        }
        let new = madt.io_apics.into_iter().filter(|entry| !this.io_apics.contains(entry));
        this.io_apics.extend(new.collect::<Vec<_>>());
    }
    let hpets = inventory.all(HPET).filter_map(|table| Firmware.read(table.address, table.len));
    this.hpets = hpets.filter_map(|bytes| acpi_root::hpet_registers(&bytes)).collect();
    this
}

fn warn(table: &Table) {
    log::warn!("the table of interrupt controllers at {} (MADT) is damaged", table.address);
}
