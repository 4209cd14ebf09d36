//! Many unmaps with one wait, by the sequence that the kernel uses for any unit.

use std::vec::Vec;

use super::*;
use crate::InvalidationError;
use dma_types::PageSize;
use iommu::{Error, RemappingUnit};
use iova::{IovaAllocator, IovaRange};

/// Ranges of a batch, apart by more than a table of pages.
const RANGES: usize = 6;

/// A domain with some ranges that its device has just read.
fn with_ranges(machine: &mut Machine) -> (Space, Vec<IovaRange>) {
    let window = Iova::new(0x1000_0000)..Iova::new(0x2000_0000);
    let mut room = IovaAllocator::new(window.clone(), [], window.start).unwrap();
    let mut space = machine.controller.new_domain().unwrap();
    machine.controller.attach(&space, DEVICE).unwrap();
    let mut ranges = Vec::new();
    for number in 0..RANGES {
        let range = room.allocate(1 + number as u64 * 300, PageSize::Size4K).unwrap();
        space.map(&mut machine.controller, (range.start(), TARGET), range.length(), BOTH).unwrap();
        assert_eq!(machine.reads(DEVICE, range.start()), Some(TARGET));
        ranges.push(range);
    }
    (space, ranges)
}

#[test]
fn a_batch_is_forgotten_whole_and_its_tables_come_back() {
    for pace in [Pace::AtOnce, Pace::Stepwise] {
        let mut machine = Machine::new(FakeConfig { pace, ..FakeConfig::default() });
        let (mut space, mut ranges) = with_ranges(&mut machine);
        let kept = ranges.pop().unwrap();
        let before = machine.memory.live_pages();
        space.unmap_all(&mut machine.controller, &ranges).unwrap();
        assert!(machine.memory.live_pages() < before);
        for range in &ranges {
            assert_eq!(machine.reads(DEVICE, range.start()), None);
            let last = Iova::new(range.end().as_u64() - PAGE_SIZE);
            assert_eq!(machine.reads(DEVICE, last), None);
        }
        assert_eq!(machine.reads(DEVICE, kept.start()), Some(TARGET));
    }
}

#[test]
fn of_a_batch_that_was_not_confirmed_nothing_comes_back() {
    let mut machine = Machine::new(FakeConfig::default());
    let (mut space, ranges) = with_ranges(&mut machine);
    let before = machine.memory.live_pages();
    machine.fake.break_part(Stuck::Answers);
    machine.fake.break_part(Stuck::Commands);
    let error = space.unmap_all(&mut machine.controller, &ranges).unwrap_err();
    assert!(error.may_be_reached(), "{error}");
    assert_eq!(machine.memory.live_pages(), before, "the unit may walk every table");
    // It goes on by what it remembers, and meets no page that was freed.
    assert!(ranges.iter().all(|range| machine.reads(DEVICE, range.start()) == Some(TARGET)));
    let again = machine.controller.block([DEVICE]);
    assert!(matches!(again, Err(Error::Unconfirmed(InvalidationError::Dead))), "{again:?}");
    assert!(machine.controller.unit().is_dead());
}
