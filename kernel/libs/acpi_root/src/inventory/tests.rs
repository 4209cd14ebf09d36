//! Tests on a made-up memory.

use super::*;
use proptest::prelude::*;
use std::vec;

const RSDP: u64 = 0x100;
const XSDT: u64 = 0x200;
const RSDT: u64 = 0x300;

/// 64 KiB of memory from address 0.
struct Memory(Vec<u8>);

impl FirmwareMemory for Memory {
    fn read(&self, start: PhysAddr, len: usize) -> Option<Vec<u8>> {
        Some(self.0.get(usize::try_from(start.as_u64()).ok()?..)?.get(..len)?.to_vec())
    }
}

fn seal(bytes: &mut [u8], checksum: usize) {
    bytes[checksum] = 0;
    bytes[checksum] = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte));
}

impl Memory {
    fn new() -> Self {
        Self(vec![0; 0x1_0000])
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn table(&mut self, at: u64, signature: &[u8; 4], body: &[u8]) {
        let mut bytes = vec![0; 36];
        bytes[..4].copy_from_slice(signature);
        bytes.extend(body);
        let len = u32::try_from(bytes.len()).unwrap();
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        seal(&mut bytes, 9);
        self.put(at, &bytes);
    }

    fn rsdp(&mut self, rsdt: u32, xsdt: u64) {
        let mut bytes = b"RSD PTR \0OEMID \x02".to_vec();
        bytes.extend(rsdt.to_le_bytes());
        seal(&mut bytes, 8);
        bytes.extend(36_u32.to_le_bytes());
        bytes.extend(xsdt.to_le_bytes());
        bytes.extend([0; 4]);
        seal(&mut bytes, 32);
        self.put(RSDP, &bytes);
    }

    fn xsdt(&mut self, addresses: &[u64]) {
        let body: Vec<u8> = addresses.iter().flat_map(|address| address.to_le_bytes()).collect();
        self.table(XSDT, b"XSDT", &body);
    }

    fn rsdt(&mut self, addresses: &[u32]) {
        let body: Vec<u8> = addresses.iter().flat_map(|address| address.to_le_bytes()).collect();
        self.table(RSDT, b"RSDT", &body);
    }

    fn inventory(&self) -> Result<Inventory, RootError> {
        Inventory::read(self, PhysAddr::new(RSDP))
    }
}

/// A machine with two tables and both root tables.
fn sound() -> Memory {
    let mut memory = Memory::new();
    memory.rsdp(0x300, XSDT);
    memory.xsdt(&[0x1000, 0x2000, 0x3000]);
    memory.rsdt(&[0x2000]);
    memory.table(0x1000, b"FACP", &[7; 100]);
    memory.table(0x2000, b"DMAR", &[1; 12]);
    memory.table(0x3000, b"DMAR", &[2; 20]);
    memory
}

#[test]
fn tables_are_listed_in_order() {
    let inventory = sound().inventory().unwrap();
    assert_eq!(inventory.findings, []);
    assert_eq!(inventory.root_kind, RootTable::Xsdt);
    let dmars: Vec<_> = inventory.all(*b"DMAR").map(|table| (table.address.as_u64(), table.len)).collect();
    assert_eq!(dmars, [(0x2000, 48), (0x3000, 56)]);
    assert!(inventory.each_holds(*b"DMAR", 48) && !inventory.each_holds(*b"DMAR", 49));
    assert!(!inventory.each_holds(*b"MCFG", 0));
}

#[test]
fn a_wrong_checksum_is_noted_and_the_table_kept() {
    let mut memory = sound();
    memory.put(0x2030 - 1, &[0xee]);
    let inventory = memory.inventory().unwrap();
    let at = PhysAddr::new(0x2000);
    assert_eq!(inventory.findings, [RootFinding::Checksum { signature: *b"DMAR", at }]);
    assert!(!inventory.all(*b"DMAR").next().unwrap().adds_up);
    memory.put(RSDP + 20, &[1]);
    assert!(memory.inventory().unwrap().findings.contains(&RootFinding::RootPointerChecksum));
}

#[test]
fn absurd_entries_are_left_out() {
    let mut memory = sound();
    memory.xsdt(&[0, u64::MAX, 0x4000, 0x5000, 0x6000, 0x2000]);
    for (at, declared) in [(0x4000, 0_u32), (0x5000, 0x2_0000), (0x6000, u32::MAX)] {
        memory.table(at, b"DMAR", &[]);
        memory.put(at + 4, &declared.to_le_bytes());
    }
    let inventory = memory.inventory().unwrap();
    assert_eq!(inventory.tables.len(), 1);
    let length = |signature: &[u8; 4], at, declared| RootFinding::Length {
        signature: *signature,
        at: PhysAddr::new(at),
        declared,
    };
    assert_eq!(
        inventory.findings,
        [
            length(&[0; 4], 0, 0),
            RootFinding::Unreachable { at: PhysAddr::new(u64::MAX) },
            length(b"DMAR", 0x4000, 0),
            length(b"DMAR", 0x5000, 0x2_0000),
            length(b"DMAR", 0x6000, u32::MAX),
        ]
    );
}

#[test]
fn the_rsdt_stands_in_for_an_unreadable_xsdt() {
    let mut memory = sound();
    memory.put(XSDT, b"XXXX");
    let inventory = memory.inventory().unwrap();
    assert_eq!(inventory.root_kind, RootTable::Rsdt);
    assert_eq!(inventory.findings, [RootFinding::XsdtUnreadable { at: PhysAddr::new(XSDT) }]);
    assert_eq!(inventory.tables.len(), 1);
    memory.put(RSDT, b"XXXX");
    assert_eq!(memory.inventory(), Err(RootError::NoRootTable));
    memory.put(RSDP, b"XXXX");
    assert_eq!(memory.inventory(), Err(RootError::NoPointer { at: PhysAddr::new(RSDP) }));
    assert!(Inventory::read(&memory, PhysAddr::new(u64::MAX)).is_err());
}

#[test]
fn the_first_revision_has_no_xsdt() {
    let mut memory = sound();
    memory.put(RSDP + 15, &[0]);
    let inventory = memory.inventory().unwrap();
    assert_eq!(inventory.root_kind, RootTable::Rsdt);
}

#[test]
fn the_number_of_tables_is_bounded() {
    let mut memory = sound();
    memory.xsdt(&[0x2000; MAX_TABLES + 50]);
    let inventory = memory.inventory().unwrap();
    assert_eq!(inventory.tables.len(), MAX_TABLES);
    assert_eq!(inventory.findings, [RootFinding::TooMany]);
}

proptest! {
    #[test]
    fn damage_never_breaks_it(damage in prop::collection::vec((0_usize..0x3100, any::<u8>()), 0..64)) {
        let mut memory = sound();
        for (at, byte) in damage {
            memory.0[at] = byte;
        }
        if let Ok(inventory) = memory.inventory() {
            for table in &inventory.tables {
                prop_assert!(memory.read(table.address, table.len).is_some());
            }
        }
    }
}
