//! The entry point of the kernel: what the boot loader jumps to.
#![no_std]
#![no_main]

use bootloader_api::{BootInfo, entry_point};
use kernel::memory::layout::LOADER_CONFIG;

entry_point!(main, config = &LOADER_CONFIG);

fn main(boot_info: &'static mut BootInfo) -> ! {
    kernel::start(boot_info, kernel::platform::clock::EntryTime::read())
}
