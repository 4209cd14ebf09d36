//! Where buffers lie in memory: for probes and their judges only, never for a driver.

use dma_types::PhysAddr;

use super::mapping::{DirectionType, Refused};
use super::{Buffer, ByteBuffer, Device, Mapping, PageBuffer};
use crate::devices::Trust;

/// Where a buffer lies.
pub fn buffer(buffer: &PageBuffer) -> PhysAddr {
    buffer.phys()
}

/// Where bytes lie that are in nobody's hands.
pub fn bytes(buffer: &ByteBuffer) -> PhysAddr {
    buffer.home()
}

/// Where the memory lies that a device reaches by a mapping.
pub fn mapping<D, B: Buffer>(mapping: &Mapping<D, B>) -> PhysAddr {
    mapping.phys()
}

/// Maps a buffer as for a device that the user trusts, to see whether that shows.
///
/// # Errors
/// As [`Device::map`].
#[track_caller]
pub fn map_as_trusted<D: DirectionType, B: Buffer>(
    device: &Device,
    buffer: B,
    label: &'static str,
) -> Result<Mapping<D, B>, Refused<B>> {
    Mapping::new(device.domain(), buffer, label, Trust::Trusted)
}
