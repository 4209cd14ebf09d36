use super::*;
use crate::spec::context_entry::ContextEntry;
use crate::spec::root_entry::RootEntry;
use crate::tables::test_memory::TestMemory;
use crate::testing::walker::{Translation, WalkFault, WalkLimits, WalkMemory, walk};
use dma_types::{Access, DomainId, SourceId};

mod failure;
mod random;

const KIB4: u64 = 4 << 10;
const MIB2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

const SMALL_ONLY: u8 = 0b00;
const ALL_SIZES: u8 = 0b11;

fn format(levels: TableLevels, page_sizes: u8) -> Format {
    Format {
        levels,
        address_width: 57,
        page_sizes: SupportedPageSizes::from_bits(page_sizes),
        snoop: Snoop::AsRequested,
        coherence: Coherence::NonCoherent,
    }
}

/// Memory and the tables of a domain in it.
fn domain(levels: TableLevels, page_sizes: u8) -> (TestMemory, SecondStage) {
    let mut memory = TestMemory::new();
    let stage = SecondStage::new(&mut memory, format(levels, page_sizes)).unwrap();
    (memory, stage)
}

/// Root and context table for the walker, which lead every requester to one second-stage table.
struct Attached<'a> {
    memory: &'a TestMemory,
    stage: PhysAddr,
    levels: TableLevels,
}

const ROOT: u64 = 0x8_0000_0000;
const CONTEXT: u64 = 0x8_0000_1000;

impl WalkMemory for Attached<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        let (root, context) = (
            RootEntry::present(PhysAddr::new(CONTEXT)),
            ContextEntry::second_stage(DomainId(1), self.stage, self.levels),
        );
        let low = at.is_aligned(16);
        match at.page().as_u64() {
            ROOT => Some(if low { root.low() } else { root.high() }),
            CONTEXT => Some(if low { context.low() } else { context.high() }),
            _ => WalkMemory::read(self.memory, at),
        }
    }
}

/// What the unit makes of a request.
fn request(
    memory: &TestMemory,
    stage: &SecondStage,
    iova: u64,
    access: Access,
) -> Result<Translation, WalkFault> {
    let limits = WalkLimits {
        table_levels: 0b1110,
        large_pages: stage.format.page_sizes.bits(),
        address_width: stage.format.address_width,
        snoop_control: stage.format.snoop == Snoop::Forced,
    };
    let attached = Attached { memory, stage: stage.root(), levels: stage.levels() };
    walk(&attached, PhysAddr::new(ROOT), SourceId::from_bits(0), Iova::new(iova), access, &limits)
}

fn map(memory: &mut TestMemory, stage: &mut SecondStage, iova: u64, phys: u64, bytes: u64) {
    stage.map(memory, Iova::new(iova), PhysAddr::new(phys), bytes, Permissions::READ_WRITE).unwrap();
}

fn unmap(memory: &mut TestMemory, stage: &mut SecondStage, iova: u64, bytes: u64) -> Stale {
    let unmapped = stage.unmap(memory, Iova::new(iova), bytes).unwrap();
    let stale = unmapped.stale();
    unmapped.release(memory);
    stale
}

#[test]
fn a_page_translates_with_its_permissions_and_nothing_beside_it() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    let (iova, phys) = (Iova::new(0x1234_5000), PhysAddr::new(0x9000));
    stage.map(&mut memory, iova, phys, KIB4, Permissions::READ).unwrap();

    let found = request(&memory, &stage, 0x1234_5678, Access::Read).unwrap();
    assert_eq!((found.phys, found.permissions), (PhysAddr::new(0x9678), Permissions::READ));
    assert_eq!(request(&memory, &stage, 0x1234_5678, Access::Write).unwrap_err().reason, 5);
    for neighbour in [0x1234_4fff, 0x1234_6000] {
        assert_eq!(request(&memory, &stage, neighbour, Access::Read).unwrap_err().reason, 6);
        assert_eq!(stage.translate(&memory, Iova::new(neighbour)), None);
    }
    let translated = stage.translate(&memory, Iova::new(0x1234_5678));
    assert_eq!(translated, Some((PhysAddr::new(0x9678), Permissions::READ, PageSize::Size4K)));
    assert_eq!((stage.mapped_bytes(), stage.table_pages()), (KIB4, 4));

    let path = stage.walk_path(&memory, iova);
    assert_eq!(path.steps().map(|step| step.level).collect::<std::vec::Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(path.entry(1).unwrap().bits(), 0x9001);
    assert_eq!(path.steps().next().unwrap().at, stage.root());
    assert_eq!(stage.walk_path(&memory, Iova::new(1 << 40)).steps().count(), 1);
    assert_eq!(stage.walk_path(&memory, Iova::new(1 << 48)).steps().count(), 0);
}

