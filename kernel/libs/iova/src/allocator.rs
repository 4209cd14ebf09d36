//! The allocator of one domain's window.

use alloc::vec::Vec;
use core::ops::Range;

use dma_types::{Iova, PAGE_SIZE, PageSize};

use crate::pieces::{Chain, Pieces, SlotId, State};
use crate::size_class::{NO_QUEUE, QUEUES, SizeClass};
use crate::window::{inner_pages, usable_runs};
use crate::{IovaError, IovaRange, OutOfMemory};

/// The fewest pages of a slot: one to map, one as gap.
const SMALLEST_SLOT: u64 = 2;

/// The shift from a page number to its address.
const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();

/// A slot's number, first page and pages.
type Slot = (SlotId, u64, u64);

/// Whether joining free neighbours can make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Merging {
    /// Nothing became free since they were joined.
    Useless,
    /// Something became free since they were joined.
    Worthwhile,
}

/// Hands out the device addresses of one domain; see the crate's header for promises and costs.
#[derive(Debug)]
pub struct IovaAllocator {
    window: Range<Iova>,
    pieces: Pieces,
    open: Chain,
    recycled: [Chain; QUEUES],
    merging: Merging,
    /// The slot freed last; merging leaves it for last.
    last_freed: Option<SlotId>,
    live: u64,
}

impl IovaAllocator {
    /// Takes charge of `window`, from [`window_for`](crate::window_for) or a part of it.
    ///
    /// Page 0, the interrupt range 0xFEE00000 to 0xFEEFFFFF and every `reserved` range are never handed
    /// out, nor the page behind a reserved range, since that range may be mapped. Slots are cut from
    /// `start` upwards, then from the beginning of the window; a `start` outside the window is its
    /// beginning.
    ///
    /// # Errors
    /// [`IovaError::EmptyWindow`] if nothing is left to hand out, [`IovaError::OutOfMemory`].
    pub fn new(
        window: Range<Iova>,
        reserved: impl IntoIterator<Item = Range<Iova>>,
        start: Iova,
    ) -> Result<Self, IovaError> {
        let runs = usable_runs(inner_pages(&window), reserved)?;
        if runs.iter().all(|run| run.end - run.start < SMALLEST_SLOT) {
            return Err(IovaError::EmptyWindow { start: window.start, end: window.end });
        }
        let mut this = Self {
            window,
            pieces: Pieces::new(),
            open: Chain::EMPTY,
            recycled: [Chain::EMPTY; QUEUES],
            merging: Merging::Useless,
            last_freed: None,
            live: 0,
        };
        this.open_runs(&runs, start.as_u64().div_ceil(PAGE_SIZE))?;
        Ok(this)
    }

    /// The window as given to [`new`](Self::new).
    pub const fn window(&self) -> &Range<Iova> {
        &self.window
    }

    /// Ranges handed out and not yet freed.
    pub const fn live_ranges(&self) -> u64 {
        self.live
    }

    /// Hands out `pages` consecutive pages that start at a multiple of `alignment`.
    ///
    /// Ask for [`PageSize::Size2M`] or [`PageSize::Size1G`] where the memory behind the range is so
    /// aligned and so long that a large entry can map it.
    ///
    /// # Errors
    /// [`IovaError::NoPages`], [`IovaError::Exhausted`], [`IovaError::OutOfMemory`].
    pub fn allocate(&mut self, pages: u64, alignment: PageSize) -> Result<IovaRange, IovaError> {
        let class = SizeClass::of(pages, alignment)?;
        let slot = match self.recycle(class.queue, class.quarantine) {
            Some(found) => found,
            None => self.find_room(pages, &class)?,
        };
        Ok(self.hand_out(slot, pages))
    }

    /// The fast path of [`allocate`](Self::allocate): a few base pages, or one large one, for
    /// which a freed slot has waited long enough. `None` if it is not that.
    #[inline(always)]
    pub fn allocate_fast(&mut self, pages: u64) -> Option<IovaRange> {
        let (queue, quarantine) = match SizeClass::queue_of_few(pages) {
            Some(queue) => (queue, SizeClass::QUARANTINE),
            None => SizeClass::queue_of_one_large(pages)?,
        };
        let slot = self.recycle(queue, quarantine)?;
        Some(self.hand_out(slot, pages))
    }

    #[inline(always)]
    fn hand_out(&mut self, (slot, start, slot_pages): Slot, pages: u64) -> IovaRange {
        // Bounded by the number of pieces.
        self.live = self.live.wrapping_add(1);
        // Neither is above the largest slot.
        IovaRange::new(Iova::new(start << PAGE_SHIFT), pages as u32, slot_pages as u32, slot)
    }

