//! Owned runs of whole pages, for buffers that devices may be given.
#![expect(unsafe_code, reason = "UNSAFETY: makes slices of frames that the value owns")]

use core::fmt;

use dma_types::PhysAddr;
use frames::Order;

use super::{direct, frames as allocator};

/// A run of zeroed pages, a power of two of them, that nobody else has; freed when dropped.
#[derive(Debug)]
pub struct Pages {
    start: PhysAddr,
    order: Order,
}

impl Pages {
    /// Takes `2^exponent` pages in a row.
    ///
    /// # Errors
    /// If no such run is free.
    pub fn new(exponent: u8) -> Result<Self, NoPages> {
        let order = Order::new(exponent).ok_or(NoPages { exponent })?;
        let start = allocator::allocate_for_device(order).ok_or(NoPages { exponent })?;
        let mut pages = Self { start, order };
        pages.bytes_mut().fill(0);
        Ok(pages)
    }

    /// Its first physical address.
    pub const fn start(&self) -> PhysAddr {
        self.start
    }

    /// Bytes it holds.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> u64 {
        self.order.bytes()
    }

    /// What it holds.
    ///
    /// A device that may write to it must have stopped: take the value back from its mapping first.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the frames are initialised memory of this value's alone, and seen as long as it lives.
        unsafe { core::slice::from_raw_parts(direct::frame_ptr(self.start), self.len() as usize) }
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the frames are initialised memory of this value's alone, borrowed for as long as the slice.
        unsafe { core::slice::from_raw_parts_mut(direct::frame_ptr(self.start), self.len() as usize) }
    }

    /// Both halves; a single page comes back as it is, with nothing beside it.
    pub fn halves(self) -> (Self, Option<Self>) {
        let Some(order) = self.order.half() else { return (self, None) };
        let start = self.start;
        // Each half frees its own frames.
        core::mem::forget(self);
        let middle = PhysAddr::new(start.as_u64() + order.bytes());
        (Self { start, order }, Some(Self { start: middle, order }))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Err(error) = allocator::free(self.start, self.order) {
            log::error!("pages are lost: {error}");
        }
    }
}

/// No run of so many pages is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPages {
    /// Two to this power were asked for.
    pub exponent: u8,
}

impl fmt::Display for NoPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no 2^{} pages in a row are free", self.exponent)
    }
}

impl core::error::Error for NoPages {}
