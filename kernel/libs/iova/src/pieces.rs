//! The window cut into pieces: what is free, what is handed out, in address order.
//!
//! Every usable page belongs to exactly one piece. Pieces are linked to their neighbours by address, so
//! that free ones can be merged in one pass, and threaded through at most one [`Chain`]: the open room,
//! the queue of a size class, or the vacant numbers.

use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use dma_types::{Iova, PAGE_SIZE};

use crate::arena::{Arena, OutOfMemory};
use crate::size_class::NO_QUEUE;

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(NonZeroU32);

impl SlotId {
    /// The number as an array index: dense, from 1 on.
    pub const fn index(self) -> u32 {
        self.0.get()
    }
}

/// What a piece is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Handed out.
    Live,
    /// A freed slot in the queue of its size class.
    Recycled,
    /// Free pages that slots are cut from.
    Open,
    /// Free pages too few for any slot; useful only once merged.
    Scrap,
    /// No pages: a number to be used again.
    Vacant,
}

/// Consecutive pages with one use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Number of the first page.
    pub(crate) start: u64,
    /// Number of pages.
    pub(crate) pages: u64,
    below: Option<SlotId>,
    above: Option<SlotId>,
    /// The next of its chain; `None` outside of chains.
    next: Option<SlotId>,
    /// The queue that it returns to; [`NO_QUEUE`] for open room.
    pub(crate) queue: u16,
    /// Its use.
    pub(crate) state: State,
}

impl Piece {
    /// No piece.
    const BLANK: Self = Self {
        start: 0,
        pages: 0,
        below: None,
        above: None,
        next: None,
        queue: NO_QUEUE,
        state: State::Vacant,
    };

    /// The page behind its last one.
    pub(crate) const fn end(&self) -> u64 {
        self.start + self.pages
    }

    /// Takes it out of whatever chain it is in; the chain is given up as a whole.
    pub(crate) const fn unchain(&mut self) {
        self.next = None;
    }

    /// Tells whether it is a slot handed out with this start.
    #[inline]
    pub(crate) fn is_handed_out_at(&self, start: Iova) -> bool {
        self.state == State::Live && self.start == start.as_u64() / PAGE_SIZE
    }

    /// The next piece upwards.
    pub(crate) const fn above(&self) -> Option<SlotId> {
        self.above
    }

    /// The next piece of its chain.
    pub(crate) const fn next(&self) -> Option<SlotId> {
        self.next
    }
}

/// All pieces of a window.
#[derive(Debug)]
pub(crate) struct Pieces {
    arena: Arena<Piece>,
    /// Numbers given out so far; number 0 is none.
    used: u32,
    lowest: Option<SlotId>,
    vacant: Chain,
}

