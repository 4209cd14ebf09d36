//! What is remembered stays until the right invalidation, and goes with it.

use core::task::Poll;

use super::*;
use crate::TableMemory;
use crate::invalidation::{Changed, Invalidation, InvalidationError, PageBlock};
use crate::queue::MAX_BATCH;
use crate::tables::IDLE_TABLES;
use crate::testing::fake_unit::{Offer, Pace, Stuck};
use std::vec;

fn page_of(domain: DomainId, iova: Iova) -> Invalidation {
    Invalidation::IotlbPages { domain, pages: PageBlock::page(iova), changed: Changed::Leaves }
}

/// Units with a queue and without, that snoop and do not.
fn paths() -> [FakeConfig; 4] {
    let config = FakeConfig::default();
    [
        config,
        FakeConfig { queue: Offer::No, ..config },
        FakeConfig { coherent_walks: Offer::Yes, ..config },
        FakeConfig { delay: 2, queue: Offer::No, drains: Offer::No, ..config },
    ]
}

impl Bench {
    fn invalidate(&mut self, request: Invalidation) {
        self.unit.invalidate(request, &mut self.memory, &self.clock).unwrap();
    }
}

#[test]
fn only_the_right_invalidation_ends_a_stale_translation() {
    let neighbour = Iova::new(IOVA.as_u64() + PAGE_SIZE);
    for config in paths() {
        for ends_it in [
            Invalidation::IotlbGlobal,
            Invalidation::IotlbDomain(DOMAIN),
            page_of(DOMAIN, IOVA),
            Invalidation::IotlbPages {
                domain: DOMAIN,
                pages: PageBlock::new(IOVA, 9).unwrap(),
                changed: Changed::Tables,
            },
        ] {
            let mut bench = Bench::enforcing(config);
            let mut stage = bench.warm_page();
            bench.unmap_silently(&mut stage, IOVA);
            for leaves_it in [
                Invalidation::ContextGlobal,
                Invalidation::IotlbDomain(OTHER_DOMAIN),
                page_of(OTHER_DOMAIN, IOVA),
                page_of(DOMAIN, neighbour),
            ] {
                bench.invalidate(leaves_it);
                assert!(bench.reaches(DEVICE, IOVA), "{leaves_it:?}");
            }
            bench.invalidate(ends_it);
            assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::NO_READ_PERMISSION), "{ends_it:?}");
        }
    }
}

#[test]
fn only_the_right_invalidation_ends_a_stale_context_entry() {
    let of_device = |domain, source| Invalidation::ContextDevice { domain, source };
    for config in paths() {
        for ends_it in
            [Invalidation::ContextGlobal, Invalidation::ContextDomain(DOMAIN), of_device(DOMAIN, DEVICE)]
        {
            let mut bench = Bench::enforcing(config);
            let _stage = bench.warm_page();
            assert_eq!(bench.root.block(&mut bench.memory, DEVICE), Some(DOMAIN));
            for leaves_it in [
                Invalidation::IotlbGlobal,
                Invalidation::ContextDomain(OTHER_DOMAIN),
                of_device(DOMAIN, OTHER_DEVICE),
                of_device(OTHER_DOMAIN, DEVICE),
            ] {
                bench.invalidate(leaves_it);
                assert!(bench.reaches(DEVICE, IOVA), "{leaves_it:?}");
            }
            bench.invalidate(ends_it);
            assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT), "{ends_it:?}");
        }
    }
}

#[test]
fn a_blocked_device_reaches_nothing_and_its_domain_can_be_given_away() {
    for config in paths() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.warm_page();
        bench.block(DEVICE).unwrap();
        stage.release(&mut bench.memory);
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
        let _next = bench.domain(OTHER_DEVICE, DOMAIN);
        assert!(bench.is_blocked(OTHER_DEVICE, IOVA, FaultReason::NO_READ_PERMISSION));
    }
}

#[test]
fn caching_mode_needs_and_gets_an_invalidation_after_mapping() {
    for config in paths() {
        let mut bench = Bench::enforcing(FakeConfig { caching_mode: Offer::Yes, ..config });
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
        let mut stage = bench.domain(DEVICE, DOMAIN);
        assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::NO_READ_PERMISSION));
        bench.map((&mut stage, DOMAIN), IOVA, 3);
        assert!(bench.reaches(DEVICE, IOVA));
        assert!(bench.is_blocked(OTHER_DEVICE, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
        let _other = bench.domain(OTHER_DEVICE, OTHER_DOMAIN);
        assert!(bench.is_blocked(OTHER_DEVICE, IOVA, FaultReason::NO_READ_PERMISSION));
    }
}

