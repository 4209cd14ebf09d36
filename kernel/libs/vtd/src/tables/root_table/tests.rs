use super::*;
use crate::tables::test_memory::TestMemory;
use crate::testing::walker::{WalkFault, WalkLimits, WalkMemory, walk};
use dma_types::{Access, Iova};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

const LIMITS: WalkLimits =
    WalkLimits { table_levels: 0b0110, large_pages: 0b11, address_width: 48, snoop_control: false };

fn source(bus: u8, device: u8, function: u8) -> SourceId {
    SourceId::new(bus, device, function).unwrap()
}

/// The reason a read of the requester is blocked with; the tables below lead nowhere.
fn reason(memory: &TestMemory, table: &RootTable, source: SourceId) -> u8 {
    let WalkFault { reason, .. } =
        walk(memory, table.address(), source, Iova::new(0x5000), Access::Read, &LIMITS).unwrap_err();
    reason
}

#[test]
fn every_requester_is_blocked_as_one_without_a_domain() {
    let mut memory = TestMemory::new();
    let table = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    for bits in 0..=u16::MAX {
        assert_eq!(reason(&memory, &table, SourceId::from_bits(bits)), 2);
    }
    assert_eq!((table.page_count(), memory.pages()), (2, 2));
    table.release(&mut memory);
    assert_eq!(memory.pages(), 0);
}

#[test]
fn attaching_concerns_one_requester_and_costs_one_page_a_bus() {
    let mut memory = TestMemory::new();
    let mut table = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    let stage = memory.allocate().unwrap();
    memory.flush(stage, PAGE_SIZE);

    let first = table.attach(&mut memory, source(2, 3, 0), DomainId(7), stage, TableLevels::Four);
    assert_eq!(first, Ok(Attached::RootEntry));
    let second = table.attach(&mut memory, source(2, 31, 7), DomainId(8), stage, TableLevels::Three);
    assert_eq!(second, Ok(Attached::ContextEntry));

    assert_eq!(reason(&memory, &table, source(2, 3, 0)), 6);
    assert_eq!(reason(&memory, &table, source(2, 31, 7)), 6);
    for blocked in [source(2, 3, 1), source(1, 3, 0), source(3, 3, 0), source(0, 0, 0)] {
        assert_eq!(reason(&memory, &table, blocked), 2);
    }
    let entry = table.entry(&memory, source(2, 31, 7));
    assert_eq!(entry, ContextEntry::second_stage(DomainId(8), stage, TableLevels::Three));

    let mut pages: Vec<_> = table.pages(&memory).chain([stage]).collect();
    pages.sort();
    assert_eq!(pages, memory.page_addresses());
    assert_eq!(table.page_count(), 3);

    table.release(&mut memory);
    assert_eq!(memory.page_addresses(), [stage]);
}

#[test]
fn a_present_entry_is_never_replaced() {
    let mut memory = TestMemory::new();
    let mut table = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    let device = source(0, 3, 0);
    let stage = PhysAddr::new(0x7_0000_0000);
    assert!(table.attach(&mut memory, device, DomainId(1), stage, TableLevels::Four).is_ok());
    let other = PhysAddr::new(0x7_0010_0000);
    assert_eq!(
        table.attach(&mut memory, device, DomainId(2), other, TableLevels::Four),
        Err(TableError::AlreadyAttached(device))
    );
    assert_eq!(table.block(&mut memory, device), Some(DomainId(1)));
    assert_eq!(reason(&memory, &table, device), 2);
    assert_eq!(table.block(&mut memory, device), Some(DomainId(1)), "until it is forgotten");
    assert_eq!(
        table.attach(&mut memory, device, DomainId(2), other, TableLevels::Four),
        Err(TableError::Unconfirmed(device))
    );
    assert_eq!(table.named_in(&memory, DomainId(1)), Some(device));
    table.forget_blocked(&mut memory, device);
    assert_eq!(table.block(&mut memory, device), None);
    assert_eq!(table.named_in(&memory, DomainId(1)), None);
    assert_eq!(
        table.attach(&mut memory, device, DomainId(2), other, TableLevels::Four),
        Ok(Attached::ContextEntry)
    );
    assert_eq!(
        table.attach(&mut memory, source(0, 4, 0), DomainId(2), PhysAddr::new(0x800), TableLevels::Four),
        Err(TableError::Unaligned(PhysAddr::new(0x800)))
    );
}

#[test]
fn passing_through_concerns_one_requester_until_it_is_blocked() {
    let mut memory = TestMemory::new();
    let mut table = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    let device = source(0, 3, 0);
    let passed = table.pass_through(&mut memory, device, DomainId(9), TableLevels::Four);
    assert_eq!(passed, Ok(Attached::RootEntry));
    assert_eq!(table.entry(&memory, device), ContextEntry::pass_through(DomainId(9), TableLevels::Four));
    assert_eq!(reason(&memory, &table, source(0, 3, 1)), 2);
    let again = table.pass_through(&mut memory, device, DomainId(9), TableLevels::Four);
    assert_eq!(again, Err(TableError::AlreadyAttached(device)));
    assert_eq!(table.block(&mut memory, device), Some(DomainId(9)));
    assert_eq!(reason(&memory, &table, device), 2);
}

