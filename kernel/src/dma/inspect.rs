//! Where buffers lie in memory: for attacks, their judges and measurements only, never for a driver.
#![expect(unsafe_code, reason = "UNSAFETY: vouches for memory that devices write to")]

use diagnosis::Site;
use dma_types::PhysAddr;

use super::buffer::lend::Lend;
use super::mapping::{DirectionType, Refused};
use super::{Buffer, ByteBuffer, Device, DmaError, Mapping, PageBuffer};
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

/// Fills a buffer that a device has, and that it does not use at the moment.
pub fn fill<D>(mapping: &mut Mapping<D>, byte: u8) {
    mapping.buffer_mut().bytes_mut().fill(byte);
}

/// Takes back a buffer past whose end a device was told to run: the verifier does not look at the guard behind it.
///
/// # Errors
/// As [`Mapping::unmap`].
#[track_caller]
pub fn unmap_overrun<D, B: Buffer>(mapping: Mapping<D, B>) -> Result<B, DmaError> {
    mapping.unmap_overrun(Site::caller())
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
    Mapping::new(device, buffer, label, Trust::Trusted)
}

/// The memory of a buffer, once more: so that a measurement has a million mappings without a million buffers.
///
#[derive(Clone, Copy)]
pub struct Again<'b> {
    buffer: &'b PageBuffer,
    bytes: u64,
}

impl<'b> Again<'b> {
    /// The first `bytes` of a buffer, or all of it if there are fewer.
    ///
    /// # Safety
    /// No mapping and no batch of it is forgotten: each is unmapped before the buffer is used or dropped. Nobody reads what
    /// the buffer holds meanwhile.
    pub unsafe fn new(buffer: &'b PageBuffer, bytes: u64) -> Self {
        Self { buffer, bytes: bytes.min(buffer.len()) }
    }
}

impl Buffer for Again<'_> {}

// SAFETY: the buffer is borrowed, and who made the value vouches that no mapping of it outlives that.
unsafe impl Lend for Again<'_> {
    fn phys(&self) -> PhysAddr {
        self.buffer.phys()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
