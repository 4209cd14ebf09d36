//! Where buffers lie in memory: for probes and their judges only, never for a driver.

use dma_types::PhysAddr;

use super::{Mapping, PageBuffer};

/// Where a buffer lies.
pub fn buffer(buffer: &PageBuffer) -> PhysAddr {
    buffer.phys()
}

/// Where a mapped buffer lies.
pub fn mapping<D>(mapping: &Mapping<D>) -> PhysAddr {
    mapping.phys()
}
