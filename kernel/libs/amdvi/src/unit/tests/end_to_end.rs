//! Random mapping and unmapping, with devices at work in between: the unit, whatever it remembers, must permit what the
//! walker permits, and what was mapped, and nothing else.

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::spec::page_entry::TableLevels;

const DEVICES: [SourceId; 2] = [DEVICE, OTHER];

/// The pages played with: some in one table, some at its end, and some in more tables.
const SLOTS: [u64; 12] = [0, 1, 2, 3, 510, 511, 512, 513, 1023, 1024, 1536, 262_144];

#[derive(Clone, Debug)]
enum Step {
    Map { device: usize, slot: usize, pages: u64 },
    Unmap { device: usize, slot: usize },
    UnmapAll { device: usize },
    Dma { device: usize, slot: usize, access: Access },
    Move { device: usize },
    Trouble(Injection),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (device, slot) = (0..DEVICES.len(), 0..SLOTS.len());
    let access = prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::Atomic)];
    let trouble = prop_oneof![Just(Injection::IllegalCommand), Just(Injection::UnreadableCommand)];
    let step = prop_oneof![
        4 => (device.clone(), slot.clone(), prop_oneof![1u64..4, Just(512u64)])
            .prop_map(|(device, slot, pages)| Step::Map { device, slot, pages }),
        3 => (device.clone(), slot.clone()).prop_map(|(device, slot)| Step::Unmap { device, slot }),
        6 => (device.clone(), slot, access)
            .prop_map(|(device, slot, access)| Step::Dma { device, slot, access }),
        1 => device.clone().prop_map(|device| Step::UnmapAll { device }),
        1 => device.prop_map(|device| Step::Move { device }),
        1 => trouble.prop_map(Step::Trouble),
    ];
    prop::collection::vec(step, 1..80)
}

fn configs() -> impl Strategy<Value = FakeConfig> {
    let caching = prop_oneof![Just(Caching::Present), Just(Caching::Everything)];
    let pace = prop_oneof![Just(Pace::AtOnce), Just(Pace::Stepwise)];
    let deepest = prop_oneof![Just(TableLevels::Four), Just(TableLevels::Six)];
    (caching, pace, deepest).prop_map(|(caching, pace, deepest)| FakeConfig {
        caching,
        pace,
        deepest,
        ..FakeConfig::default()
    })
}

/// A domain and what was mapped in it: first page to number of pages.
struct Player {
    space: Space,
    mapped: BTreeMap<u64, u64>,
}

fn permissions(first: u64) -> Permissions {
    [Permissions::READ, Permissions::WRITE, Permissions::READ_WRITE][(first % 3) as usize]
}

fn iova_of(page: u64) -> Iova {
    Iova::new(IOVA.as_u64() + page * PAGE_SIZE)
}

fn target_of(device: usize, page: u64) -> PhysAddr {
    PhysAddr::new(TARGET.as_u64() + ((device as u64) << 34) + page * PAGE_SIZE)
}

impl Player {
    fn new(machine: &mut Machine, device: usize) -> Self {
        let space = machine.controller.new_domain().unwrap();
        machine.controller.attach(&space, DEVICES[device]).unwrap();
        Self { space, mapped: BTreeMap::new() }
    }

    /// The mapping around a page: its first page.
    fn around(&self, page: u64) -> Option<u64> {
        let (&first, &pages) = self.mapped.range(..=page).next_back()?;
        (page < first + pages).then_some(first)
    }

    fn map(&mut self, machine: &mut Machine, device: usize, first: u64, pages: u64) {
        let free = (first..first + pages).all(|page| self.around(page).is_none());
        let at = (iova_of(first), target_of(device, first));
        let result = self.space.map(&mut machine.controller, at, pages * PAGE_SIZE, permissions(first));
        assert_eq!(result.is_ok(), free);
        if free {
            self.mapped.insert(first, pages);
        }
    }

    fn unmap(&mut self, machine: &mut Machine, page: u64) {
        let Some(first) = self.around(page) else { return };
        let pages = self.mapped.remove(&first).unwrap();
        self.space.unmap(&mut machine.controller, iova_of(first), pages * PAGE_SIZE).unwrap();
    }

    fn unmap_all(&mut self, machine: &mut Machine) {
        for (first, pages) in core::mem::take(&mut self.mapped) {
            self.space.unmap(&mut machine.controller, iova_of(first), pages * PAGE_SIZE).unwrap();
        }
    }

    /// Compares what a device reaches with the model and with the walker.
    fn check(&self, machine: &Machine, device: usize, page: u64, access: Access) {
        let (source, iova) = (DEVICES[device], iova_of(page));
        let reached = machine.fake.dma(source, iova, access).ok();
        let expected = self
            .around(page)
            .filter(|&first| permissions(first).allow(access))
            .map(|_| target_of(device, page));
        assert_eq!(reached, expected, "page {page}, {access}");
        assert_eq!(machine.walked(source, iova, access), expected, "page {page}, {access}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn devices_reach_what_is_mapped_and_nothing_else(config in configs(), steps in steps()) {
        let mut machine = Machine::new(config);
        let pages_before = machine.memory.live_pages();
        let mut players: Vec<_> =
            (0..DEVICES.len()).map(|device| Player::new(&mut machine, device)).collect();
        machine.fake.ask_all_the_time(DEVICE, iova_of(1));
        for step in steps {
            match step {
                Step::Map { device, slot, pages } => {
                    players[device].map(&mut machine, device, SLOTS[slot], pages);
                }
                Step::Unmap { device, slot } => players[device].unmap(&mut machine, SLOTS[slot]),
                Step::UnmapAll { device } => players[device].unmap_all(&mut machine),
                Step::Dma { device, slot, access } => {
                    players[device].check(&machine, device, SLOTS[slot], access);
                }
                Step::Move { device } => {
                    machine.controller.block([DEVICES[device]]).unwrap();
                    players[device].unmap_all(&mut machine);
                    machine.controller.retire(&mut players[device].space).unwrap();
                    players[device] = Player::new(&mut machine, device);
                }
                Step::Trouble(injection) => {
                    machine.fake.inject(injection);
                    let mut empty = machine.controller.new_domain().unwrap();
                    machine.controller.retire(&mut empty).unwrap();
                }
            }
            let strays = machine.fake.reached_meanwhile();
            prop_assert!(strays.iter().all(|(_, phys)| *phys == target_of(0, 1)), "{:?}", strays);
        }
        for (device, player) in players.iter_mut().enumerate() {
            for page in SLOTS {
                player.check(&machine, device, page, Access::Read);
                player.check(&machine, device, page, Access::Write);
            }
            machine.controller.block([DEVICES[device]]).unwrap();
            player.unmap_all(&mut machine);
            machine.controller.retire(&mut player.space).unwrap();
        }
        prop_assert_eq!(machine.memory.live_pages(), pages_before);
    }
}
