//! Frames and their owners.

use crate::Span;
use crate::bit_set::BitSet;
use crate::buddy::{Buddy, Order};
use core::fmt;
use core::ops::Range;
use dma_types::{PAGE_SIZE, PhysAddr};

/// Who may reach a frame that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The kernel alone: tables, stacks, heap. Never to be mapped for a device.
    Kernel,
    /// A driver's buffer or a region of the firmware's: may be mapped for a device.
    Device,
}

/// Every frame of usable memory below a limit: free, or in use by an [`Owner`].
///
/// Allocating and freeing take a number of steps that grows with the logarithm of the memory, not with it.
#[derive(Debug)]
pub struct FrameTable<'a> {
    buddy: Buddy<'a>,
    kernel: BitSet<'a>,
    device: BitSet<'a>,
    total: usize,
}

impl<'a> FrameTable<'a> {
    /// Words of zeroed memory that the frames below `limit` need.
    pub const fn words_needed(limit: PhysAddr) -> usize {
        let frames = frame_limit(limit);
        Buddy::words_needed(frames) + 2 * BitSet::words_needed(frames)
    }

    /// Starts without any frame; `None` if `memory` is shorter than [`Self::words_needed`].
    pub fn new(limit: PhysAddr, memory: &'a mut [u64]) -> Option<Self> {
        let frames = frame_limit(limit);
        let mut memory = memory;
        Some(Self {
            buddy: Buddy::new(frames, &mut memory)?,
            kernel: BitSet::new(frames, &mut memory)?,
            device: BitSet::new(frames, &mut memory)?,
            total: 0,
        })
    }

    /// Adds the whole frames of a span as free ones. They must be new to the table.
    pub fn add(&mut self, span: Span) {
        let before = self.buddy.free_frames();
        self.buddy.add(frames_within(span));
        self.total += self.buddy.free_frames() - before;
    }

    /// Takes a block, aligned to its size; `None` if there is none.
    pub fn allocate(&mut self, order: Order, owner: Owner) -> Option<PhysAddr> {
        let first = self.buddy.allocate(order)?;
        self.owned(owner).insert(first..first + order.frames());
        Some(address(first))
    }

    /// Gives a block back.
    ///
    /// # Errors
    /// If it is not aligned to its size, or a frame of it is not in use.
    pub fn free(&mut self, start: PhysAddr, order: Order) -> Result<(), FreeError> {
        if !start.is_aligned(order.bytes()) {
            return Err(FreeError::Misaligned { start, order });
        }
        let frames = frames_within(Span::with_length(start, order.bytes()));
        if self.kernel.all(frames.clone()) {
            self.kernel.remove(frames.clone());
        } else if self.device.all(frames.clone()) {
            self.device.remove(frames.clone());
        } else {
            return Err(FreeError::NotInUse { start, order });
        }
        self.buddy.add(frames);
        Ok(())
    }

    /// Takes every free frame that the span touches, for a device; returns how many frames that were.
    ///
    /// Frames already in use stay with their owner: ask [`Self::is_kernel`] first.
    pub fn reserve(&mut self, span: Span) -> usize {
        let before = self.buddy.free_frames();
        self.buddy.remove(frames_around(span), |stretch| self.device.insert(stretch));
        before - self.buddy.free_frames()
    }

    /// Tells whether the kernel itself uses any frame that the span touches.
    pub fn is_kernel(&self, span: Span) -> bool {
        self.kernel.any(frames_around(span))
    }

    /// Frames in the table, free or in use.
    pub const fn total_frames(&self) -> usize {
        self.total
    }

    /// Frames that are free.
    pub const fn free_frames(&self) -> usize {
        self.buddy.free_frames()
    }

    /// Frames that an owner has. Looks at all of them.
    pub fn frames_of(&self, owner: Owner) -> usize {
        match owner {
            Owner::Kernel => self.kernel.count(),
            Owner::Device => self.device.count(),
        }
    }

    fn owned(&mut self, owner: Owner) -> &mut BitSet<'a> {
        match owner {
            Owner::Kernel => &mut self.kernel,
            Owner::Device => &mut self.device,
        }
    }
}

/// Why a block could not be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeError {
    /// The address is not a multiple of the block's size.
    Misaligned {
        /// Where the block would start.
        start: PhysAddr,
        /// Its size.
        order: Order,
    },
    /// Not every frame of it is in use by one owner: freed twice, or never allocated.
    NotInUse {
        /// Where the block starts.
        start: PhysAddr,
        /// Its size.
        order: Order,
    },
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misaligned { start, order } => {
                write!(f, "block at {start} is not aligned to its {} bytes", order.bytes())
            }
            Self::NotInUse { start, order } => {
                write!(f, "block of {} bytes at {start} is not in use", order.bytes())
            }
        }
    }
}

impl core::error::Error for FreeError {}

/// The number of frames below an address.
const fn frame_limit(limit: PhysAddr) -> usize {
    limit.as_u64().div_ceil(PAGE_SIZE) as usize
}

fn address(frame: usize) -> PhysAddr {
    PhysAddr::new(frame as u64 * PAGE_SIZE)
}

fn frames_within(span: Span) -> Range<usize> {
    frame_numbers(span.inner_pages())
}

fn frames_around(span: Span) -> Range<usize> {
    frame_numbers(span.outer_pages())
}

fn frame_numbers(pages: Span) -> Range<usize> {
    let number = |address: PhysAddr| (address.as_u64() / PAGE_SIZE) as usize;
    number(pages.start())..number(pages.end())
}

#[cfg(test)]
mod tests;