    /// Takes a range back. Its addresses are handed out again only after the quarantine of its size, or
    /// earlier where the window had no other room for a request.
    ///
    /// The caller has unmapped it and waited for the invalidation.
    ///
    /// # Errors
    /// [`IovaError::NotHandedOut`] for a range of another allocator.
    #[inline(always)]
    pub fn free(&mut self, range: IovaRange) -> Result<(), IovaError> {
        let slot = range.slot();
        let piece = match self.pieces.get_mut(slot) {
            Some(piece) if piece.is_handed_out_at(range.start()) => piece,
            _ => return Err(IovaError::NotHandedOut { start: range.start() }),
        };
        let (chain, state) = match self.recycled.get_mut(usize::from(piece.queue)) {
            Some(chain) => (chain, State::Recycled),
            None => (&mut self.open, State::Open),
        };
        piece.state = state;
        self.pieces.push_back(chain, slot);
        self.merging = Merging::Worthwhile;
        self.last_freed = Some(slot);
        self.live = self.live.wrapping_sub(1);
        Ok(())
    }

    /// Takes many ranges back, as [`free`](Self::free) does one after the other.
    ///
    /// # Errors
    /// [`IovaError::NotHandedOut`] for a range of another allocator; those before it are taken back.
    pub fn free_all(&mut self, ranges: Vec<IovaRange>) -> Result<(), IovaError> {
        let mut rest = &ranges[..];
        while let [first, ..] = rest {
            let run = self.free_run(rest);
            rest = match rest.split_at_checked(run) {
                Some((_, rest)) if run > 0 => rest,
                _ => return Err(IovaError::NotHandedOut { start: first.start() }),
            };
        }
        Ok(())
    }

    /// Takes ranges back from the first on, as long as they return to one queue, and tells how many.
    fn free_run(&mut self, ranges: &[IovaRange]) -> usize {
        let first = ranges.first().and_then(|first| self.pieces.get_mut(first.slot()));
        let queue = first.map_or(NO_QUEUE, |piece| piece.queue);
        let (chain, state) = match self.recycled.get_mut(usize::from(queue)) {
            Some(chain) => (chain, State::Recycled),
            None => (&mut self.open, State::Open),
        };
        let mut run = Chain::beginning_with(ranges.first().map(IovaRange::slot));
        let mut ranges = ranges.iter();
        while let Some(range) = ranges.next() {
            let slot = range.slot();
            let next = ranges.as_slice().first().map(IovaRange::slot);
            match self.pieces.get_mut(slot) {
                Some(piece) if piece.is_handed_out_at(range.start()) && piece.queue == queue => {
                    piece.state = state;
                    run.push_before(next, piece, slot);
                }
                _ => break,
            }
        }
        self.merging = Merging::Worthwhile;
        self.last_freed = run.tail().or(self.last_freed);
        self.live = self.live.wrapping_sub(u64::from(run.len()));
        self.pieces.append(chain, run);
        run.len() as usize
    }

    /// Lays out the runs as open pieces, those from page `first` on at the head of the queue.
    fn open_runs(&mut self, runs: &[Range<u64>], first: u64) -> Result<(), OutOfMemory> {
        let mut below = None;
        let mut wrapped = Chain::EMPTY;
        for run in runs {
            let cut = if run.contains(&first) { first } else { run.start };
            for part in [run.start..cut, cut..run.end] {
                let pages = part.end - part.start;
                if pages == 0 {
                    continue;
                }
                let state = if pages < SMALLEST_SLOT { State::Scrap } else { State::Open };
                let id = self.pieces.insert_above(below, part.start, pages, state)?;
                below = Some(id);
                match state {
                    State::Scrap => {}
                    _ if part.start >= first => self.pieces.push_back(&mut self.open, id),
                    _ => self.pieces.push_back(&mut wrapped, id),
                }
            }
        }
        while let Some((id, _)) = self.pieces.pop_front(&mut wrapped) {
            self.pieces.push_back(&mut self.open, id);
        }
        // The cut at `first` may be joined again once room runs out.
        self.merging = Merging::Worthwhile;
        Ok(())
    }

    /// Takes the oldest freed slot of a class if more than `keep` of them wait; `keep` is at least 1, so that
    /// one always stays.
    #[inline(always)]
    fn recycle(&mut self, queue: u16, keep: u32) -> Option<Slot> {
        let chain = self.recycled.get_mut(usize::from(queue)).filter(|chain| chain.len() > keep)?;
        let (slot, piece) = self.pieces.pop_front_of_many(chain)?;
        piece.state = State::Live;
        Some((slot, piece.start, piece.pages))
    }