#[test]
fn ranges_go_whole_and_alone() {
    for config in paths() {
        for page_selective in Offer::BOTH {
            let mut bench = Bench::enforcing(FakeConfig { page_selective, ..config });
            let mut stage = bench.domain(DEVICE, DOMAIN);
            let first = Iova::new(IOVA.as_u64() + PAGE_SIZE);
            bench.map((&mut stage, DOMAIN), IOVA, 8);
            let pages: vec::Vec<_> = (0..8).map(|page| Iova::new(IOVA.as_u64() + page * PAGE_SIZE)).collect();
            assert!(pages.iter().all(|&page| bench.reaches(DEVICE, page)));
            let unmapped = stage.unmap(&mut bench.memory, first, 6 * PAGE_SIZE).unwrap();
            let stale = unmapped.stale();
            bench.unit.after_unmap(DOMAIN, (first, 6), stale, &mut bench.memory, &bench.clock).unwrap();
            unmapped.release(&mut bench.memory);
            for (index, &page) in pages.iter().enumerate() {
                assert_eq!(bench.reaches(DEVICE, page), index == 0 || index == 7, "page {index}");
            }
        }
    }
}

#[test]
fn upper_tables_are_forgotten_if_they_changed() {
    for config in paths() {
        let mut bench = Bench::enforcing(config);
        let stage = bench.warm_page();
        // Unlinks everything below the top.
        bench.memory.write(stage.root(), 0);
        bench.memory.flush(stage.root(), 8);
        for (changed, forgotten) in [(Changed::Leaves, false), (Changed::Tables, true)] {
            let pages = PageBlock::page(IOVA);
            bench.invalidate(Invalidation::IotlbPages { domain: DOMAIN, pages, changed });
            assert_ne!(bench.reaches(DEVICE, IOVA), forgotten, "{changed:?}");
        }
    }
}

#[test]
fn unlinked_tables_are_forgotten_before_they_are_freed() {
    for config in paths() {
        let mut bench = Bench::enforcing(config);
        let mut stage = bench.domain(DEVICE, DOMAIN);
        // A table each, and more of them than stay linked when they are empty.
        let pages = (0..2 * IDLE_TABLES as u64).map(|table| Iova::new(IOVA.as_u64() + (table << 21)));
        for page in pages.clone() {
            bench.map((&mut stage, DOMAIN), page, 1);
            assert!(bench.reaches(DEVICE, page));
        }
        for page in pages {
            let unmapped = stage.unmap(&mut bench.memory, page, PAGE_SIZE).unwrap();
            let stale = unmapped.stale();
            bench.unit.after_unmap(DOMAIN, (page, 1), stale, &mut bench.memory, &bench.clock).unwrap();
            unmapped.release(&mut bench.memory);
            // A unit that still used a freed table would be noticed here.
            assert!(bench.is_blocked(DEVICE, page, FaultReason::NO_READ_PERMISSION));
        }
    }
}

#[test]
fn writes_under_way_have_landed_where_the_unit_can_drain() {
    for queue in Offer::BOTH {
        for drains in Offer::BOTH {
            let mut bench = Bench::enforcing(FakeConfig { queue, drains, ..FakeConfig::default() });
            let mut stage = bench.warm_page();
            bench.fake.start_write(DEVICE, IOVA).unwrap();
            bench.unmap_silently(&mut stage, IOVA);
            bench.invalidate(page_of(DOMAIN, IOVA));
            assert_eq!(bench.fake.writes_in_flight() == 0, drains == Offer::Yes);
        }
    }
}

#[test]
fn the_ring_wraps_at_every_offset() {
    for batch in [1, 2, 7, 100, MAX_BATCH] {
        let mut bench = Bench::enforcing(FakeConfig::default());
        let mut stage = bench.domain(DEVICE, DOMAIN);
        for _ in 0..40 {
            bench.map((&mut stage, DOMAIN), IOVA, 1);
            assert!(bench.reaches(DEVICE, IOVA));
            bench.unmap_silently(&mut stage, IOVA);
            let mut requests = vec![Invalidation::IotlbDomain(OTHER_DOMAIN); batch];
            requests[batch - 1] = page_of(DOMAIN, IOVA);
            bench.unit.invalidate_all(&requests, &mut bench.memory, &bench.clock).unwrap();
            assert!(bench.is_blocked(DEVICE, IOVA, FaultReason::NO_READ_PERMISSION));
        }
        assert_eq!(bench.unit.queue_errors(), (0, None));
        assert_eq!(bench.clock.rounds(), 0, "done at the first look");
    }
}

