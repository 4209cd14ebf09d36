//! A domain's room, tables and history, and the steps of map and unmap.
//!
//! Each has a fast path, for what drivers do all the time: a range that was used before, entries in one
//! table that is linked, a unit that answers soon. It decides by few comparisons and is one piece of code.
//! Where it does not fit it stops, with nothing done by halves, and the slow path takes over from there.
#![expect(unsafe_code, reason = "UNSAFETY: puts the addresses of lent buffers into tables")]

use alloc::vec::Vec;
use core::ops::Range;

use ::iommu::FastUnmap;
use ::iommu::group::Membership;
use coverage::Pages;
use diagnosis::{Backing, Book, Mapping, Site, Step, Timestamp};
use dma_types::{Direction, Iova, PAGE_SIZE, PageSize, PhysAddr};
use iova::{IovaAllocator, IovaRange};

use super::DmaError;
use super::lease::Lent;
use crate::iommu::AddressSpace;
use crate::platform::clock;
use crate::sync::InterruptsOff;

/// Room, tables and history. They change together, with interrupts off, so the fault handler never sees one
/// without the others.
pub struct Books {
    room: IovaAllocator,
    space: AddressSpace,
    book: Book,
}

/// How far the fast path of a mapping came.
pub(super) enum Progress {
    /// Nothing is done yet.
    Nothing,
    /// There is a range.
    Room(IovaRange),
    /// It translates.
    Tables(IovaRange),
}

