//! Random mapping and unmapping, with devices at work in between: the unit, whatever it remembers, must
//! permit what the walker permits, and what was mapped, and nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::TableMemory;
use crate::tables::Stale;
use crate::testing::View;
use crate::testing::fake_unit::Offer;
use crate::testing::walker::{WalkMemory, walk};

const DEVICES: [(SourceId, DomainId); 2] = [(DEVICE, DOMAIN), (OTHER_DEVICE, OTHER_DOMAIN)];

/// The pages played with: some in one table, some at its end, and some in more tables than stay linked
/// when they are empty.
const SLOTS: [u64; 15] = [0, 1, 2, 3, 510, 511, 512, 513, 1023, 1024, 1536, 2048, 2560, 3072, 3584];

#[derive(Clone, Debug)]
enum Step {
    Map { device: usize, slot: usize, pages: u64 },
    Unmap { device: usize, slot: usize },
    Dma { device: usize, slot: usize, access: Access },
    Move { device: usize },
}

fn steps() -> impl Strategy<Value = std::vec::Vec<Step>> {
    let (device, slot) = (0..DEVICES.len(), 0..SLOTS.len());
    let access = prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::Atomic)];
    let step = prop_oneof![
        4 => (device.clone(), slot.clone(), prop_oneof![1u64..4, Just(512u64)])
            .prop_map(|(device, slot, pages)| Step::Map { device, slot, pages }),
        3 => (device.clone(), slot.clone()).prop_map(|(device, slot)| Step::Unmap { device, slot }),
        6 => (device.clone(), slot, access)
            .prop_map(|(device, slot, access)| Step::Dma { device, slot, access }),
        1 => device.prop_map(|device| Step::Move { device }),
    ];
    prop::collection::vec(step, 1..80)
}

fn configs() -> impl Strategy<Value = FakeConfig> {
    let offer = || prop_oneof![Just(Offer::Yes), Just(Offer::No)];
    let depth = prop_oneof![Just(0b0010u8), Just(0b0110), Just(0b1000)];
    (offer(), offer(), offer(), offer(), depth).prop_map(
        |(queue, coherent_walks, caching_mode, page_selective, table_levels)| FakeConfig {
            queue,
            coherent_walks,
            caching_mode,
            page_selective,
            table_levels,
            ..FakeConfig::default()
        },
    )
}

/// A domain and what was mapped in it: first page to number of pages.
struct Space {
    stage: SecondStage,
    mapped: BTreeMap<u64, u64>,
}

/// Memory as the walker judges it: without anything remembered.
struct Truth<'m>(&'m FakeMemory);

impl WalkMemory for Truth<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.0.device_read(at, View::Coherent)
    }
}

fn permissions(first: u64) -> Permissions {
    [Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE][(first % 3) as usize]
}

fn iova_of(page: u64) -> Iova {
    Iova::new(IOVA.as_u64() + page * PAGE_SIZE)
}

impl Space {
    fn new(bench: &mut Bench, device: usize) -> Self {
        let (source, domain) = DEVICES[device];
        Self { stage: bench.domain(source, domain), mapped: BTreeMap::new() }
    }

    /// The mapping around a page: its first page.
    fn around(&self, page: u64) -> Option<u64> {
        let (&first, &pages) = self.mapped.range(..=page).next_back()?;
        (page < first + pages).then_some(first)
    }

    fn map(&mut self, bench: &mut Bench, domain: DomainId, first: u64, pages: u64) {
        let free = (first..first + pages).all(|page| self.around(page).is_none());
        let phys = PhysAddr::new(TARGET.as_u64() + first * PAGE_SIZE);
        let (iova, bytes) = (iova_of(first), pages * PAGE_SIZE);
        let result = self.stage.map(&mut bench.memory, iova, phys, bytes, permissions(first));
        assert_eq!(result.is_ok(), free);
        if free {
            bench.unit.after_map(domain, (iova, pages), &mut bench.memory, &bench.clock).unwrap();
            self.mapped.insert(first, pages);
        }
    }

    fn unmap(&mut self, bench: &mut Bench, domain: DomainId, page: u64) {
        let Some(first) = self.around(page) else { return };
        let pages = self.mapped.remove(&first).unwrap();
        let iova = iova_of(first);
        let unmapped = self.stage.unmap(&mut bench.memory, iova, pages * PAGE_SIZE).unwrap();
        let stale: Stale = unmapped.stale();
        bench.unit.after_unmap(domain, (iova, pages), stale, &mut bench.memory, &bench.clock).unwrap();
        unmapped.release(&mut bench.memory);
    }

    /// Takes the device out of its domain and puts it into a new one of the same number.
    fn replace(mut self, bench: &mut Bench, device: usize) -> Self {
        let (source, _) = DEVICES[device];
        bench.block(source).unwrap();
        self.stage.release(&mut bench.memory);
        Self::new(bench, device)
    }

    /// Compares what a device reaches with the model and with the walker.
    fn check(&self, bench: &Bench, source: SourceId, page: u64, access: Access) {
        let iova = iova_of(page);
        let reached = bench.fake.dma(source, iova, access).ok();
        let expected = self
            .around(page)
            .filter(|&first| permissions(first).allow(access))
            .map(|_| PhysAddr::new(TARGET.as_u64() + page * PAGE_SIZE));
        assert_eq!(reached, expected, "page {page}, {access}");
        let limits = bench.fake.walk_limits();
        let root = bench.root.address();
        let walked = walk(&Truth(&bench.memory), root, source, iova, access, &limits);
        assert_eq!(walked.ok().map(|found| found.phys), expected, "page {page}, {access}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn devices_reach_what_is_mapped_and_nothing_else(config in configs(), steps in steps()) {
        let mut bench = Bench::enforcing(config);
        let mut spaces: std::vec::Vec<_> =
            (0..DEVICES.len()).map(|device| Space::new(&mut bench, device)).collect();
        for step in steps {
            match step {
                Step::Map { device, slot, pages } => {
                    // Large entries only where the address is aligned, as in the kernel.
                    spaces[device].map(&mut bench, DEVICES[device].1, SLOTS[slot], pages);
                }
                Step::Unmap { device, slot } => {
                    spaces[device].unmap(&mut bench, DEVICES[device].1, SLOTS[slot]);
                }
                Step::Dma { device, slot, access } => {
                    spaces[device].check(&bench, DEVICES[device].0, SLOTS[slot], access);
                }
                Step::Move { device } => {
                    let space = spaces.remove(device);
                    spaces.insert(device, space.replace(&mut bench, device));
                }
            }
        }
        for (device, space) in spaces.iter().enumerate() {
            for page in SLOTS {
                space.check(&bench, DEVICES[device].0, page, Access::Read);
                space.check(&bench, DEVICES[device].0, page, Access::Write);
            }
        }
        prop_assert_eq!(bench.unit.queue_errors().0, 0);

        // Everything goes back but the root table's pages and the queue's.
        for (device, mut space) in spaces.into_iter().enumerate() {
            for page in SLOTS {
                space.unmap(&mut bench, DEVICES[device].1, page);
            }
            bench.block(DEVICES[device].0).unwrap();
            space.stage.release(&mut bench.memory);
        }
        let queue = if config.queue == Offer::Yes { 2 } else { 0 };
        prop_assert_eq!(bench.memory.live_pages() as u64, bench.root.page_count() + queue);
        prop_assert!(bench.memory.allocate().is_some());
    }
}