#[test]
fn entries_are_as_large_as_alignment_length_and_unit_allow() {
    let size_at = |page_sizes, phys, bytes, at| {
        let (mut memory, mut stage) = domain(TableLevels::Three, page_sizes);
        map(&mut memory, &mut stage, GIB, phys, bytes);
        let size = request(&memory, &stage, GIB + at, Access::Read).unwrap().page_size;
        assert_eq!(stage.translate(&memory, Iova::new(GIB + at)).unwrap().2, size);
        size
    };
    assert_eq!(size_at(ALL_SIZES, GIB, GIB, 0), PageSize::Size1G);
    assert_eq!(size_at(0b01, GIB, GIB, 0), PageSize::Size2M);
    assert_eq!(size_at(ALL_SIZES, 5 * MIB2, GIB, 0), PageSize::Size2M);
    assert_eq!(size_at(ALL_SIZES, GIB, GIB - MIB2, 0), PageSize::Size2M);
    assert_eq!(size_at(ALL_SIZES, GIB, MIB2 + KIB4, 0), PageSize::Size2M);
    assert_eq!(size_at(ALL_SIZES, GIB, MIB2 + KIB4, MIB2), PageSize::Size4K);
    assert_eq!(size_at(ALL_SIZES, GIB + KIB4, MIB2, 0), PageSize::Size4K);
    assert_eq!(size_at(SMALL_ONLY, GIB, MIB2, 0), PageSize::Size4K);
}

#[test]
fn a_large_mapping_beside_an_empty_table_uses_it() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    map(&mut memory, &mut stage, GIB, GIB, KIB4);
    assert_eq!(unmap(&mut memory, &mut stage, GIB, KIB4), Stale::Range);
    // No entry may change from a table to a leaf without an invalidation.
    map(&mut memory, &mut stage, GIB, GIB, 2 * MIB2);
    assert_eq!(stage.translate(&memory, Iova::new(GIB)).unwrap().2, PageSize::Size4K);
    assert_eq!(stage.translate(&memory, Iova::new(GIB + MIB2)).unwrap().2, PageSize::Size2M);
    assert_eq!(unmap(&mut memory, &mut stage, GIB, 2 * MIB2), Stale::Domain);
    map(&mut memory, &mut stage, GIB, GIB, 2 * MIB2);
    assert_eq!(stage.translate(&memory, Iova::new(GIB)).unwrap().2, PageSize::Size2M);
}

#[test]
fn the_format_follows_the_unit() {
    // QEMU's unit with its default properties, and with snoop control and coherent walks.
    let capabilities = Capabilities(0x00d2_008c_222f_0606);
    let of_unit = |extended| Format::of_unit(TableLevels::Four, capabilities, ExtendedCapabilities(extended));
    let plain = of_unit(0x00f0_0f4a);
    assert_eq!((plain.levels, plain.address_width), (TableLevels::Four, 48));
    assert_eq!(plain.page_sizes.bits(), ALL_SIZES);
    assert_eq!((plain.snoop, plain.coherence), (Snoop::AsRequested, Coherence::NonCoherent));
    let snooping = of_unit(0x00f0_0fcb);
    assert_eq!((snooping.snoop, snooping.coherence), (Snoop::Forced, Coherence::Coherent));
}

#[test]
fn snooping_is_forced_where_asked_for() {
    let mut memory = TestMemory::new();
    let format = Format { snoop: Snoop::Forced, ..format(TableLevels::Four, ALL_SIZES) };
    let mut stage = SecondStage::new(&mut memory, format).unwrap();
    map(&mut memory, &mut stage, 0, 0x9000, KIB4);
    assert_eq!(stage.walk_path(&memory, Iova::new(0)).entry(1).unwrap().snoop(), Snoop::Forced);
    assert!(request(&memory, &stage, 0, Access::Atomic).is_ok());
}