impl Books {
    /// Books with nothing in them.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn new(
        room: IovaAllocator,
        space: AddressSpace,
        window: Range<Iova>,
    ) -> Result<Self, DmaError> {
        let book = Book::new(window)?;
        Ok(Self { room, space, book })
    }

    /// Who used which range when.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// What the tables hold.
    pub fn space(&self) -> &AddressSpace {
        &self.space
    }

    /// The tables, to be changed past the books.
    pub(super) fn space_mut(&mut self) -> &mut AddressSpace {
        &mut self.space
    }

    /// Maps memory that firmware reserved to itself, for good.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn hold_firmware_region(&mut self, pages: Pages, site: Site) -> Result<(), DmaError> {
        let permissions = Direction::Bidirectional.permissions();
        let (memory, bytes) = (pages.start(), pages.bytes());
        let at = pages.iovas().start;
        // SAFETY: firmware keeps that memory for the devices of the group, and the frame allocator has given it up.
        unsafe { self.space.map(at, memory, bytes, permissions, &InterruptsOff::new())? };
        let backing = Backing::new(memory, bytes);
        Ok(self.book.record_firmware_region(backing, step(site))?)
    }

    /// Enters what became of its devices.
    pub(super) fn note(&mut self, what: Membership, site: Site) {
        match what {
            Membership::Attached => self.book.record_attach(step(site)),
            Membership::CutOff => self.book.record_detach(step(site)),
            Membership::Forgotten => self.book.record_flush(None, step(site)),
        }
    }

    /// Maps whole pages and enters them in the books, by the fast path.
    ///
    /// # Errors
    /// How far it came; [`map_slow`](Self::map_slow) goes on.
    #[inline(always)]
    pub(super) fn map_fast(
        &mut self,
        lent: Lent,
        time: impl FnOnce() -> Timestamp,
    ) -> Result<IovaRange, Progress> {
        let Lent { memory, bytes, direction, .. } = lent;
        if (memory.as_u64() | bytes) & (PAGE_SIZE - 1) != 0 {
            return Err(Progress::Nothing);
        }
        let Some(range) = self.room.allocate_fast(bytes / PAGE_SIZE) else { return Err(Progress::Nothing) };
        // SAFETY: what is lent is a buffer's, which its mapping or batch keeps until the range is unmapped.
        if !unsafe { self.space.map_fast(range.start(), memory, bytes, direction.permissions()) } {
            return Err(Progress::Room(range));
        }
        if !self.book.record_map_fast(&range, lent.at(range.start(), time())) {
            return Err(Progress::Tables(range));
        }
        Ok(range)
    }

    /// Maps the pages that memory touches and enters the memory in the books, by the slow path, from where the
    /// fast one stopped. The address keeps the offset within the page.
    ///
    /// # Errors
    /// If there is no room or no memory; nothing has changed then. Where the memory
    /// [may be reached](DmaError::may_be_reached), the range is never handed out again, and the memory must never be
    /// used again.
    #[cold]
    #[inline(never)]
    pub(super) fn map_slow(
        &mut self,
        progress: Progress,
        lent: &Lent,
        off: &InterruptsOff,
    ) -> Result<IovaRange, DmaError> {
        let &Lent { memory, bytes, direction, .. } = lent;
        let (range, translates) = match progress {
            Progress::Nothing => {
                let pages = Backing::new(memory, bytes).pages();
                (self.room.allocate(pages, best_alignment(memory, bytes))?, false)
            }
            Progress::Room(range) => (range, false),
            Progress::Tables(range) => (range, true),
        };
        let (page, length) = (range.start(), range.length());
        let permissions = direction.permissions();
        if !translates
            // SAFETY: as in `map_fast`; of the pages around bytes, `Lend` says what they hold.
            && let Err(error) = unsafe { self.space.map(page, memory.page(), length, permissions, off) }
        {
            if error.may_be_reached() {
                self.lose(&range, lent);
            } else {
                self.room.free(range)?;
            }
            return Err(error.into());
        }
        let start = Iova::new(page.as_u64() + memory.page_offset());
        if let Err(error) = self.book.record_map(&range, lent.at(start, now())) {
            self.space.unmap(page, length, off)?;
            self.room.free(range)?;
            return Err(error.into());
        }
        Ok(range)
    }

    /// Enters a mapping that failed, and may be used all the same, as live for good: its range is in nobody's hands.
    fn lose(&mut self, range: &IovaRange, lent: &Lent) {
        let start = Iova::new(range.start().as_u64() + lent.memory.page_offset());
        // Without memory the books do not tell of it; it stays lost.
        let _ = self.book.record_map(range, lent.at(start, now()));
    }

    /// Unmaps what mapping gave and waits until the unit has forgotten it.
    ///
    /// # Errors
    /// If the unit did not confirm. The range stays in the books as live and is never handed out again, and
    /// the memory behind it must never be used again.
    #[inline(always)]
    pub(super) fn unmap(
        &mut self,
        range: IovaRange,
        site: Site,
        off: &InterruptsOff,
    ) -> Result<(), DmaError> {
        match self.space.unmap_fast(range.start(), range.length(), off) {
            FastUnmap::Done => self.close(range, Step { at: now(), site }),
            progress => self.unmap_slow(progress, range, site, off),
        }
    }

    /// Unmaps by the slow path, from where the fast one stopped.
    #[cold]
    #[inline(never)]
    fn unmap_slow(
        &mut self,
        progress: FastUnmap,
        range: IovaRange,
        site: Site,
        off: &InterruptsOff,
    ) -> Result<(), DmaError> {
        self.space.unmap_slow(progress, range.start(), range.length(), off)?;
        self.close(range, step(site))
    }

    /// Unmaps many ranges and waits once until the unit has forgotten them.
    ///
    /// # Errors
    /// If the unit did not confirm. As for [`unmap`](Self::unmap), then, for every one of them.
    pub(super) fn unmap_all(
        &mut self,
        ranges: Vec<IovaRange>,
        site: Site,
        off: &InterruptsOff,
    ) -> Result<(), DmaError> {
        self.space.unmap_all(&ranges, off)?;
        self.book.record_unmap_all(&ranges, step(site))?;
        Ok(self.room.free_all(ranges)?)
    }

    /// Enters that a range is unmapped, and takes it back.
    #[inline(always)]
    fn close(&mut self, range: IovaRange, step: Step) -> Result<(), DmaError> {
        if let Err(error) = self.book.record_unmap(&range, step) {
            return Err(error.into());
        }
        match self.room.free(range) {
            Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The present time.
#[inline]
pub(super) fn now() -> Timestamp {
    Timestamp::from_nanos(clock::now_ns())
}

/// Makes the current step: now, by this call.
fn step(site: Site) -> Step {
    Step { at: now(), site }
}

impl Lent {
    /// The entry of the books for a mapping of this.
    #[inline(always)]
    fn at(self, start: Iova, at: Timestamp) -> Mapping {
        let Self { memory, bytes, direction, label, site } = self;
        let backing = Backing::new(memory, bytes);
        Mapping { start, length: bytes, direction, label, backing, mapped: Step { at, site } }
    }
}

/// The largest entry that could map the memory, so that the address is chosen to let it.
fn best_alignment(memory: PhysAddr, bytes: u64) -> PageSize {
    [PageSize::Size1G, PageSize::Size2M]
        .into_iter()
        .find(|size| bytes >= size.bytes() && memory.is_aligned(size.bytes()))
        .unwrap_or(PageSize::Size4K)
}
