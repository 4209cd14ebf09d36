//! The I/O APICs: every pin is masked before interrupts are let in, since no driver needs one.

use alloc::vec::Vec;
use core::fmt;

use ::interrupts::io_apic::{self, ArmedPin, NoIoApic, Outcome, REGISTER_BYTES};
use acpi_root::IoApicEntry;
use dma_types::PhysAddr;
use pci::Claims;
use spin::Once;

use super::sources::{self, NotBelieved, Unsilenced};
use crate::memory::mmio::Mmio;
use crate::sync::{IrqLock, rank};

/// I/O APICs that are looked at; more are given up.
const MOST: usize = 64;

/// An I/O APIC whose pins are masked, but for those that it kept.
struct IoApic {
    entry: IoApicEntry,
    pins: u8,
    /// As firmware left them.
    armed: Vec<ArmedPin>,
    /// A register is reached by two accesses, so nobody may come in between.
    registers: IrqLock<Mmio, rank::IoApics>,
}

static IO_APICS: Once<Vec<IoApic>> = Once::new();

/// Masks every pin of every I/O APIC, and names those that firmware had armed. To be called once.
///
/// `claims` is what can be none. Gives those that may go on interrupting.
pub fn silence(entries: &[IoApicEntry], claims: &Claims) -> Vec<Unsilenced> {
    let mut found = Vec::<IoApic>::new();
    let mut unsilenced = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let others = || entries.iter().take(number).map(|other| other.address);
        let silenced = match number < MOST {
            true => silence_one(entry, claims, others()),
            false => Err(NotBelieved::TooMany),
        };
        match silenced {
            Ok(io_apic) => found.push(io_apic),
            Err(error) => {
                log::error!("I/O APIC {} at {}: {error}", entry.id, entry.address);
                unsilenced.push(Unsilenced { at: entry.address });
            }
        }
    }
    for io_apic in &found {
        io_apic.armed.iter().for_each(|armed| log::warn!("{io_apic}: firmware had armed it, {armed}"));
        if io_apic.armed.iter().any(|armed| armed.outcome == Outcome::Stuck) {
            unsilenced.push(Unsilenced { at: io_apic.entry.address });
        }
    }
    IO_APICS.call_once(|| found);
    unsilenced
}

fn silence_one(
    entry: &IoApicEntry,
    claims: &Claims,
    mut others: impl Iterator<Item = PhysAddr>,
) -> Result<IoApic, NotBelieved<NoIoApic>> {
    if others.any(|other| other.page() == entry.address.page()) {
        return Err(NotBelieved::Twice);
    }
    let registers = sources::map(entry.address, REGISTER_BYTES, claims)?;
    let silenced = io_apic::silence(&registers).map_err(NotBelieved::Odd)?;
    Ok(IoApic {
        entry: *entry,
        pins: silenced.pins,
        armed: silenced.armed,
        registers: IrqLock::new(registers),
    })
}

/// Shows each I/O APIC and which of its pins are not masked at this moment.
pub fn visit(mut show: impl FnMut(fmt::Arguments<'_>)) {
    for io_apic in IO_APICS.get().into_iter().flatten() {
        let unmasked: Vec<u8> = io_apic::unmasked(&*io_apic.registers.lock(), io_apic.pins).collect();
        match unmasked.as_slice() {
            [] => show(format_args!("{io_apic}: all {} pins masked", io_apic.pins)),
            pins => show(format_args!("{io_apic}: of {} pins not masked: {pins:?}", io_apic.pins)),
        }
        io_apic.armed.iter().for_each(|armed| show(format_args!("    armed by firmware: {armed}")));
    }
}

impl fmt::Display for IoApic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IoApicEntry { id, address, first_line } = self.entry;
        write!(f, "I/O APIC {id} at {address}, lines from {first_line}")
    }
}
