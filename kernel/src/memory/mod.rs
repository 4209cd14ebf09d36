//! Memory: what there is, who has it, and how it is mapped.
//!
//! Order in [`start`]: image, map, frames (through the loader's tables, which show all memory where the
//! kernel's will), heap, own tables, own stack. [`reclaim`] then frees what only the loader needed.

pub mod arc;
pub mod boot;
pub mod direct;
pub mod failure;
mod firmware;
pub mod frames;
pub mod heap;
pub mod image;
pub mod layout;
pub mod map;
pub mod mmio;
pub mod pages;
mod paging;
pub mod parts;
pub mod shared;
pub mod tables;
mod window;

use alloc::boxed::Box;

use bootloader_api::BootInfo;

use boot::BootFacts;

/// Sets memory up and goes on with `next` on the kernel's own stack.
pub fn start(boot_info: &'static mut BootInfo, next: extern "C" fn(&'static mut BootFacts) -> !) -> ! {
    image::find(boot_info);
    map::load(boot_info);
    frames::start();
    let tables = match paging::build(boot_info) {
        Ok(tables) => tables,
        Err(error) => panic!("no page tables: {error}"),
    };
    let facts = Box::leak(Box::new(BootFacts::take(boot_info)));
    paging::enter(tables, facts, next)
}

/// Frees what the loader's tables and boot data took up.
pub fn reclaim() {
    let reclaimed = frames::reclaim_loader_memory();
    let mib = |frames: usize| frames * 4 / 1024;
    let (total, free) = (mib(frames::total_frames()), mib(frames::free_frames()));
    log::info!(
        "{total} MiB of memory for use, {free} MiB free, {} KiB of it after the loader",
        reclaimed * 4
    );
}
