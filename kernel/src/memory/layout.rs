//! Where things lie in virtual memory.
//!
//! ```text
//!   ffff_8800_0000_0000   all memory, at its physical address        64 TiB
//!   ffff_c000_0000_0000   device registers                          512 GiB
//!   ffff_c800_0000_0000   framebuffer
//!   ffff_d000_0000_0000   what the loader places; gone once the kernel has its own tables
//!   ffff_ffff_8000_0000   the kernel's image, with its stacks
//! ```
//!
//! The lower half is empty, so that a null pointer with any offset faults.

use bootloader_api::BootloaderConfig;
use bootloader_api::config::Mapping;

/// Where physical address 0 is seen.
pub const DIRECT_MAP: u64 = 0xffff_8800_0000_0000;
/// Physical addresses that can be seen there.
pub const DIRECT_MAP_BYTES: u64 = 1 << 46;
/// The first address for device registers, and for tables of the firmware's that lie outside of memory.
pub const WINDOW: u64 = 0xffff_c000_0000_0000;
/// Bytes for them.
pub const WINDOW_BYTES: u64 = 1 << 39;
/// The framebuffer, if there is one.
pub const FRAMEBUFFER: u64 = 0xffff_c800_0000_0000;
/// The kernel's image: the address that it is linked for (`build.rs`) and its symbols are told relative to.
pub const KERNEL_IMAGE: u64 = 0xffff_ffff_8000_0000;

/// Where the loader may place the rest.
const LOADER_RANGE: (u64, u64) = (0xffff_d000_0000_0000, 0xffff_dfff_ffff_f000);
/// Enough to get to a stack of our own.
const LOADER_STACK_BYTES: u64 = 64 << 10;

/// What the boot loader is asked for.
pub static LOADER_CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.kernel_stack_size = LOADER_STACK_BYTES;
    config.mappings.physical_memory = Some(Mapping::FixedAddress(DIRECT_MAP));
    config.mappings.framebuffer = Mapping::FixedAddress(FRAMEBUFFER);
    config.mappings.dynamic_range_start = Some(LOADER_RANGE.0);
    config.mappings.dynamic_range_end = Some(LOADER_RANGE.1);
    config
};
