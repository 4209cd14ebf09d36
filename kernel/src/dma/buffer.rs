//! Memory that a device may be given, owned; here whole pages.
#![expect(unsafe_code, reason = "UNSAFETY: vouches for memory that devices write to")]

use dma_types::PhysAddr;

use crate::memory::pages::{NoPages, Pages};

/// Memory that can be lent to a device.
///
/// While a mapping holds it nobody else can touch it: it comes back only from unmapping.
pub trait Buffer: lend::Lend {}

/// What only this layer may know of a buffer.
pub(in crate::dma) mod lend {
    use dma_types::{Direction, PhysAddr};

    use crate::devices::Trust;
    use crate::dma::guard::Damage;
    use crate::memory::pages::NoPages;

    /// Where a buffer lies, and what is done around its time with a device.
    ///
    /// # Safety
    /// From [`lend`](Self::lend) to [`take_back`](Self::take_back), wherever the value is moved meanwhile, `bytes` bytes at
    /// `phys` are memory that it owns, and that nobody reads or writes but through it; and the pages around them are its
    /// own, or are shared with devices that the user trusts with them.
    pub unsafe trait Lend {
        /// Whether a guard may be laid behind it. Known to the compiler, so that it costs nothing where not.
        const GUARDED: bool = false;

        /// The first physical address of what a device reaches; within a page only for one that is trusted.
        fn phys(&self) -> PhysAddr;

        /// Bytes it holds.
        fn bytes(&self) -> u64;

        /// Gets ready to be mapped: from here on the pages around [`phys`](Self::phys) hold nothing that the
        /// device must not see.
        ///
        /// # Errors
        /// If there is no memory for that.
        fn lend(&mut self, _direction: Direction, _trust: Trust) -> Result<(), NoPages> {
            Ok(())
        }

        /// Comes back: no device reaches it any more, or none ever did. Tells what the device did to the guard
        /// behind it, if one was laid.
        fn take_back(&mut self) -> Option<Damage> {
            None
        }
    }
}

/// A run of zeroed pages that nobody else has.
///
/// Only whole pages are ever mapped, so a device that sees the buffer sees nothing beside it.
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

    /// Its first physical address: for the tables and for attacks, never for a driver.
    pub(in crate::dma) fn phys(&self) -> PhysAddr {
        self.0.start()
    }
}

impl Buffer for PageBuffer {}

// SAFETY: the pages are the value's alone, and whole.
unsafe impl lend::Lend for PageBuffer {
    fn phys(&self) -> PhysAddr {
        self.0.start()
    }

    fn bytes(&self) -> u64 {
        self.0.len()
    }
}
