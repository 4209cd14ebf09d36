//! Figures: the cost of what drivers do all the time, in the clock's nanoseconds.
//!
//! Under instruction counting one nanosecond is one instruction, and the figures are the same on every run.

mod fault;
mod nvme;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use report::{Bench, Event};

use crate::dma::{Device, FromDevice, PageBuffer};
use crate::platform::clock;
use crate::{devices, journal, println};

/// When protection was complete, as far as it goes: nanoseconds since kernel entry.
static PROTECTED_AT: AtomicU64 = AtomicU64::new(0);

/// How often an operation is measured.
const ROUNDS: usize = 1000;

/// Rounds before: until then ranges are new to the domain, which costs more.
const WARM_UP: usize = 300;

/// Sizes that are mapped: names of the two figures, and the power of two of pages.
const SIZES: [(&str, &str, u8); 3] =
    [("map_4k", "unmap_4k", 0), ("map_64k", "unmap_64k", 4), ("map_2m", "unmap_2m", 9)];

pub use fault::{note_record, note_verdict};

/// Notes the moment of protection.
pub fn note_protected(at: u64) {
    PROTECTED_AT.store(at, Ordering::Relaxed);
}

/// Measures and reports.
pub fn run() {
    tell("boot_to_protected", PROTECTED_AT.load(Ordering::Relaxed), 1);
    let Some(device) = devices::capable().find(|device| device.dma().is_open()) else {
        println!("no device has an address space to map into");
        return;
    };
    for (map, unmap, order) in SIZES {
        match measure(device.dma(), order) {
            Some((mapped, unmapped)) => {
                tell(map, median(mapped), ROUNDS as u64);
                tell(unmap, median(unmapped), ROUNDS as u64);
            }
            None => println!("{map}: no memory"),
        }
    }
    fault::run(device);
    nvme::run();
}

/// Maps and unmaps one buffer again and again.
fn measure(device: &Device, order: u8) -> Option<(Vec<u64>, Vec<u64>)> {
    let mut buffer = PageBuffer::new(order).ok()?;
    let (mut mapped, mut unmapped) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..WARM_UP + ROUNDS {
        let start = clock::timestamp();
        let mapping = device.map::<FromDevice, _>(buffer, "bench").ok()?;
        let between = clock::timestamp();
        buffer = mapping.unmap().ok()?;
        let end = clock::timestamp();
        if round >= WARM_UP {
            mapped.push(clock::ns_at(between) - clock::ns_at(start));
            unmapped.push(clock::ns_at(end) - clock::ns_at(between));
        }
    }
    Some((mapped, unmapped))
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn tell(name: &str, value: u64, n: u64) {
    println!("{name:<20} {value:>12} ns");
    journal::emit(&Event::Bench(Bench {
        t: clock::now_ns(),
        name: name.into(),
        unit: "ns".into(),
        value,
        n,
    }));
}
