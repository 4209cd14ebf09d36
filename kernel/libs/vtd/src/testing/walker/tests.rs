//! Each reason from one misprogramming of tables written by hand.

use super::*;
use std::collections::HashMap;

const ROOT: u64 = 0x1000;
const CONTEXT: u64 = 0x2000;
const LEVEL4: u64 = 0x3000;
const LEVEL3: u64 = 0x4000;
const LEVEL2: u64 = 0x5000;
const LEVEL1: u64 = 0x6000;

/// Words by address; pages without a word in this range are no memory.
struct Words(HashMap<u64, u64>);

impl WalkMemory for Words {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        let at = at.as_u64();
        (0x1000..0x7000).contains(&at).then(|| self.0.get(&at).copied().unwrap_or(0))
    }
}

const LIMITS: WalkLimits =
    WalkLimits { table_levels: 0b0110, large_pages: 0b11, address_width: 48, snoop_control: false };

/// 00:03.0 may read and write 0x0080_4020_3000, one page at 0x9000; domain 5, four levels.
/// That address has index 1 at each of levels 4 to 2 and 3 at level 1.
fn tables() -> Words {
    Words(HashMap::from([
        (ROOT, CONTEXT | 1),
        (CONTEXT + 0x18 * 16, LEVEL4 | 1),
        (CONTEXT + 0x18 * 16 + 8, 0x0502),
        (LEVEL4 + 8, LEVEL3 | 3),
        (LEVEL3 + 8, LEVEL2 | 3),
        (LEVEL2 + 8, LEVEL1 | 3),
        (LEVEL1 + 24, 0x9003),
    ]))
}

const IOVA: u64 = 0x0080_4020_3000;

fn walk_to(words: &Words, iova: u64, access: Access, limits: &WalkLimits) -> Result<Translation, WalkFault> {
    let source = SourceId::from_bits(0x18);
    walk(words, PhysAddr::new(ROOT), source, Iova::new(iova), access, limits)
}

/// The fault once the word at `at` has been replaced.
fn fault_with(at: u64, value: u64, access: Access) -> (u8, Option<u8>) {
    let mut words = tables();
    words.0.insert(at, value);
    let fault = walk_to(&words, IOVA, access, &LIMITS).unwrap_err();
    (fault.reason, fault.level)
}

#[test]
fn a_mapped_byte_is_found() {
    assert_eq!(
        walk_to(&tables(), IOVA + 0x123, Access::Atomic, &LIMITS),
        Ok(Translation {
            phys: PhysAddr::new(0x9123),
            permissions: Permissions::READ_WRITE,
            page_size: PageSize::Size4K,
            domain: DomainId(5),
        })
    );
}

#[test]
fn requesters_without_an_entry_are_blocked() {
    let words = tables();
    for (source, reason) in [(0x0118, ROOT_NOT_PRESENT), (0x0019, CONTEXT_NOT_PRESENT)] {
        let source = SourceId::from_bits(source);
        let result = walk(&words, PhysAddr::new(ROOT), source, Iova::new(IOVA), Access::Read, &LIMITS);
        assert_eq!(result, Err(WalkFault { reason, level: None }));
    }
    let result = walk(
        &words,
        PhysAddr::new(0x10_0000),
        SourceId::from_bits(0x18),
        Iova::new(IOVA),
        Access::Read,
        &LIMITS,
    );
    assert_eq!(result.unwrap_err().reason, ROOT_FETCH);
}

#[test]
fn damaged_root_and_context_entries_are_told_apart() {
    const ENTRY: u64 = CONTEXT + 0x180;
    for (at, value, reason) in [
        (ROOT, CONTEXT | 3, ROOT_RESERVED),
        (ROOT + 8, 1, ROOT_RESERVED),
        (ROOT, 0x10_0001, CONTEXT_FETCH),
        (ENTRY, LEVEL4 | 0x11, CONTEXT_RESERVED),
        (ENTRY + 8, 0x0582, CONTEXT_RESERVED),
        (ENTRY + 8, 0x0100_0502, CONTEXT_RESERVED),
        (ENTRY + 8, 0x0503, CONTEXT_INVALID),
        (ENTRY + 8, 0x0500, CONTEXT_INVALID),
        (ENTRY, LEVEL4 | 0b0101, CONTEXT_INVALID),
        (ENTRY, LEVEL4 | 0b1001, CONTEXT_INVALID),
        (ENTRY, LEVEL4 | 0b1101, CONTEXT_INVALID),
    ] {
        assert_eq!(fault_with(at, value, Access::Read), (reason, None), "{at:#x} = {value:#x}");
    }
    // P decides first; FPD and the ignored bits 70:67 do not block.
    assert_eq!(fault_with(ROOT, CONTEXT | 2, Access::Read), (ROOT_NOT_PRESENT, None));
    let mut words = tables();
    words.0.insert(ENTRY, LEVEL4 | 0b11);
    words.0.insert(ENTRY + 8, 0x057a);
    assert!(walk_to(&words, IOVA, Access::Read, &LIMITS).is_ok());
}

