//! Memory that a device may be given: whole pages, owned.

use dma_types::PhysAddr;

use crate::memory::pages::{NoPages, Pages};

/// A run of zeroed pages that nobody else has.
///
/// Only whole pages are ever mapped, so a device that sees the buffer sees nothing beside it. While a
/// mapping holds the buffer nobody else can touch it: it comes back only from unmapping.
pub struct PageBuffer(Pages);

impl PageBuffer {
    /// Takes `2^exponent` pages in a row.
    ///
    /// # Errors
    /// If no such run is free.
    pub fn new(exponent: u8) -> Result<Self, NoPages> {
        Pages::new(exponent).map(Self)
    }

    /// Bytes it holds.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }

    /// Both halves; a single page comes back as it is, with nothing beside it.
    pub fn halves(self) -> (Self, Option<Self>) {
        let (first, second) = self.0.halves();
        (Self(first), second.map(Self))
    }

    /// Its first physical address: for the tables and for probes, never for a driver.
    pub(in crate::dma) fn phys(&self) -> PhysAddr {
        self.0.start()
    }
}
