//! Every error arm by itself, and what it leaves behind.

use dma_types::{Access, DomainId, Iova, PAGE_SIZE, PageSize, Permissions};
use iommu::{Error, FastUnmap, MapError, TableError, UnmapError};
use iova::IovaAllocator;
use vtd::tables::IDLE_TABLES;
use vtd::testing::fake_unit::{FakeConfig, Injection, Offer, Pace, Stuck};

use super::machine::*;

const RW: Permissions = Permissions::READ_WRITE;
const DEVICE: dma_types::SourceId = REQUESTERS[0];
const OTHER: dma_types::SourceId = REQUESTERS[1];
const ELSEWHERE: dma_types::SourceId = REQUESTERS[2];

/// Units that can refuse an invalidation and answer the next.
fn kinds() -> [FakeConfig; 2] {
    let queue = FakeConfig::default();
    [queue, FakeConfig { queue: Offer::No, ..queue }]
}

/// A domain with [`IOVA`] mapped, reached by [`DEVICE`] and so remembered.
fn warm(machine: &mut Machine) -> Domain {
    let mut domain = machine.domain();
    machine.controller.attach(&domain, DEVICE).unwrap();
    domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW).unwrap();
    assert!(machine.reads(DEVICE, IOVA));
    domain
}

#[test]
fn an_unmap_that_is_not_confirmed_gives_no_table_back() {
    for config in kinds() {
        let mut machine = Machine::new(config);
        let mut domain = warm(&mut machine);
        // More tables than stay linked when they are empty.
        let pages: Vec<_> = (1..=IDLE_TABLES as u64 + 1).map(far).collect();
        for iova in &pages {
            domain.map(&mut machine.controller, (*iova, TARGET), PAGE_SIZE, RW).unwrap();
            assert!(machine.reads(DEVICE, *iova));
        }
        machine.refuse();
        for iova in &pages {
            let lost = domain.unmap(&mut machine.controller, *iova, PAGE_SIZE).unwrap_err();
            assert!(lost.may_be_reached(), "{lost}");
            assert!(pages.iter().all(|iova| machine.reads(DEVICE, *iova)), "by tables that nobody freed");
        }
    }
}

/// While freed addresses wait to be used again, their tables stay: nothing has to be allocated, unlinked, or invalidated for
/// the whole domain.
#[test]
fn buffers_one_after_the_other_find_their_tables_linked() {
    for pages in [1, 16, 32] {
        let mut machine = Machine::new(FakeConfig::default());
        let mut domain = machine.domain();
        let mut room = IovaAllocator::new(IOVA..Iova::new(1 << 36), [], IOVA).unwrap();
        let mut linked = Vec::new();
        for round in 0..2_000 {
            let range = room.allocate(pages, PageSize::Size4K).unwrap();
            domain.map(&mut machine.controller, (range.start(), TARGET), range.length(), RW).unwrap();
            let before = domain.tables().stage().table_pages();
            domain.unmap(&mut machine.controller, range.start(), range.length()).unwrap();
            room.free(range).unwrap();
            // The first rounds lead through addresses that are new.
            if round >= 1_000 {
                linked.extend([before, domain.tables().stage().table_pages()]);
            }
        }
        assert!(linked.iter().all(|tables| *tables == linked[0]), "{pages} pages");
    }
}

#[test]
fn a_fast_unmap_that_is_not_confirmed_is_asked_again_by_the_slow_path() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut domain = warm(&mut machine);
    domain.map(&mut machine.controller, (beside(IOVA), TARGET), PAGE_SIZE, RW).unwrap();
    machine.fake.inject(Injection::AbortedWait);
    let progress = domain.unmap_fast(&mut machine.controller, IOVA, PAGE_SIZE);
    assert_eq!(progress, FastUnmap::Cleared);
    assert_eq!(domain.unmap_slow(&mut machine.controller, progress, IOVA, PAGE_SIZE), Ok(()));
    assert!(!machine.reads(DEVICE, IOVA) && machine.reads(DEVICE, beside(IOVA)));
    // A range that is not there stays with the slow path, which says so.
    let progress = domain.unmap_fast(&mut machine.controller, IOVA, PAGE_SIZE);
    assert_eq!(progress, FastUnmap::NotBegun);
    let error = domain.unmap_slow(&mut machine.controller, progress, IOVA, PAGE_SIZE);
    assert_eq!(error, Err(Error::Unmap(UnmapError::NotMapped(IOVA))));
}