#[test]
fn running_out_of_memory_changes_nothing() {
    for pages in 0..2 {
        let mut memory = TestMemory::new();
        memory.fail_allocation(pages);
        assert!(RootTable::new(&mut memory, Coherence::NonCoherent).is_err());
        assert_eq!(memory.pages(), 0);
    }
    let mut memory = TestMemory::new();
    let mut table = RootTable::new(&mut memory, Coherence::NonCoherent).unwrap();
    memory.fail_allocation(0);
    let device = source(0, 3, 0);
    let result =
        table.attach(&mut memory, device, DomainId(1), PhysAddr::new(0x7_0000_0000), TableLevels::Four);
    assert_eq!(result, Err(TableError::OutOfMemory));
    assert_eq!(reason(&memory, &table, device), 2);
    assert_eq!(table.page_count(), 2);
}

#[test]
fn at_no_moment_is_another_requester_or_half_an_entry_seen() {
    for coherence in [Coherence::Coherent, Coherence::NonCoherent] {
        let mut memory = TestMemory::with(coherence);
        let mut table = RootTable::new(&mut memory, coherence).unwrap();
        let root = table.address();
        let (device, stage) = (source(0, 3, 0), PhysAddr::new(0x7_0000_0000));
        let whole = ContextEntry::second_stage(DomainId(0x0102), stage, TableLevels::Four);
        memory.watch(move |memory| {
            for bits in 0..0x300 {
                let source = SourceId::from_bits(bits);
                let found = walk(memory, root, source, Iova::new(0), Access::Read, &LIMITS);
                let blocked = WalkFault { reason: 2, level: None };
                // The entry is whole, and its four-level table no memory.
                let attached = WalkFault { reason: 3, level: Some(4) };
                let found = found.unwrap_err();
                assert!(found == blocked || source == device && found == attached, "{source}: {found}");
            }
        });
        let _ = table.attach(&mut memory, device, whole.domain(), stage, TableLevels::Four);
        assert_eq!(table.entry(&memory, device), whole);
        assert_eq!(reason(&memory, &table, device), 3);
        assert_eq!(table.block(&mut memory, device), Some(whole.domain()));
        table.forget_blocked(&mut memory, device);
        assert_eq!(reason(&memory, &table, device), 2);
        let _ = table.attach(&mut memory, device, whole.domain(), stage, TableLevels::Four);
    }
}

/// The words of an entry at every moment of a change, as a unit that snoops sees them.
struct Moments(Rc<RefCell<Vec<ContextEntry>>>);

impl Moments {
    fn of(memory: &mut TestMemory, at: PhysAddr) -> Self {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = seen.clone();
        memory.watch(move |memory| {
            let word = |at| WalkMemory::read(memory, at).unwrap();
            note.borrow_mut().push(ContextEntry::from_words(word(at), word(high_word(at))));
        });
        Self(seen)
    }

    /// Every entry that a unit may find which fetches the low half at one moment of a change and the high half at
    /// the same or a later one.
    fn fetched(&self, before: ContextEntry) -> Vec<ContextEntry> {
        let mut moments = std::vec![before];
        moments.append(&mut self.0.borrow_mut());
        let first_halves = moments.iter().enumerate();
        first_halves
            .flat_map(|(number, first)| {
                let later = moments.get(number..).unwrap_or_default();
                later.iter().map(|second| ContextEntry::from_words(first.low(), second.high()))
            })
            .collect()
    }
}

/// What the unit is told to forget between two changes cannot be fetched across both.
#[test]
fn an_entry_that_is_fetched_by_halves_is_whole_or_blocks() {
    let mut memory = TestMemory::with(Coherence::Coherent);
    let mut table = RootTable::new(&mut memory, Coherence::Coherent).unwrap();
    let (device, stage) = (source(0, 3, 0), PhysAddr::new(0x7_0000_0000));
    // A neighbour, so that the bus has a context table.
    let _ = table.attach(&mut memory, source(0, 4, 0), DomainId(1), stage, TableLevels::Four);
    let at = table.entry_address(&memory, device);
    let moments = Moments::of(&mut memory, at);
    let (first, second) = [(0x0102, TableLevels::Four), (0x0304, TableLevels::Three)]
        .map(|(domain, levels)| ContextEntry::second_stage(DomainId(domain), stage, levels))
        .into();

    for whole in [first, second] {
        let levels = whole.levels().unwrap();
        assert!(table.attach(&mut memory, device, whole.domain(), stage, levels).is_ok());
        let fetched = moments.fetched(ContextEntry::BLOCKING);
        assert!(fetched.contains(&whole));
        assert!(fetched.iter().all(|entry| *entry == whole || !entry.is_present()), "{fetched:?}");

        assert_eq!(table.block(&mut memory, device), Some(whole.domain()));
        let fetched = moments.fetched(whole);
        assert!(!fetched.last().unwrap().is_present());
        assert!(fetched.iter().all(|entry| *entry == whole || !entry.is_present()), "{fetched:?}");

        table.forget_blocked(&mut memory, device);
        let fetched = moments.fetched(whole.without_present());
        assert_eq!(fetched.last(), Some(&ContextEntry::BLOCKING));
        assert!(fetched.iter().all(|entry| !entry.is_present()), "{fetched:?}");
    }
}