#[test]
fn damaged_tables_are_told_apart() {
    for (at, value, reason, level) in [
        (CONTEXT + 0x180, 0x10_0001, CONTEXT_INVALID, 4),
        (LEVEL4 + 8, 0x10_0003, TABLE_FETCH, 3),
        (LEVEL2 + 8, 0x10_0003, TABLE_FETCH, 1),
        (LEVEL4 + 8, LEVEL3 | 0x83, TABLE_RESERVED, 4),
        (LEVEL3 + 8, LEVEL2 | 0x803, TABLE_RESERVED, 3),
        (LEVEL3 + 8, 0x4000_1083, TABLE_RESERVED, 3),
        (LEVEL2 + 8, 0x0020_1083, TABLE_RESERVED, 2),
        (LEVEL1 + 24, 0x9803, TABLE_RESERVED, 1),
        (LEVEL1 + 24, 1 << 62 | 0x9003, TABLE_RESERVED, 1),
        (LEVEL1 + 24, 0xfee0_0003, INTERRUPT_RANGE, 1),
        (LEVEL1 + 24, !3, NO_READ, 1),
        (LEVEL3 + 8, 0, NO_READ, 3),
    ] {
        assert_eq!(fault_with(at, value, Access::Read), (reason, Some(level)), "{at:#x} = {value:#x}");
    }
}

#[test]
fn every_level_must_permit_the_access() {
    assert_eq!(fault_with(LEVEL1 + 24, 0x9001, Access::Write), (NO_WRITE, Some(1)));
    assert_eq!(fault_with(LEVEL1 + 24, 0x9002, Access::Read), (NO_READ, Some(1)));
    assert_eq!(fault_with(LEVEL1 + 24, 0x9001, Access::Atomic), (NO_WRITE, Some(1)));
    assert_eq!(fault_with(LEVEL1 + 24, 0x9002, Access::Atomic), (NO_READ, Some(1)));
    assert_eq!(fault_with(LEVEL3 + 8, LEVEL2 | 1, Access::Write), (NO_WRITE, Some(3)));
    let mut words = tables();
    words.0.insert(LEVEL3 + 8, LEVEL2 | 1);
    let found = walk_to(&words, IOVA, Access::Read, &LIMITS).unwrap();
    assert_eq!(found.permissions, Permissions::READ);
}

#[test]
fn large_entries_end_the_walk_where_the_unit_offers_them() {
    let mut words = tables();
    words.0.insert(LEVEL2 + 8, 0x0060_0083);
    let found = walk_to(&words, IOVA, Access::Write, &LIMITS).unwrap();
    assert_eq!((found.phys, found.page_size), (PhysAddr::new(0x0060_3000), PageSize::Size2M));
    words.0.insert(LEVEL3 + 8, 0x8000_0083);
    let found = walk_to(&words, IOVA, Access::Write, &LIMITS).unwrap();
    assert_eq!((found.phys, found.page_size), (PhysAddr::new(0x8020_3000), PageSize::Size1G));

    let small = WalkLimits { large_pages: 0b01, ..LIMITS };
    let fault = walk_to(&words, IOVA, Access::Write, &small).unwrap_err();
    assert_eq!(fault, WalkFault { reason: TABLE_RESERVED, level: Some(3) });
}

#[test]
fn the_narrower_of_unit_and_table_bounds_the_address() {
    let narrow = WalkLimits { address_width: 39, ..LIMITS };
    let beyond = Err(WalkFault { reason: BEYOND_WIDTH, level: None });
    assert_eq!(walk_to(&tables(), 1 << 48 | IOVA, Access::Read, &LIMITS), beyond);
    assert_eq!(walk_to(&tables(), IOVA, Access::Read, &narrow), beyond);
    let wide = WalkLimits { address_width: 64, ..LIMITS };
    assert_eq!(walk_to(&tables(), 1 << 48 | IOVA, Access::Read, &wide), beyond);
    assert!(walk_to(&tables(), IOVA, Access::Read, &wide).is_ok());
}

#[test]
fn snooping_may_be_forced_only_under_snoop_control() {
    let mut words = tables();
    words.0.insert(LEVEL1 + 24, 0x9803);
    let limits = WalkLimits { snoop_control: true, ..LIMITS };
    assert!(walk_to(&words, IOVA, Access::Read, &limits).is_ok());
}
