//! Windows that are no unit, and units that are.

use mmio_regs::Registers;

use super::*;
use crate::spec::command::GlobalStatus;
use crate::spec::second_stage::TableLevels;
use crate::unit::{WindowPart, register_bytes};

/// A window that always answers the same, and must not be written.
struct Constant(u64);

impl Registers for Constant {
    fn len(&self) -> usize {
        0x1000
    }

    fn read32(&self, _: usize) -> u32 {
        self.0 as u32
    }

    fn write32(&self, offset: usize, _: u32) {
        panic!("write to {offset:#x}");
    }

    fn read64(&self, _: usize) -> u64 {
        self.0
    }

    fn write64(&self, offset: usize, _: u64) {
        panic!("write to {offset:#x}");
    }
}

fn probe(config: FakeConfig) -> Result<Unit<FakeUnit>, UnitError> {
    Unit::probe(FakeUnit::new(config, FakeMemory::new()))
}

fn misplaced(config: FakeConfig) -> Option<WindowPart> {
    match probe(config) {
        Err(UnitError::Misplaced { part, .. }) => Some(part),
        _ => None,
    }
}

#[test]
fn a_window_without_a_unit_is_refused() {
    for bits in [0, u64::MAX] {
        assert!(matches!(Unit::probe(Constant(bits)), Err(UnitError::NotAnswering { .. })));
    }
}

#[test]
fn registers_outside_the_window_are_refused() {
    let config = FakeConfig::default();
    assert_eq!(misplaced(FakeConfig { window: 0x80, ..config }), Some(WindowPart::Fixed));
    let records = Some(WindowPart::FaultRecords);
    assert_eq!(misplaced(FakeConfig { window: 0x43f, ..config }), records);
    assert_eq!(misplaced(FakeConfig { record_offset: 0x20, ..config }), records);
    assert_eq!(misplaced(FakeConfig { records: 256, ..config }), records);
    let iotlb = Some(WindowPart::Iotlb);
    assert_eq!(misplaced(FakeConfig { iotlb_offset: 0, ..config }), iotlb);
    assert_eq!(misplaced(FakeConfig { iotlb_offset: 0xff8, ..config }), None, "rounded down to fit");
    assert_eq!(misplaced(FakeConfig { iotlb_offset: 0x1000, ..config }), iotlb);
    assert_eq!(misplaced(FakeConfig { iotlb_offset: 0x430, ..config }), iotlb, "on top of a record");
    assert!(probe(FakeConfig { window: 0x440, ..config }).is_ok());
}

/// Old tables tell no size of the window, and a unit's own word counts: up to 20 KiB.
#[test]
fn a_unit_says_itself_how_far_its_registers_reach() {
    let config = FakeConfig::default();
    let highest = FakeConfig { record_offset: 0x3ff0, records: 256, ..config };
    for (config, bytes) in [
        (config, 0x1000),
        (FakeConfig { iotlb_offset: 0xff0, ..config }, 0x1000),
        (FakeConfig { iotlb_offset: 0x1000, ..config }, 0x2000),
        (FakeConfig { record_offset: 0xff0, records: 2, ..config }, 0x2000),
        (FakeConfig { iotlb_offset: 0x3ff0, ..config }, 0x4000),
        (highest, 0x5000),
    ] {
        let first_page = FakeUnit::new(FakeConfig { window: 0x1000, ..config }, FakeMemory::new());
        assert_eq!(register_bytes(&first_page), Ok(bytes));
        let all = FakeConfig { window: bytes, ..config };
        assert_eq!(probe(all).map(|unit| unit.register_bytes()), Ok(bytes));
        Bench::enforcing(all);
    }
    for bits in [0, u64::MAX] {
        assert!(matches!(register_bytes(&Constant(bits)), Err(UnitError::NotAnswering { .. })));
    }
}

#[test]
fn a_unit_that_walks_no_tables_is_refused() {
    let config = FakeConfig { table_levels: 0, ..FakeConfig::default() };
    let mut bench = Bench::probed(config, &Leftovers::default());
    assert_eq!(bench.unit.version().major(), 1, "it says what it is all the same");
    assert!(matches!(bench.bring_up(), Err(UnitError::NoTableLevels { .. })));
    assert_eq!((bench.unit.status(), bench.unit.queue_page()), (GlobalStatus::empty(), None));
}

#[test]
fn a_sound_unit_says_what_it_is() {
    for (bits, levels) in
        [(0b0010, TableLevels::Three), (0b0110, TableLevels::Four), (0b1000, TableLevels::Five)]
    {
        let unit = probe(FakeConfig { table_levels: bits, ..FakeConfig::default() }).unwrap();
        assert_eq!(unit.levels(), Ok(levels));
        assert_eq!(unit.supported_levels().bits(), bits);
    }
    let unit = probe(FakeConfig::default()).unwrap();
    assert_eq!(unit.version().major(), 1);
    assert_eq!(unit.capabilities().fault_records(), 4);
    assert!(unit.extended_capabilities().queued_invalidation());
    assert!(!unit.is_enforcing());
}
