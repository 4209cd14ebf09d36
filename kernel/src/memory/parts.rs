//! Owned parts of pages, for buffers that are shorter than half a page.
//!
//! Parts of one size share pages, with buffers of any driver in them; the kernel's own heap never does. A page
//! comes from the frame allocator with its first part and goes back with its last. The books stand in the
//! kernel's heap, never in the pages, since a trusted device is let into them.
#![expect(unsafe_code, reason = "UNSAFETY: makes slices of parts that the value owns")]

use alloc::vec::Vec;

use dma_types::PhysAddr;
use frames::{PartSize, Parts};

use super::direct;
use super::pages::Pages;
use crate::sync::{Mutex, rank};

/// The pages of each size that have parts in use.
static PAGES: [Mutex<Vec<SharedPage>, rank::Parts>; PartSize::COUNT] = [const { Mutex::new(Vec::new()) }; _];

/// A page that is divided into parts.
struct SharedPage {
    page: Pages,
    parts: Parts,
}

/// A zeroed part of a page that nobody else has; given back when dropped.
#[derive(Debug)]
pub struct Part {
    start: PhysAddr,
    size: PartSize,
}

impl Part {
    /// Takes a part that holds `bytes`.
    ///
    /// `None` if there is no memory, or only a whole page holds that much.
    pub fn holding(bytes: usize) -> Option<Self> {
        let size = PartSize::for_bytes(bytes)?;
        let mut part = Self { start: take(size)?, size };
        part.bytes_mut().fill(0);
        Some(part)
    }

    /// Its first physical address.
    pub const fn start(&self) -> PhysAddr {
        self.start
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the part is initialised memory of this value's alone, and seen as long as it lives.
        unsafe { core::slice::from_raw_parts(direct::frame_ptr(self.start), self.size.bytes()) }
    }

    /// What it holds, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the part is initialised memory of this value's alone, borrowed for as long as the slice.
        unsafe { core::slice::from_raw_parts_mut(direct::frame_ptr(self.start), self.size.bytes()) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(pages) = PAGES.get(self.size.index()) else { return };
        let mut pages = pages.lock();
        let Some(index) = pages.iter().position(|shared| shared.page.start() == self.start.page()) else {
            return log::error!("a part of a page at {} is lost", self.start);
        };
        let Some(shared) = pages.get_mut(index) else { return };
        if let Err(error) = shared.parts.give_back(self.start.page_offset() as usize) {
            log::error!("a part of a page at {} is lost: {error}", self.start);
        }
        if shared.parts.is_unused() {
            pages.swap_remove(index);
        }
        if pages.is_empty() {
            *pages = Vec::new();
        }
    }
}

/// Finds a free part, in a page in use if there is one.
fn take(size: PartSize) -> Option<PhysAddr> {
    let mut pages = PAGES.get(size.index())?.lock();
    let found = pages.iter_mut().find_map(|SharedPage { page, parts }| Some((page.start(), parts.take()?)));
    let (page, offset) = match found {
        Some(found) => found,
        None => {
            let (page, mut parts) = (Pages::new(0).ok()?, Parts::new(size));
            let place = (page.start(), parts.take()?);
            pages.try_reserve(1).ok()?;
            pages.push(SharedPage { page, parts });
            place
        }
    };
    page.checked_add(offset as u64)
}
