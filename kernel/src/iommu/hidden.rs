//! Units that no table names.

use dma_types::{PAGE_SIZE, PhysAddr};

use crate::memory::mmio::Mmio;

/// Where firmware puts the units of nearly all client machines, and QEMU its only one.
const USUAL: [PhysAddr; 3] =
    [PhysAddr::new(0xfed9_0000), PhysAddr::new(0xfed9_1000), PhysAddr::new(0xfed9_2000)];

/// A unit that answers where one usually lies, for a machine whose firmware names none. Only reads registers, and only
/// where the chipset has its own: nothing is there, or a unit.
pub fn find() -> Option<PhysAddr> {
    USUAL.into_iter().find(|base| {
        Mmio::of_platform(*base, PAGE_SIZE as usize).is_ok_and(|window| vtd::register_bytes(&window).is_ok())
    })
}