#[test]
fn ranges_out_of_reach_are_refused() {
    let (mut memory, mut stage) = domain(TableLevels::Three, ALL_SIZES);
    let mut map = |iova, phys, bytes| {
        stage.map(&mut memory, Iova::new(iova), PhysAddr::new(phys), bytes, Permissions::READ)
    };
    let beyond = |iova| Err(MapError::BeyondWidth(Iova::new(iova)));
    assert_eq!(map(0x800, 0, KIB4), Err(MapError::NotWholePages));
    assert_eq!(map(0, 0x800, KIB4), Err(MapError::NotWholePages));
    assert_eq!(map(0, 0, 0x800), Err(MapError::NotWholePages));
    assert_eq!(map(0, 0, 0), Err(MapError::NotWholePages));
    assert_eq!(map(1 << 39, 0, KIB4), beyond(1 << 39));
    assert_eq!(map((1 << 39) - KIB4, 0, 2 * KIB4), beyond((1 << 39) - KIB4));
    assert_eq!(map(!0xfff, 0, KIB4), beyond(!0xfff));
    let phys = (1 << 52) - KIB4;
    assert_eq!(map(0, phys, 2 * KIB4), Err(MapError::BeyondMemory(PhysAddr::new(phys))));
    assert_eq!(map(0, !0xfff, KIB4), Err(MapError::BeyondMemory(PhysAddr::new(!0xfff))));
    for inside in [0xfee0_0000, 0xfeef_f000] {
        assert_eq!(map(inside, 0, KIB4), Err(MapError::InterruptRange));
        assert_eq!(map(0, inside, KIB4), Err(MapError::InterruptRange));
    }
    assert_eq!(map(0xfe00_0000, 0, 0x200_0000), Err(MapError::InterruptRange));
    assert_eq!(map(0xfedf_f000, 0xfef0_0000, KIB4), Ok(()));
    assert_eq!(map((1 << 39) - KIB4, phys, KIB4), Ok(()));

    let narrow = Format { address_width: 36, ..format(TableLevels::Three, ALL_SIZES) };
    let mut stage = SecondStage::new(&mut memory, narrow).unwrap();
    let result = stage.map(&mut memory, Iova::new(1 << 36), PhysAddr::new(0), KIB4, Permissions::READ);
    assert_eq!(result, beyond(1 << 36));
}

#[test]
fn unmapping_takes_whole_entries_or_nothing() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    map(&mut memory, &mut stage, MIB2, MIB2, 2 * MIB2);
    map(&mut memory, &mut stage, 3 * MIB2, 0x9000, KIB4);
    let mut refused = |iova, bytes| stage.unmap(&mut memory, Iova::new(iova), bytes).unwrap_err();

    let splits = |iova| UnmapError::Splits(Iova::new(iova), PageSize::Size2M);
    assert_eq!(refused(MIB2, KIB4), splits(MIB2));
    assert_eq!(refused(MIB2 + KIB4, MIB2 - KIB4), splits(MIB2 + KIB4));
    assert_eq!(refused(MIB2, 2 * MIB2 - KIB4), splits(2 * MIB2));
    assert_eq!(refused(0, MIB2), UnmapError::NotMapped(Iova::new(0)));
    let hole = UnmapError::NotMapped(Iova::new(3 * MIB2 + KIB4));
    assert_eq!(refused(MIB2, 2 * MIB2 + 2 * KIB4), hole);
    assert_eq!(refused(3 * MIB2, 2 * KIB4), hole);
    assert_eq!(refused(MIB2, 0x800), UnmapError::NotWholePages);
    assert_eq!(refused(1 << 48, KIB4), UnmapError::BeyondWidth(Iova::new(1 << 48)));
    assert_eq!(stage.mapped_bytes(), 2 * MIB2 + KIB4);

    // Two mappings at once, and a part of what was mapped at once.
    unmap(&mut memory, &mut stage, 2 * MIB2, MIB2 + KIB4);
    assert_eq!(stage.mapped_bytes(), MIB2);
    assert!(request(&memory, &stage, MIB2, Access::Write).is_ok());
    unmap(&mut memory, &mut stage, MIB2, MIB2);
    assert_eq!(stage.mapped_bytes(), 0);
}

#[test]
fn the_table_in_use_is_neither_freed_nor_allocated_again() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    map(&mut memory, &mut stage, GIB, 0x9000, KIB4);
    map(&mut memory, &mut stage, 2 * GIB, MIB2, MIB2);
    unmap(&mut memory, &mut stage, GIB, KIB4);
    unmap(&mut memory, &mut stage, 2 * GIB, MIB2);
    let before = memory.allocations();
    for round in 0..100 {
        map(&mut memory, &mut stage, GIB + round * KIB4, 0x9000, KIB4);
        assert_eq!(unmap(&mut memory, &mut stage, GIB + round * KIB4, KIB4), Stale::Range);
        map(&mut memory, &mut stage, 2 * GIB + round * MIB2, MIB2, MIB2);
        assert_eq!(unmap(&mut memory, &mut stage, 2 * GIB + round * MIB2, MIB2), Stale::Range);
    }
    assert_eq!(memory.allocations(), before);
}

