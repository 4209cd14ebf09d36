//! Whether a virtio device offers to pass through the IOMMU, found out before any driver starts.
//!
//! One that does not offer it sends its requests straight to memory, whatever the tables say (virtio "Reserved
//! Feature Bits", VIRTIO_F_ACCESS_PLATFORM).

use ::virtio::common::{ACCESS_PLATFORM, BYTES, DEVICE_FEATURE, DEVICE_FEATURE_SELECT};
use ::virtio::{Layout, is_virtio};
use pci::Bar;
use pci::control::{MemoryDecode, memory_decode, set_memory_decode};

use crate::devices::Path;
use crate::memory::mmio::Mmio;
use crate::platform::pci::config;

/// The way that a function's requests take: around the IOMMU if it is a virtio device that does not offer
/// otherwise, or cannot be asked. Nobody may use the function meanwhile.
pub fn path_of(function: &pci::Function) -> Path {
    if !is_virtio(function) || offers_translation(function) == Some(true) {
        Path::Translated
    } else {
        Path::Around
    }
}

/// What a device says; `None` if it cannot be asked, because it has the legacy interface only or because its
/// registers are not to be had.
fn offers_translation(function: &pci::Function) -> Option<bool> {
    let common = Layout::find(config(), function).ok()?.common;
    let bars = pci::bars(config(), function.bdf, function.header);
    let Bar::Memory { address, size, .. } = *bars.get(usize::from(common.bar))? else { return None };
    if common.end() > size || (common.length as usize) < BYTES {
        return None;
    }
    let before = memory_decode(config(), function.bdf);
    set_memory_decode(config(), function.bdf, MemoryDecode::On);
    let window = Mmio::map(address.checked_add(u64::from(common.offset))?, BYTES).ok();
    let upper = window.map(|window| {
        window.write32(DEVICE_FEATURE_SELECT, 1);
        window.read32(DEVICE_FEATURE)
    });
    set_memory_decode(config(), function.bdf, before);
    // All ones is a device that is not there.
    let upper = upper.filter(|upper| *upper != u32::MAX)?;
    Some(u64::from(upper) << 32 & ACCESS_PLATFORM != 0)
}