impl Pieces {
    /// No pieces; allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { arena: Arena::new(Piece::BLANK), used: 0, lowest: None, vacant: Chain::EMPTY }
    }

    /// The piece with the lowest address.
    pub(crate) const fn lowest(&self) -> Option<SlotId> {
        self.lowest
    }

    /// The piece with this number, if there ever was one.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut Piece> {
        self.arena.get_mut(id.index())
    }

    /// Makes room for `count` calls of [`insert_above`](Self::insert_above).
    pub(crate) fn reserve(&mut self, count: u32) -> Result<(), OutOfMemory> {
        let fresh = count.saturating_sub(self.vacant.len);
        self.arena
            .reserve(self.used.checked_add(fresh).and_then(|last| last.checked_add(1)).ok_or(OutOfMemory)?)
    }

    /// Adds a piece directly above another, or as the lowest.
    pub(crate) fn insert_above(
        &mut self,
        below: Option<SlotId>,
        start: u64,
        pages: u64,
        state: State,
    ) -> Result<SlotId, OutOfMemory> {
        let above = match below {
            Some(below) => self[below].above,
            None => self.lowest,
        };
        self.reserve(1)?;
        let id = match self.vacant.pop_front(&mut self.arena) {
            Some((id, _)) => id,
            None => {
                self.used += 1;
                SlotId(NonZeroU32::new(self.used).ok_or(OutOfMemory)?)
            }
        };
        self[id] = Piece { start, pages, below, above, state, ..Piece::BLANK };
        match below {
            Some(below) => self[below].above = Some(id),
            None => self.lowest = Some(id),
        }
        if let Some(above) = above {
            self[above].below = Some(id);
        }
        Ok(id)
    }

    /// Adds a piece directly below another.
    pub(crate) fn insert_below(
        &mut self,
        above: SlotId,
        start: u64,
        pages: u64,
        state: State,
    ) -> Result<SlotId, OutOfMemory> {
        self.insert_above(self[above].below, start, pages, state)
    }

    /// Joins the piece above to `id`; its number becomes vacant.
    pub(crate) fn absorb_above(&mut self, id: SlotId) {
        let Some(gone) = self[id].above else { return };
        let Piece { pages, above, .. } = self[gone];
        self[id].pages += pages;
        self[id].above = above;
        if let Some(above) = above {
            self[above].below = Some(id);
        }
        self[gone] = Piece::BLANK;
        self.vacant.push_back(&mut self.arena, gone);
    }

    /// Appends a piece that is in no chain.
    #[inline]
    pub(crate) fn push_back(&mut self, chain: &mut Chain, id: SlotId) {
        chain.push_back(&mut self.arena, id);
    }

    /// Appends another chain to a chain.
    #[inline]
    pub(crate) fn append(&mut self, chain: &mut Chain, other: Chain) {
        chain.append(&mut self.arena, other);
    }

    /// Takes the first of a chain.
    #[inline]
    pub(crate) fn pop_front(&mut self, chain: &mut Chain) -> Option<(SlotId, &mut Piece)> {
        chain.pop_front(&mut self.arena)
    }

    /// Takes the first of a chain that has more than one; what is behind it comes first then.
    #[inline]
    pub(crate) fn pop_front_of_many(&mut self, chain: &mut Chain) -> Option<(SlotId, &mut Piece)> {
        let id = chain.head?;
        let piece = &mut self.arena[id.index()];
        chain.head = piece.next.take();
        chain.len = chain.len.wrapping_sub(1);
        Some((id, piece))
    }

    /// Links `id` into a chain directly after `previous`.
    pub(crate) fn insert_after(&mut self, chain: &mut Chain, previous: SlotId, id: SlotId) {
        self[id].next = self[previous].next;
        self[previous].next = Some(id);
        if chain.tail == Some(previous) {
            chain.tail = Some(id);
        }
        chain.len += 1;
    }

    /// Takes `id` out of a chain, given the one before it there.
    pub(crate) fn unlink(&mut self, chain: &mut Chain, previous: Option<SlotId>, id: SlotId) {
        let next = self[id].next.take();
        match previous {
            Some(previous) => self[previous].next = next,
            None => chain.head = next,
        }
        if chain.tail == Some(id) {
            chain.tail = previous;
        }
        chain.len -= 1;
    }
}

impl Index<SlotId> for Pieces {
    type Output = Piece;

    #[inline]
    fn index(&self, id: SlotId) -> &Piece {
        &self.arena[id.index()]
    }
}

impl IndexMut<SlotId> for Pieces {
    #[inline]
    fn index_mut(&mut self, id: SlotId) -> &mut Piece {
        &mut self.arena[id.index()]
    }
}

/// Pieces in the order of their arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    head: Option<SlotId>,
    tail: Option<SlotId>,
    len: u32,
}

impl Chain {
    /// A chain of nothing.
    pub(crate) const EMPTY: Self = Self { head: None, tail: None, len: 0 };

    /// An empty chain of which it is known what will come first.
    pub(crate) const fn beginning_with(head: Option<SlotId>) -> Self {
        Self { head, ..Self::EMPTY }
    }

    /// Its first piece.
    pub(crate) const fn head(&self) -> Option<SlotId> {
        self.head
    }

    /// Its last piece.
    pub(crate) const fn tail(&self) -> Option<SlotId> {
        self.tail
    }

    /// Its length.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    fn push_back(&mut self, arena: &mut Arena<Piece>, id: SlotId) {
        match self.tail.replace(id) {
            Some(tail) => arena[tail.index()].next = Some(id),
            None => self.head = Some(id),
        }
        // A chain holds each of at most 2^32 pieces once.
        self.len = self.len.wrapping_add(1);
    }

    /// Appends a piece that is in no chain to one that it was [known](Self::beginning_with) to come to, and says
    /// what is to follow. Whether that comes or not, [appending](Pieces::append) makes a proper chain of it.
    #[inline]
    pub(crate) fn push_before(&mut self, next: Option<SlotId>, piece: &mut Piece, id: SlotId) {
        piece.next = next;
        self.tail = Some(id);
        self.len = self.len.wrapping_add(1);
    }

    #[inline]
    fn append(&mut self, arena: &mut Arena<Piece>, other: Self) {
        let (Some(head), Some(tail)) = (other.head, other.tail) else { return };
        arena[tail.index()].next = None;
        match self.tail.replace(tail) {
            Some(before) => arena[before.index()].next = Some(head),
            None => self.head = Some(head),
        }
        self.len = self.len.wrapping_add(other.len);
    }

    #[inline]
    fn pop_front<'a>(&mut self, arena: &'a mut Arena<Piece>) -> Option<(SlotId, &'a mut Piece)> {
        let id = self.head?;
        let piece = &mut arena[id.index()];
        self.head = piece.next.take();
        if self.head.is_none() {
            self.tail = None;
        }
        self.len = self.len.wrapping_sub(1);
        Some((id, piece))
    }
}