#[test]
fn few_empty_tables_stay() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    for round in 0..100 {
        // Every mapping in a table, and a table above, of its own.
        let iova = round * (GIB + MIB2);
        map(&mut memory, &mut stage, iova, 0x9000, KIB4);
        unmap(&mut memory, &mut stage, iova, KIB4);
        // The top two levels, and two tables for each that stays.
        assert!(stage.table_pages() <= 2 + 2 * IDLE_TABLES as u64);
        assert_eq!(stage.table_pages(), memory.pages() as u64);
    }
    assert_eq!(stage.mapped_bytes(), 0);
    stage.release(&mut memory);
    assert_eq!(memory.pages(), 0);
}

#[test]
fn unlinked_tables_block_until_they_are_released() {
    let (mut memory, mut stage) = domain(TableLevels::Four, SMALL_ONLY);
    for region in 0..3 {
        map(&mut memory, &mut stage, region * GIB, 0, MIB2);
    }
    let stale: std::vec::Vec<_> = (0..3)
        .map(|region| stage.walk_path(&memory, Iova::new(region * GIB)).entry(2).unwrap().address())
        .collect();
    let mut all = stage.unmap(&mut memory, Iova::new(0), MIB2).unwrap();
    for region in 1..3 {
        let one = stage.unmap(&mut memory, Iova::new(region * GIB), MIB2).unwrap();
        all.join(&mut memory, one);
    }
    assert_eq!((all.stale(), stage.table_pages()), (Stale::Domain, 1));
    // The unit may still walk them; whatever is in them, flushed or not, permits nothing.
    for table in stale {
        memory.flush(table, 4096);
        for index in 0..512 {
            assert_eq!(TableMemory::read(&memory, word(table, index)) & 3, 0);
        }
    }
    assert!(memory.pages() > 1);
    all.release(&mut memory);
    assert_eq!(memory.pages(), 1);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "not released")]
fn dropping_unlinked_tables_is_not_missed() {
    let (mut memory, mut stage) = domain(TableLevels::Four, SMALL_ONLY);
    map(&mut memory, &mut stage, 0, 0, MIB2);
    drop(stage.unmap(&mut memory, Iova::new(0), MIB2));
}

/// Single pages, an address and its bytes each.
fn run(memory: &mut TestMemory, stage: &mut SecondStage, ranges: &[(u64, u64)]) -> (usize, Stale) {
    let ranges = ranges.iter().map(|(iova, bytes)| (Iova::new(*iova), *bytes));
    let (count, unmapped) = stage.unmap_run(memory, ranges);
    let stale = unmapped.stale();
    unmapped.release(memory);
    (count, stale)
}

#[test]
fn a_run_ends_with_its_table_and_with_what_is_no_mapped_page() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    let beyond = GIB + MIB2;
    for page in [GIB, GIB + 2 * KIB4, GIB + 4 * KIB4, beyond - KIB4, beyond] {
        map(&mut memory, &mut stage, page, page, KIB4);
    }
    let all = [GIB + 2 * KIB4, GIB, beyond - KIB4, beyond].map(|page| (page, KIB4));
    assert_eq!(run(&mut memory, &mut stage, &all), (3, Stale::Range));
    assert_eq!(stage.mapped_bytes(), 2 * KIB4);
    assert_eq!(stage.translate(&memory, Iova::new(beyond - KIB4)), None);
    assert!(stage.translate(&memory, Iova::new(beyond)).is_some());
    for refused in [(GIB, KIB4), (GIB + 4 * KIB4, 2 * KIB4), (GIB + 4 * KIB4 + 8, KIB4), (2 * GIB, KIB4)] {
        assert_eq!(run(&mut memory, &mut stage, &[refused, (beyond, KIB4)]), (0, Stale::Range));
    }
    assert_eq!(stage.mapped_bytes(), 2 * KIB4);
    // A page that is named twice ends it as well, and the books of the tables stay right.
    let twice = [(GIB + 4 * KIB4, KIB4); 2];
    assert_eq!(run(&mut memory, &mut stage, &twice), (1, Stale::Range));
    assert_eq!(unmap(&mut memory, &mut stage, beyond, KIB4), Stale::Range);
    assert_eq!(stage.mapped_bytes(), 0);
}

#[test]
fn a_run_that_empties_one_table_too_many_unlinks_the_oldest() {
    let (mut memory, mut stage) = domain(TableLevels::Four, ALL_SIZES);
    let tables = IDLE_TABLES as u64 + 1;
    for table in 0..tables {
        map(&mut memory, &mut stage, GIB + table * MIB2, GIB, KIB4);
    }
    for table in 0..tables {
        let stale = if table + 1 == tables { Stale::Domain } else { Stale::Range };
        assert_eq!(run(&mut memory, &mut stage, &[(GIB + table * MIB2, KIB4)]), (1, stale));
    }
    assert_eq!(stage.table_pages(), 3 + IDLE_TABLES as u64);
}
