//! The kernel as a library: everything but the entry point.
//!
//! [`start`](fn@start) first silences devices, and then brings up what everything else stands on, in this order: clock,
//! serial port and log, segment and interrupt tables (from here every fault is seen), memory map, frames, heap, own
//! page tables and stack, local APIC. What follows, in [`mod@start`], runs with interrupts on.
#![no_std]

extern crate alloc;

pub mod arch;
pub mod bench;
pub mod console;
pub mod devices;

pub mod attack;
pub mod dma;
pub mod faults;
mod firmware;
pub mod iommu;
pub mod irq;
pub mod journal;
pub mod memory;
pub mod net;
pub mod platform;
pub mod protection;
pub mod selftest;
pub mod start;
pub mod stop;
pub mod sync;
pub mod text;
pub mod verdict;

use bootloader_api::BootInfo;
use memory::boot::BootFacts;
use platform::clock::EntryTime;

/// Takes over from the boot loader. `entry` is the time at which it jumped to the kernel.
pub fn start(boot_info: &'static mut BootInfo, entry: EntryTime) -> ! {
    platform::pci::still_early();
    let rate = platform::clock::start(entry);
    platform::serial::start();
    arch::start();
    log::info!("{}", arch::cpu::identity());
    log::info!("time-stamp counter at {rate}");
    memory::start(boot_info, on_own_stack)
}

/// Goes on with the kernel's own page tables and stack.
extern "C" fn on_own_stack(facts: &'static mut BootFacts) -> ! {
    memory::reclaim();
    irq::start();
    platform::serial::let_others_send();
    log::info!("booted by {}, {} MiB of memory", facts.firmware, memory::map::total_bytes() >> 20);
    start::run(facts)
}
