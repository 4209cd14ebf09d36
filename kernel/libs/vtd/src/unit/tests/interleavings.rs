//! A unit that reads the tables between any two stores, and by halves: devices that ask all the while.

use super::*;
use crate::testing::fake_unit::{Offer, Pace};
use std::vec::Vec;

/// Units that see every store or only what is written back, that remember what is absent, and that fetch ahead.
fn kinds() -> Vec<FakeConfig> {
    let config = FakeConfig::default();
    std::vec![
        config,
        FakeConfig { coherent_walks: Offer::Yes, ..config },
        FakeConfig { caching_mode: Offer::Yes, coherent_walks: Offer::Yes, ..config },
        FakeConfig { queue: Offer::No, coherent_walks: Offer::Yes, ..config },
        FakeConfig { pace: Pace::Stepped, prefetch: 4, coherent_walks: Offer::Yes, ..config },
    ]
}

/// The fake unit panics at an entry of two lives, and at a table that was freed.
#[test]
fn a_device_that_asks_all_the_while_is_in_one_domain_or_in_none() {
    for config in kinds() {
        let mut bench = Bench::probed(config, &Leftovers::default());
        let fake = bench.fake.clone();
        bench.clock.on_relax(move || fake.step());
        bench.bring_up().unwrap();
        let mut stage = bench.domain(OTHER_DEVICE, DOMAIN);
        bench.map((&mut stage, DOMAIN), IOVA, 1);
        // On a bus that has a context table already, and on one that gets it with the first of these.
        for device in [DEVICE, SourceId::from_bits(0x4100)] {
            bench.fake.let_ask_meanwhile(device, IOVA);
            for _ in 0..3 {
                let unit = &bench.unit;
                let format = Format::of_unit(
                    unit.levels().unwrap(),
                    unit.capabilities(),
                    unit.extended_capabilities(),
                );
                let mut next = SecondStage::new(&mut bench.memory, format).unwrap();
                for (domain, stage, reaches) in [(DOMAIN, &stage, true), (OTHER_DOMAIN, &next, false)] {
                    bench.attach((device, domain), stage).unwrap();
                    assert_eq!(bench.reaches(device, IOVA), reaches, "{config:?}");
                    bench.block(device).unwrap();
                    assert!(bench.is_blocked(device, IOVA, FaultReason::CONTEXT_NOT_PRESENT));
                }
                // Whoever still led there would read a freed table now.
                next.release(&mut bench.memory);
                assert!(!bench.reaches(device, IOVA));
            }
        }
        assert!(bench.reaches(OTHER_DEVICE, IOVA));
    }
}
