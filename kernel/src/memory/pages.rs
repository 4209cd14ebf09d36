//! Owned runs of whole pages, for buffers that devices may be given.
#![expect(unsafe_code, reason = "UNSAFETY: makes slices of frames that the value owns")]

use core::fmt;

use dma_types::{PAGE_SIZE, PhysAddr};
use frames::Order;

use super::direct;
use super::frames::Frame;

/// A run of zeroed pages that nobody else has; freed when dropped.
#[derive(Debug)]
pub struct Pages {
    start: PhysAddr,
    bytes: u64,
}

impl Pages {
    /// Takes `2^exponent` pages in a row.
    ///
    /// # Errors
    /// If no such run is free.
    pub fn new(exponent: u8) -> Result<Self, NoPages> {
        let none = NoPages { bytes: PAGE_SIZE.checked_shl(u32::from(exponent)).unwrap_or(u64::MAX) };
        let order = Order::new(exponent).ok_or(none)?;
        let start = Frame::for_device(order).ok_or(none)?.into_raw();
        let mut pages = Self { start, bytes: order.bytes() };
        pages.bytes_mut().fill(0);
        Ok(pages)
    }

    /// Takes as many pages in a row as hold `bytes`, and no more.
    ///
    /// # Errors
    /// If no such run is free.
    pub fn holding(bytes: usize) -> Result<Self, NoPages> {
        let none = NoPages { bytes: bytes as u64 };
        let order = Order::for_bytes(bytes as u64).ok_or(none)?;
        let start = Frame::for_device(order).ok_or(none)?.into_raw();
        let mut pages = Self { start, bytes: order.bytes() };
        drop(pages.split_off((bytes as u64).max(1).next_multiple_of(PAGE_SIZE)));
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
        self.bytes
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
    pub fn halves(mut self) -> (Self, Option<Self>) {
        let second = self.split_off((self.bytes / 2).next_multiple_of(PAGE_SIZE));
        (self, second)
    }

    /// Keeps the first `bytes`, whole pages and at least one, and gives the rest, if there is any.
    fn split_off(&mut self, bytes: u64) -> Option<Self> {
        let rest = self.bytes.checked_sub(bytes).filter(|rest| *rest > 0)?;
        self.bytes = bytes;
        Some(Self { start: self.start.checked_add(bytes)?, bytes: rest })
    }

    /// The run as blocks of the allocator's: each as large as its place and the rest of the run allow.
    fn blocks(&self) -> impl Iterator<Item = (PhysAddr, Order)> {
        let mut next = self.start;
        let end = self.start.as_u64() + self.bytes;
        core::iter::from_fn(move || {
            let frames = (end - next.as_u64()) / PAGE_SIZE;
            let largest = frames.checked_ilog2()?.min((next.as_u64() / PAGE_SIZE).trailing_zeros());
            let order = Order::new(largest as u8).unwrap_or(Order::MAX);
            let start = next;
            next = next.checked_add(order.bytes())?;
            Some((start, order))
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for (start, order) in self.blocks() {
            // SAFETY: a part of what the value was made of; whoever has it lets nobody reach it any more, since a device
            // that might keeps the value from being dropped.
            drop(unsafe { Frame::from_raw(start, order) });
        }
    }
}

/// No run of pages that holds so much is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPages {
    /// Bytes asked for.
    pub bytes: u64,
}

impl fmt::Display for NoPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {:#x} bytes in a row are free", self.bytes)
    }
}

impl core::error::Error for NoPages {}