#[test]
fn batches_longer_than_the_queue_are_cut() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let mut stage = bench.warm_page();
    bench.unmap_silently(&mut stage, IOVA);
    let mut requests = vec![Invalidation::IotlbDomain(OTHER_DOMAIN); 3 * MAX_BATCH + 1];
    requests[3 * MAX_BATCH] = page_of(DOMAIN, IOVA);
    let result = bench.unit.submit(&requests, &mut bench.memory, &bench.clock);
    assert_eq!(result, Err(InvalidationError::BatchTooLong { requests: requests.len() }));
    bench.unit.invalidate_all(&requests, &mut bench.memory, &bench.clock).unwrap();
    assert!(!bench.reaches(DEVICE, IOVA));
}

#[test]
fn a_full_queue_takes_more_once_it_has_moved() {
    let mut bench =
        Bench::probed(FakeConfig { pace: Pace::Stepped, ..FakeConfig::default() }, &Leftovers::default());
    let fake = bench.fake.clone();
    bench.clock.on_relax(move || fake.step());
    bench.bring_up().unwrap();
    let requests = [Invalidation::IotlbGlobal; 50];
    let fits = 255 / 51;
    let tickets: vec::Vec<_> =
        (0..fits).map(|_| bench.unit.submit(&requests, &mut bench.memory, &bench.clock).unwrap()).collect();
    let one_more = bench.unit.submit(&requests, &mut bench.memory, &bench.clock);
    assert_eq!(one_more, Err(InvalidationError::QueueFull));
    // The waiting form waits for room, then for its own batch; the earlier ones are done before it.
    bench.unit.invalidate_all(&requests, &mut bench.memory, &bench.clock).unwrap();
    for ticket in tickets {
        assert_eq!(bench.unit.poll(ticket, &mut bench.memory), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_queue_that_stands_still_is_given_up() {
    let mut bench = Bench::enforcing(FakeConfig::default());
    let mut stage = bench.warm_page();
    bench.unmap_silently(&mut stage, IOVA);
    bench.fake.break_part(Stuck::QueueHead);
    let before = bench.clock.rounds();
    let result = bench.unit.invalidate(page_of(DOMAIN, IOVA), &mut bench.memory, &bench.clock);
    assert!(matches!(result, Err(InvalidationError::QueueTimedOut { .. })), "{result:?}");
    assert!(bench.clock.rounds() - before <= 1001);
    assert!(bench.reaches(DEVICE, IOVA));
}

#[test]
fn registers_that_stay_busy_are_given_up() {
    for (part, request) in [
        (Stuck::ContextInvalidation, Invalidation::ContextDomain(DOMAIN)),
        (Stuck::IotlbInvalidation, Invalidation::IotlbDomain(DOMAIN)),
    ] {
        let mut bench = Bench::enforcing(FakeConfig { queue: Offer::No, ..FakeConfig::default() });
        bench.fake.break_part(part);
        let result = bench.unit.invalidate(request, &mut bench.memory, &bench.clock);
        assert!(matches!(result, Err(InvalidationError::RegisterTimedOut(_))), "{result:?}");
        assert!(bench.clock.rounds() <= 1001);
    }
}

#[test]
fn a_refusal_is_no_success() {
    let mut bench = Bench::enforcing(FakeConfig { queue: Offer::No, ..FakeConfig::default() });
    bench.fake.break_part(Stuck::IotlbRefusal);
    let result = bench.unit.invalidate(Invalidation::IotlbGlobal, &mut bench.memory, &bench.clock);
    assert!(matches!(result, Err(InvalidationError::Refused { .. })), "{result:?}");
}

#[test]
fn a_unit_that_was_not_brought_up_cannot_forget() {
    let mut bench = Bench::probed(FakeConfig::default(), &Leftovers::default());
    let result = bench.unit.invalidate(Invalidation::IotlbGlobal, &mut bench.memory, &bench.clock);
    assert_eq!(result, Err(InvalidationError::NotBroughtUp));
    assert_eq!(bench.unit.recover_queue(&mut bench.memory), None);
}
