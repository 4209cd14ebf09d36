//! Maps put together from what several say, and questions to them.

use super::*;
use proptest::prelude::*;
use std::format;
use std::vec;
use std::vec::Vec;

fn span(start: u64, end: u64) -> Span {
    Span::new(PhysAddr::new(start), PhysAddr::new(end))
}

fn pieces(map: &MemoryMap) -> Vec<(u64, u64, MemoryKind)> {
    map.regions().iter().map(|r| (r.span.start().as_u64(), r.span.end().as_u64(), r.kind)).collect()
}

#[test]
fn what_is_said_last_holds() {
    let mut map = MemoryMap::new();
    map.set(span(0, 100), MemoryKind::Usable).expect("room");
    map.set(span(40, 60), MemoryKind::Reserved).expect("room");
    map.set(span(100, 120), MemoryKind::Usable).expect("room");
    map.set(span(10, 10), MemoryKind::Defective).expect("nothing to say");
    assert_eq!(
        pieces(&map),
        [(0, 40, MemoryKind::Usable), (40, 60, MemoryKind::Reserved), (60, 120, MemoryKind::Usable)]
    );
    map.set(span(30, 70), MemoryKind::Usable).expect("room");
    assert_eq!(pieces(&map), [(0, 120, MemoryKind::Usable)]);
}

#[test]
fn questions_about_ranges() {
    let mut map = MemoryMap::new();
    map.set(span(0x1000, 0x2000), MemoryKind::Usable).expect("room");
    map.set(span(0x2000, 0x3000), MemoryKind::AcpiTables).expect("room");
    map.set(span(0x3000, 0x4000), MemoryKind::Reserved).expect("room");
    assert_eq!(map.kind_at(PhysAddr::new(0x2fff)), Some(MemoryKind::AcpiTables));
    assert_eq!(map.kind_at(PhysAddr::new(0x4000)), None);
    assert!(map.is_ram(span(0x1000, 0x3000)));
    assert!(!map.is_ram(span(0x1000, 0x3001)));
    assert!(!map.is_ram(span(0x1000, 0x1000)));
    assert!(!map.is_ram(span(0, u64::MAX)));
    assert!(map.touches_ram(span(0x2fff, 0x4000)));
    assert!(!map.touches_ram(span(0x3000, u64::MAX)));
}

#[test]
fn a_full_map_refuses_and_keeps_what_it_said() {
    let mut map = MemoryMap::new();
    for index in 0..MAX_REGIONS as u64 {
        map.set(span(index * 0x1000, index * 0x1000 + 1), MemoryKind::Usable).expect("room");
    }
    let before = pieces(&map);
    assert_eq!(map.set(span(0x800, 0x801), MemoryKind::Usable), Err(MapFull));
    assert_eq!(pieces(&map), before);
    map.set(span(0, u64::MAX), MemoryKind::Reserved).expect("fewer than before");
    assert_eq!(pieces(&map), [(0, u64::MAX, MemoryKind::Reserved)]);
}

#[test]
fn firmware_numbers_that_nobody_knows_are_kept() {
    assert_eq!(MemoryKind::from_bios(3), MemoryKind::AcpiTables);
    assert_eq!(MemoryKind::from_bios(12), MemoryKind::Other(12));
    assert_eq!(MemoryKind::from_uefi(10), MemoryKind::AcpiNvs);
    assert_eq!(format!("{}", MemoryKind::from_uefi(0x8000_0001)), "type 2147483649");
    assert!(!MemoryKind::Other(14).is_ram());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn it_says_what_a_plain_array_says(steps in prop::collection::vec((0_u64..64, 0_u64..64, 0_u32..4), 0..40)) {
        let mut map = MemoryMap::new();
        let mut model = vec![None; 64];
        for (a, b, kind) in steps {
            let kind = MemoryKind::Other(kind);
            map.set(span(a, b), kind).expect("room");
            model.iter_mut().take(b as usize).skip(a as usize).for_each(|slot| *slot = Some(kind));
        }
        for (address, kind) in model.iter().enumerate() {
            prop_assert_eq!(map.kind_at(PhysAddr::new(address as u64)), *kind);
        }
        for pair in map.regions().windows(2) {
            prop_assert!(pair[0].span.end() <= pair[1].span.start());
            prop_assert!(pair[0].span.end() < pair[1].span.start() || pair[0].kind != pair[1].kind);
        }
    }
}
