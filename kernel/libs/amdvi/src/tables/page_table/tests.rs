//! Page tables by themselves.

use super::*;
use dma_types::PAGE_SIZE;
use iommu::testing::FakeMemory;
use iommu::{MapError, UnmapError};

const LARGE: u64 = 0x20_0000;
const HUGE: u64 = 0x4000_0000;
const TARGET: PhysAddr = PhysAddr::new(0x80_0000_0000);
const BOTH: Permissions = Permissions::READ_WRITE;

fn table(levels: TableLevels) -> (FakeMemory, PageTable) {
    let mut memory = FakeMemory::new();
    let table = PageTable::new(&mut memory, levels).unwrap();
    (memory, table)
}

#[test]
fn what_is_mapped_translates_at_every_depth_and_its_neighbours_do_not() {
    for levels in [TableLevels::Three, TableLevels::Four, TableLevels::Five, TableLevels::Six] {
        let (mut memory, mut table) = table(levels);
        for (iova, bytes) in [(0x1000, PAGE_SIZE), (LARGE, LARGE), (HUGE, HUGE), (2 * HUGE, HUGE + LARGE)] {
            let iova = Iova::new(iova);
            table.map(&mut memory, iova, TARGET, bytes, Permissions::READ).unwrap();
            let last = Iova::new(iova.as_u64() + bytes - 1);
            let found = |iova| table.translate(&memory, iova);
            assert_eq!(found(iova), Some((TARGET, Permissions::READ)));
            assert_eq!(found(last).unwrap().0.as_u64(), TARGET.as_u64() + bytes - 1);
            assert_eq!(found(Iova::new(last.as_u64() + 1)), None);
            table.unmap(&mut memory, iova, bytes).unwrap().release(&mut memory);
            assert_eq!(table.translate(&memory, iova), None);
        }
        assert_eq!((table.table_pages(), table.mapped_bytes(), memory.live_pages()), (1, 0, 1));
        table.release(&mut memory);
        assert_eq!(memory.live_pages(), 0);
    }
}

#[test]
fn the_deepest_tables_reach_the_last_address_and_the_others_their_own() {
    let last = |levels: TableLevels| Iova::new((u64::MAX >> (64 - levels.width())) & !(PAGE_SIZE - 1));
    for levels in [TableLevels::Three, TableLevels::Four, TableLevels::Five, TableLevels::Six] {
        let (mut memory, mut table) = table(levels);
        table.map(&mut memory, last(levels), TARGET, PAGE_SIZE, BOTH).unwrap();
        assert_eq!(table.translate(&memory, last(levels)), Some((TARGET, BOTH)));
        if levels != TableLevels::Six {
            let beyond = Iova::new(1 << levels.width());
            let result = table.map(&mut memory, beyond, TARGET, PAGE_SIZE, BOTH);
            assert_eq!(result, Err(MapError::BeyondWidth(beyond)));
            assert_eq!(table.translate(&memory, beyond), None);
        }
    }
}

#[test]
fn entries_are_as_large_as_they_can_be() {
    let (mut memory, mut table) = table(TableLevels::Four);
    // A page, a large one, a page: one table for each of the small ones beside those above.
    table
        .map(
            &mut memory,
            Iova::new(LARGE - PAGE_SIZE),
            PhysAddr::new(HUGE - PAGE_SIZE),
            LARGE + 2 * PAGE_SIZE,
            BOTH,
        )
        .unwrap();
    assert_eq!(table.table_pages(), 5);
    let splits = table.unmap(&mut memory, Iova::new(LARGE), PAGE_SIZE).map(|_| ());
    assert_eq!(splits, Err(UnmapError::Splits(Iova::new(LARGE), dma_types::PageSize::Size2M)));
}

#[test]
fn what_is_refused_changes_nothing() {
    let (mut memory, mut table) = table(TableLevels::Four);
    let page = Iova::new(0x5000);
    table.map(&mut memory, page, TARGET, PAGE_SIZE, BOTH).unwrap();
    let before = memory.live_pages();
    let mut map =
        |iova, phys, bytes| table.map(&mut memory, Iova::new(iova), PhysAddr::new(phys), bytes, BOTH);
    let target = TARGET.as_u64();
    assert_eq!(map(0x4000, target, 3 * PAGE_SIZE), Err(MapError::Overlap(page)));
    assert_eq!(map(0x800, target, PAGE_SIZE), Err(MapError::NotWholePages));
    assert_eq!(map(0x8000, target, 0), Err(MapError::NotWholePages));
    assert_eq!(map(0x8000, target + 8, PAGE_SIZE), Err(MapError::NotWholePages));
    assert_eq!(
        map(0x8000, (1 << 52) - PAGE_SIZE, 2 * PAGE_SIZE),
        Err(MapError::BeyondMemory(PhysAddr::new((1 << 52) - PAGE_SIZE)))
    );
    for reserved in [0xfee0_0000, 0xfd_0000_0000, 0xff_ffff_f000] {
        assert_eq!(map(reserved, target, PAGE_SIZE), Err(MapError::InterruptRange));
        assert_eq!(map(0x8000, reserved, PAGE_SIZE), Err(MapError::InterruptRange));
    }
    let unmap = table.unmap(&mut memory, Iova::new(0x4000), 2 * PAGE_SIZE).map(|_| ());
    assert_eq!(unmap, Err(UnmapError::NotMapped(Iova::new(0x4000))));
    assert_eq!(memory.live_pages(), before);
    assert_eq!(table.translate(&memory, page), Some((TARGET, BOTH)));
}

#[test]
fn without_memory_for_a_table_nothing_is_mapped() {
    for nth in 0..3 {
        let (mut memory, mut table) = table(TableLevels::Four);
        memory.fail_allocation(nth);
        let result = table.map(&mut memory, Iova::new(0x5000), TARGET, PAGE_SIZE, BOTH);
        assert_eq!(result, Err(MapError::OutOfMemory));
        assert_eq!((memory.live_pages(), table.table_pages()), (1, 1));
    }
}