    /// Finds a slot beyond the quarantine: open room, then the quarantine itself, then merged room.
    fn find_room(&mut self, pages: u64, class: &SizeClass) -> Result<Slot, IovaError> {
        if let Some(slot) = self.cut(class, self.last_freed)? {
            return Ok(slot);
        }
        // Not the only one of its queue: it may be the slot freed last.
        if let Some(slot) = self.recycle(class.queue, 1) {
            return Ok(slot);
        }
        while self.merging == Merging::Worthwhile {
            let last_freed = self.last_freed.take();
            self.merge(last_freed);
            if let Some(slot) = self.cut(class, None)? {
                return Ok(slot);
            }
        }
        self.cut(&class.tight(pages), None)?.ok_or(IovaError::Exhausted { pages })
    }

    /// Cuts a slot from the first open piece that has room and is not `avoided`.
    fn cut(&mut self, class: &SizeClass, avoided: Option<SlotId>) -> Result<Option<Slot>, OutOfMemory> {
        let mut previous = None;
        let mut cursor = self.open.head();
        while let Some(id) = cursor {
            let piece = &self.pieces[id];
            if let Some(start) = class.fit(piece.start, piece.pages).filter(|_| avoided != cursor) {
                let slot = self.split(previous, id, start, class.pages)?;
                let piece = &mut self.pieces[slot];
                piece.queue = class.queue;
                piece.state = State::Live;
                return Ok(Some((slot, piece.start, piece.pages)));
            }
            previous = cursor;
            cursor = piece.next();
        }
        Ok(None)
    }

    /// Splits the open piece `id` into a hole below, the slot of `pages` at `start`, and the rest above.
    /// Hole and rest stay in the piece's place in the queue.
    fn split(
        &mut self,
        previous: Option<SlotId>,
        id: SlotId,
        start: u64,
        pages: u64,
    ) -> Result<SlotId, OutOfMemory> {
        let hole = start - self.pieces[id].start;
        let rest = self.pieces[id].pages - hole - pages;
        self.pieces.reserve(2)?;
        if hole == 0 && rest == 0 {
            self.pieces.unlink(&mut self.open, previous, id);
            return Ok(id);
        }
        if hole == 0 {
            let slot = self.pieces.insert_below(id, start, pages, State::Live)?;
            let piece = &mut self.pieces[id];
            piece.start += pages;
            piece.pages = rest;
            self.retire_scrap(previous, id);
            return Ok(slot);
        }
        self.pieces[id].pages = hole;
        let slot = self.pieces.insert_above(Some(id), start, pages, State::Live)?;
        if rest > 0 {
            let above = self.pieces.insert_above(Some(slot), start + pages, rest, State::Open)?;
            self.pieces.insert_after(&mut self.open, id, above);
            self.retire_scrap(Some(id), above);
        }
        self.retire_scrap(previous, id);
        Ok(slot)
    }

    /// Takes an open piece that no slot fits into out of the queue.
    fn retire_scrap(&mut self, previous: Option<SlotId>, id: SlotId) {
        if self.pieces[id].pages < SMALLEST_SLOT {
            self.pieces.unlink(&mut self.open, previous, id);
            self.pieces[id].state = State::Scrap;
            self.merging = Merging::Worthwhile;
        }
    }

    /// Joins free neighbours and puts all of them back into the open room; needs no memory.
    ///
    /// The slot `apart`, if free, is joined to nothing and comes last, to be merged the next time.
    fn merge(&mut self, apart: Option<SlotId>) {
        let apart = apart.filter(|slot| self.pieces[*slot].state != State::Live);
        self.open = Chain::EMPTY;
        self.recycled = [Chain::EMPTY; QUEUES];
        self.merging = if apart.is_some() { Merging::Worthwhile } else { Merging::Useless };
        let mut cursor = self.pieces.lowest();
        while let Some(id) = cursor {
            if self.pieces[id].state != State::Live && apart != Some(id) {
                self.absorb_free_neighbours(id, apart);
                self.reopen(id);
            }
            cursor = self.pieces[id].above();
        }
        if let Some(id) = apart {
            self.reopen(id);
        }
    }

    /// Joins every free piece that touches `id` from above, up to the slot `apart`.
    fn absorb_free_neighbours(&mut self, id: SlotId, apart: Option<SlotId>) {
        while let Some(above) = self.pieces[id].above().filter(|above| apart != Some(*above)) {
            let next = &self.pieces[above];
            if next.state == State::Live || next.start != self.pieces[id].end() {
                return;
            }
            self.pieces.absorb_above(id);
        }
    }

    /// Makes a free piece open room, or scrap if no slot fits into it.
    fn reopen(&mut self, id: SlotId) {
        let piece = &mut self.pieces[id];
        piece.queue = NO_QUEUE;
        piece.unchain();
        if piece.pages < SMALLEST_SLOT {
            piece.state = State::Scrap;
        } else {
            piece.state = State::Open;
            self.pieces.push_back(&mut self.open, id);
        }
    }
}
