//! Processors and interrupt controllers, ACPI "Multiple APIC Description Table (MADT)".

use alloc::vec::Vec;

use dma_types::{ApicId, PhysAddr};

use crate::u32_at;

/// Bytes before the first structure.
const STRUCTURES: usize = 44;
/// Structure: a processor with an 8-bit id ("Processor Local APIC Structure").
const LOCAL_APIC: u8 = 0;
/// Structure: an I/O APIC ("I/O APIC Structure").
const IO_APIC: u8 = 1;
/// Structure: a processor with a 32-bit id ("Processor Local x2APIC Structure").
const LOCAL_X2APIC: u8 = 9;
/// Flag: the processor may be used.
const ENABLED: u8 = 1;

/// What a MADT says, as it stands: nothing of it is checked but that it lies within the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Madt {
    /// The processors that may be used.
    pub processors: Vec<ApicId>,
    /// The I/O APICs.
    pub io_apics: Vec<IoApicEntry>,
    /// Where a structure has an impossible length; nothing behind it is known.
    pub broken_at: Option<usize>,
}

/// An I/O APIC by the table's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApicEntry {
    /// Its id.
    pub id: u8,
    /// Where its registers lie.
    pub address: PhysAddr,
    /// The number of its first pin among all of the machine's interrupt lines.
    pub first_line: u32,
}

impl Madt {
    /// Reads a table, header and all.
    pub fn read(table: &[u8]) -> Self {
        let mut this = Self::default();
        let mut rest = table.get(STRUCTURES..).unwrap_or_else(|| {
            this.broken_at = Some(table.len());
            &[]
        });
        while !rest.is_empty() {
            let Some((structure, after)) = split(rest) else {
                this.broken_at = table.len().checked_sub(rest.len());
                break;
            };
            this.take(structure);
            rest = after;
        }
        this
    }

    fn take(&mut self, structure: &[u8]) {
        let byte = |offset: usize| structure.get(offset).copied();
        let is_enabled = |offset| byte(offset).is_some_and(|flags| flags & ENABLED != 0);
        match byte(0) {
            Some(LOCAL_APIC) if is_enabled(4) => {
                self.processors.extend(byte(3).map(|id| ApicId(u32::from(id))));
            }
            Some(LOCAL_X2APIC) if is_enabled(8) => self.processors.extend(u32_at(structure, 4).map(ApicId)),
            Some(IO_APIC) => self.io_apics.extend(io_apic(structure)),
            _ => {}
        }
    }
}

fn io_apic(structure: &[u8]) -> Option<IoApicEntry> {
    Some(IoApicEntry {
        id: *structure.get(2)?,
        address: PhysAddr::new(u64::from(u32_at(structure, 4)?)),
        first_line: u32_at(structure, 8)?,
    })
}

/// Splits a structure off; its second byte is its length.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*bytes.get(1)?);
    if len < 2 { None } else { bytes.split_at_checked(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn madt(structures: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; STRUCTURES];
        bytes.extend(structures.concat());
        bytes
    }

    #[test]
    fn enabled_processors_of_both_kinds_are_listed() {
        let apic = |id, flags| [0, 8, 0, id, flags, 0, 0, 0];
        let x2apic: [u8; 16] = [9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let read = Madt::read(&madt(&[&apic(0, 1), &apic(1, 0), &x2apic, &apic(2, 1)]));
        assert_eq!(read.processors, [ApicId(0), ApicId(0x100), ApicId(2)]);
        assert_eq!(read.broken_at, None);
    }

    #[test]
    fn io_apics_are_listed_with_their_first_lines() {
        let io_apic = [1, 12, 7, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0];
        let expected = IoApicEntry { id: 7, address: PhysAddr::new(0xfec0_1000), first_line: 24 };
        assert_eq!(Madt::read(&madt(&[&io_apic])).io_apics, [expected]);
        // One that is cut short names no place.
        assert_eq!(Madt::read(&madt(&[&[1, 8, 7, 0, 0, 0x10, 0xc0, 0xfe]])).io_apics, []);
    }

    #[test]
    fn impossible_lengths_end_the_table_and_are_told() {
        let apic = [0, 8, 0, 0, 1, 0, 0, 0];
        for broken in [&[0_u8, 0][..], &[5, 1], &[0, 200], &[0]] {
            let read = Madt::read(&madt(&[&apic, broken, &apic]));
            assert_eq!((read.processors.len(), read.broken_at), (1, Some(STRUCTURES + 8)), "{broken:?}");
        }
        assert_eq!(Madt::read(&[0; 10]).broken_at, Some(10));
        assert_eq!(Madt::read(&madt(&[])), Madt::default());
    }
}
