//! Figures: the cost of what drivers do all the time, in the clock's nanoseconds.
//!
//! Under instruction counting one nanosecond is one instruction, and the figures are the same on every run.

mod fault;
mod interrupts;
mod mapping;
mod nvme;
mod pass_through;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use report::{Bench, Event};

use crate::platform::{cancel, clock};
use crate::{devices, journal, println};

/// When protection was complete, as far as it goes: nanoseconds since kernel entry.
static PROTECTED_AT: AtomicU64 = AtomicU64::new(0);

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
    if let Err(error) = mapping::run(device) {
        println!("mappings were not measured: {error}");
    }
    if cancel::is_requested() {
        return;
    }
    if let Err(error) = interrupts::run(device.record()) {
        println!("interrupt entries were not measured: {error}");
    }
    if !cancel::is_requested() {
        nvme::run();
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Reports a time.
fn tell(name: &str, value: u64, n: u64) {
    tell_in("ns", name, value, n);
}

/// Reports a figure.
fn tell_in(unit: &'static str, name: &str, value: u64, n: u64) {
    println!("{name:<20} {value:>12} {unit}");
    journal::emit(&Event::Bench(Bench {
        t: clock::now_ns(),
        name: name.into(),
        unit: unit.into(),
        value,
        n,
    }));
}
