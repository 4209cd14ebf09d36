//! Refused and interrupted maps leave no trace, and no moment of a map shows more than the mapping.

use super::*;
use std::collections::BTreeMap;
use std::vec::Vec;

/// From the last page of a top-level entry over 2 MiB, maybe as one entry, to three pages beyond.
const START: u64 = (1 << 48) - KIB4;
const BYTES: u64 = KIB4 + MIB2 + 3 * KIB4;
/// So that large entries fit.
const PHYS: u64 = GIB - KIB4;

#[test]
fn every_failing_allocation_unwinds_completely() {
    for page_sizes in [SMALL_ONLY, ALL_SIZES] {
        let (mut memory, mut stage) = domain(TableLevels::Five, page_sizes);
        map(&mut memory, &mut stage, START - KIB4, 0x9000, KIB4);
        let before = (memory.pages(), stage.table_pages(), stage.mapped_bytes());
        let mut failures = 0;
        loop {
            memory.fail_allocation(failures);
            let (iova, phys) = (Iova::new(START), PhysAddr::new(PHYS));
            let result = stage.map(&mut memory, iova, phys, BYTES, Permissions::READ_WRITE);
            if result.is_ok() {
                break;
            }
            assert_eq!(result, Err(MapError::OutOfMemory));
            assert_eq!((memory.pages(), stage.table_pages(), stage.mapped_bytes()), before);
            for iova in (START..START + BYTES).step_by(KIB4 as usize) {
                assert_eq!(request(&memory, &stage, iova, Access::Read).unwrap_err().reason, 6);
            }
            failures += 1;
        }
        // Levels 4 to 1 beyond the boundary, and one more table where 2 MiB need small entries.
        assert_eq!(failures, if page_sizes == SMALL_ONLY { 5 } else { 4 });
        assert!(request(&memory, &stage, START + BYTES - 1, Access::Read).is_ok());
        unmap(&mut memory, &mut stage, START - KIB4, KIB4 + BYTES);
        assert_eq!((memory.pages(), stage.table_pages()), (1, 1));
    }
}

#[test]
fn an_overlap_at_any_page_changes_nothing() {
    for taken in [START, START + KIB4, START + MIB2, START + BYTES - KIB4] {
        let (mut memory, mut stage) = domain(TableLevels::Five, ALL_SIZES);
        map(&mut memory, &mut stage, taken, 0x9000, KIB4);
        let pages = memory.pages();
        let result = stage.map(&mut memory, Iova::new(START), PhysAddr::new(PHYS), BYTES, Permissions::READ);
        assert!(matches!(result, Err(MapError::Overlap(_))));
        assert_eq!((memory.pages(), stage.mapped_bytes()), (pages, KIB4));
        assert_eq!(stage.translate(&memory, Iova::new(START - KIB4)), None);
        assert_eq!(stage.translate(&memory, Iova::new(taken)).unwrap().0, PhysAddr::new(0x9000));
    }
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    map(&mut memory, &mut stage, GIB, GIB, GIB);
    for inside in [GIB, GIB + MIB2, 2 * GIB - KIB4] {
        let result = stage.map(&mut memory, Iova::new(inside), PhysAddr::new(0), KIB4, Permissions::READ);
        assert!(matches!(result, Err(MapError::Overlap(_))));
    }
}

/// Every translation that the unit finds below a table, by the address of its first byte.
///
/// # Panics
///
/// A table is reached that is no memory.
fn translations(memory: &TestMemory, table: u64, level: u32, base: u64, found: &mut BTreeMap<u64, u64>) {
    for index in 0..512 {
        let at = PhysAddr::new(table + index * 8);
        let entry = WalkMemory::read(memory, at).expect("a table in memory");
        let iova = base + (index << (12 + 9 * (level - 1)));
        let address = entry & 0x000f_ffff_ffff_f000;
        match entry & 0x83 {
            0 => {}
            3 if level > 1 => translations(memory, address, level - 1, iova, found),
            _ => assert_eq!(found.insert(iova, address), None),
        }
    }
}

#[test]
fn no_moment_of_a_map_or_unmap_shows_anything_else() {
    for coherence in [Coherence::Coherent, Coherence::NonCoherent] {
        let mut memory = TestMemory::with(coherence);
        let format = Format { coherence, ..format(TableLevels::Five, ALL_SIZES) };
        let mut stage = SecondStage::new(&mut memory, format).unwrap();
        map(&mut memory, &mut stage, START - KIB4, PHYS - KIB4, KIB4);

        let root = stage.root().as_u64();
        memory.watch(move |memory| {
            let mut found = BTreeMap::new();
            translations(memory, root, 5, 0, &mut found);
            assert_eq!(found.remove(&(START - KIB4)), Some(PHYS - KIB4));
            for (iova, phys) in found {
                assert!((START..START + BYTES).contains(&iova));
                assert_eq!(phys, iova - START + PHYS);
            }
        });
        // In one piece, then page by page from the end.
        map(&mut memory, &mut stage, START, PHYS, BYTES);
        let unmapped = stage.unmap(&mut memory, Iova::new(START), BYTES).unwrap();
        unmapped.release(&mut memory);
        let pages: Vec<_> = [START, START + MIB2, START + MIB2 + KIB4].into();
        for iova in pages.iter().rev() {
            map(&mut memory, &mut stage, *iova, iova - START + PHYS, KIB4);
        }
        for iova in pages {
            unmap(&mut memory, &mut stage, iova, KIB4);
        }
        assert_eq!(stage.mapped_bytes(), KIB4);
    }
}