#[test]
fn a_mapping_that_is_refused_changes_nothing() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut domain = warm(&mut machine);
    let (pages, controller) = (machine.memory.live_pages(), &mut machine.controller);
    assert_eq!(
        domain.map(controller, (IOVA, TARGET), PAGE_SIZE, RW),
        Err(Error::Map(MapError::Overlap(IOVA)))
    );
    assert!(!domain.map_fast((IOVA, TARGET), PAGE_SIZE, RW));
    for nth in 0..3 {
        machine.memory.fail_allocation(nth);
        let mapped = domain.map(&mut machine.controller, (far(1), TARGET), PAGE_SIZE, RW);
        match mapped {
            Err(error) => assert_eq!(error, Error::Map(MapError::OutOfMemory)),
            Ok(()) => domain.unmap(&mut machine.controller, far(1), PAGE_SIZE).unwrap(),
        }
        assert!(machine.memory.live_pages() <= pages + 2, "at most the tables that stay linked");
        assert!(!machine.reads(DEVICE, far(1)) && machine.reads(DEVICE, IOVA));
    }
}

#[test]
fn a_mapping_that_was_not_noted_comes_back_if_the_unit_confirms_that() {
    let mut machine = Machine::new(FakeConfig { caching_mode: Offer::Yes, ..FakeConfig::default() });
    let mut domain = machine.domain();
    machine.controller.attach(&domain, DEVICE).unwrap();
    machine.fake.let_ask_meanwhile(DEVICE, IOVA);
    assert!(!domain.map_fast((IOVA, TARGET), PAGE_SIZE, RW), "the unit has to take note");
    // As many as the mapping is tried.
    (0..3).for_each(|_| machine.fake.inject(Injection::AbortedWait));
    let mapped = domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW);
    assert!(matches!(mapped, Err(error @ Error::NotNoted(_)) if !error.may_be_reached()));
    assert_eq!(domain.tables().stage().mapped_bytes(), 0);
    assert!(!machine.reads(DEVICE, IOVA));
    assert_eq!(
        domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW),
        Ok(()),
        "all was as before"
    );
    assert!(machine.reads(DEVICE, IOVA));
}

#[test]
fn a_mapping_that_was_not_noted_is_lost_if_the_unit_confirms_nothing() {
    for config in kinds().map(|kind| FakeConfig { caching_mode: Offer::Yes, ..kind }) {
        let mut machine = Machine::new(config);
        let mut domain = machine.domain();
        machine.controller.attach(&domain, DEVICE).unwrap();
        machine.refuse();
        let mapped = domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW);
        assert!(matches!(mapped, Err(error @ Error::Unconfirmed(_)) if error.may_be_reached()), "{mapped:?}");
    }
}

#[test]
fn a_write_buffer_that_does_not_answer_loses_the_mapping() {
    let mut machine = Machine::new(FakeConfig { write_buffer_flush: Offer::Yes, ..FakeConfig::default() });
    let mut domain = machine.domain();
    machine.controller.attach(&domain, DEVICE).unwrap();
    machine.fake.break_part(Stuck::WriteBuffer);
    let mapped = domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW);
    assert!(matches!(mapped, Err(Error::Unconfirmed(_))), "{mapped:?}");
}

#[test]
fn a_late_answer_is_waited_for_and_no_answer_kills_the_unit() {
    let slow = FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() };
    let mut machine = Machine::new(slow);
    let mut domain = warm(&mut machine);
    let rounds = machine.clock.rounds();
    domain.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap();
    assert!(machine.clock.rounds() > rounds && !machine.reads(DEVICE, IOVA));
    domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW).unwrap();
    assert!(machine.reads(DEVICE, IOVA));
    machine.fake.break_part(Stuck::QueueHead);
    assert!(domain.unmap(&mut machine.controller, IOVA, PAGE_SIZE).unwrap_err().may_be_reached());
    assert!(iommu::RemappingUnit::is_dead(machine.controller.unit()));
    let rounds = machine.clock.rounds();
    assert!(machine.controller.block([DEVICE, OTHER]).is_err());
    assert!(machine.controller.attach(&domain, OTHER).is_err());
    assert_eq!(machine.clock.rounds(), rounds, "nobody waits for a dead unit");
}

#[test]
fn those_that_are_cut_off_together_are_all_tried() {
    let mut machine = Machine::new(FakeConfig::default());
    let domain = warm(&mut machine);
    for source in [OTHER, ELSEWHERE] {
        machine.controller.attach(&domain, source).unwrap();
    }
    assert!(REQUESTERS.iter().all(|source| machine.reads(*source, IOVA)));
    machine.refuse();
    assert!(matches!(machine.controller.block(REQUESTERS), Err(Error::Unconfirmed(_))));
    // The first was not confirmed, and the others lost their entries all the same.
    assert_eq!(REQUESTERS.map(|source| machine.walked(source, IOVA, Access::Read)), [None; 3]);
    assert!(REQUESTERS.iter().all(|source| machine.reads(*source, IOVA)), "they are remembered");
    machine.fake.mend();
    assert_eq!(machine.controller.block(REQUESTERS), Ok(()));
    assert!(REQUESTERS.iter().all(|source| !machine.reads(*source, IOVA)));
}

