//! What virtio devices say of themselves, read once before any driver starts: where their structures are, and whether
//! they pass through the IOMMU.
//!
//! One that does not offer it sends its requests straight to memory, whatever the tables say (virtio "Reserved
//! Feature Bits", VIRTIO_F_ACCESS_PLATFORM).

use alloc::vec::Vec;

use ::virtio::common::{ACCESS_PLATFORM, BYTES, DEVICE_FEATURE, DEVICE_FEATURE_SELECT};
use ::virtio::{Layout, LayoutError, is_virtio};
use dma_types::Bdf;
use pci::Topology;
use pci::control::{MemoryDecode, memory_decode, set_memory_decode};
use spin::Once;

use crate::devices::Path;
use crate::memory::mmio::Mmio;
use crate::platform::pci::config;

/// Where the structures of each virtio device lie.
static LAYOUTS: Once<Vec<(Bdf, Result<Layout, LayoutError>)>> = Once::new();

/// Finds the structures of every virtio device; refuses those that place one outside of their windows.
///
/// To be called once, when the windows have been checked; the capabilities are not read again.
pub fn find_structures(topology: &mut Topology) {
    let devices = topology.functions().iter().filter(|function| is_virtio(function));
    let layouts: Vec<_> = devices.map(|function| (function.bdf, Layout::find(config(), function))).collect();
    for (bdf, layout) in &layouts {
        let Some(function) = topology.get(*bdf) else { continue };
        if let Ok(layout) = layout
            && let Err(reason) = layout.check(function)
        {
            topology.refuse(*bdf, reason);
        }
    }
    LAYOUTS.call_once(|| layouts);
}

/// Where the structures of a device lie.
///
/// # Errors
/// If it has no structures that can be used.
pub(super) fn layout_of(bdf: Bdf) -> Result<Layout, LayoutError> {
    let known = LAYOUTS.get().into_iter().flatten().find(|(device, _)| *device == bdf);
    known.map_or(Err(LayoutError::Legacy), |(_, layout)| *layout)
}

/// The way that a function's requests take: around the IOMMU if it is a virtio device that does not offer
/// otherwise, or cannot be asked. Nobody may use the function meanwhile. One that is not believed is not asked: it gets
/// no driver and stays blocked.
pub fn path_of(function: &pci::Function) -> Path {
    if !is_virtio(function) || function.refused.is_some() || offers_translation(function) == Some(true) {
        Path::Translated
    } else {
        Path::Around
    }
}

/// What a device says; `None` if it cannot be asked, because it has the legacy interface only or because its
/// registers are not to be had.
fn offers_translation(function: &pci::Function) -> Option<bool> {
    let common = layout_of(function.bdf).ok()?.common;
    let window = function.windows.of_register(common.bar)?;
    if common.end() > window.bytes() || (common.length as usize) < BYTES {
        return None;
    }
    let start = common.offset as usize;
    let before = memory_decode(config(), function.bdf);
    let registers = Mmio::of_device(window, start.checked_add(BYTES)?).ok()?;
    set_memory_decode(config(), function.bdf, MemoryDecode::On);
    registers.write32(start + DEVICE_FEATURE_SELECT, 1);
    let upper = registers.read32(start + DEVICE_FEATURE);
    set_memory_decode(config(), function.bdf, before);
    // All ones is a device that is not there.
    (upper != u32::MAX).then_some(u64::from(upper) << 32 & ACCESS_PLATFORM != 0)
}