#[test]
fn a_requester_changes_its_domain_only_once_the_unit_forgot_the_last() {
    for config in kinds() {
        let mut machine = Machine::new(config);
        let mut first = warm(&mut machine);
        let second = machine.domain();
        let error = machine.controller.attach(&second, DEVICE);
        assert_eq!(error, Err(Error::Tables(TableError::AlreadyAttached(DEVICE))));
        assert_eq!(machine.controller.attach(&first, DEVICE), Ok(()), "it is there");
        machine.refuse();
        assert!(machine.controller.block([DEVICE]).is_err());
        assert!(machine.controller.attach(&second, DEVICE).is_err());
        assert!(matches!(machine.controller.retire(&mut first), Err(Error::Unconfirmed(_))));
        assert!(machine.reads(DEVICE, IOVA), "it is remembered, so its tables must stay");
        machine.fake.mend();
        assert_eq!(machine.controller.attach(&second, DEVICE), Ok(()));
        assert!(!machine.reads(DEVICE, IOVA));
        assert_eq!(machine.controller.retire(&mut first), Ok(()));
    }
}

#[test]
fn a_domain_id_comes_back_once_the_unit_has_confirmed() {
    let mut machine = Machine::new(FakeConfig::default());
    let mut domain = warm(&mut machine);
    let id = domain.id();
    assert_eq!((id, machine.controller.domains()), (DomainId(1), 1));
    assert_eq!(machine.controller.retire(&mut domain), Err(Error::StillAttached(DEVICE)));
    machine.controller.block([DEVICE]).unwrap();
    machine.refuse();
    assert!(machine.controller.retire(&mut domain).is_err());
    let mut other = machine.domain();
    assert_ne!(other.id(), id, "the first is in use");
    machine.fake.mend();
    let pages = machine.memory.live_pages();
    machine.controller.retire(&mut domain).unwrap();
    assert!(machine.memory.live_pages() < pages);
    let error = domain.map(&mut machine.controller, (IOVA, TARGET), PAGE_SIZE, RW);
    assert_eq!(error, Err(Error::Map(MapError::BeyondWidth(IOVA))), "it has no tables any more");
    let mut again = machine.domain();
    assert_eq!((again.id(), machine.controller.domains()), (id, 2));
    for domain in [&mut other, &mut again] {
        machine.controller.retire(domain).unwrap();
    }
    assert_eq!(machine.controller.domains(), 0);
}

#[test]
fn a_domain_without_memory_for_tables_takes_no_id() {
    let mut machine = Machine::new(FakeConfig::default());
    let pages = machine.memory.live_pages();
    machine.memory.fail_allocation(0);
    assert_eq!(machine.controller.new_domain().map(|_| ()), Err(Error::Tables(TableError::OutOfMemory)));
    assert_eq!((machine.controller.domains(), machine.memory.live_pages()), (0, pages));
    assert_eq!(machine.domain().id(), DomainId(1));
}

/// Tables are complete before they are linked, and no page is read once it is freed.
#[test]
fn a_device_that_asks_all_the_while_reaches_what_is_mapped_and_no_more() {
    let config = FakeConfig::default();
    for config in [
        config,
        FakeConfig { coherent_walks: Offer::Yes, ..config },
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..config },
        FakeConfig { queue: Offer::No, coherent_walks: Offer::Yes, ..config },
        FakeConfig { pace: Pace::Stepped, prefetch: 4, coherent_walks: Offer::Yes, ..config },
    ] {
        let mut machine = Machine::new(config);
        let mut domain = machine.domain();
        machine.controller.attach(&domain, DEVICE).unwrap();
        machine.fake.let_ask_meanwhile(DEVICE, IOVA);
        machine.fake.let_ask_meanwhile(DEVICE, beside(IOVA));
        for round in 0..8 {
            // Each time below other tables, so that some are linked and some unlinked.
            let far = far(round);
            machine.fake.let_ask_meanwhile(DEVICE, far);
            domain.map(&mut machine.controller, (far, TARGET), PAGE_SIZE, RW).unwrap();
            assert!(machine.reads(DEVICE, far), "{config:?}");
            domain.unmap(&mut machine.controller, far, PAGE_SIZE).unwrap();
            assert!(!machine.reads(DEVICE, far) && !machine.reads(DEVICE, beside(IOVA)));
            machine.drain_faults();
        }
    }
}
