//! Tables found quickly: where a table of a low level stands, and which entry refers to it.

use core::num::NonZeroU64;

use dma_types::{INTERRUPT_RANGE, Iova, PhysAddr};

use crate::TableMemory;
use crate::spec::second_stage::SecondStageEntry;
use crate::tables::word;

use super::level::Level;
use super::{SecondStage, Span, read, write};

/// What a table is for, in one number: the first address that it serves, its level in bits 3:1, and bit 0
/// set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU64);

impl Place {
    /// The place of the table of a level that serves an address.
    #[inline]
    pub(super) fn of(level: Level, iova: Iova) -> Self {
        Self(NonZeroU64::MIN | u64::from(level.number()) << 1 | level.table_start(iova).as_u64())
    }

    pub(super) const fn level(self) -> Level {
        Level::numbered((self.0.get() >> 1) as u8 & 7)
    }

    pub(super) const fn start(self) -> Iova {
        Iova::new(self.0.get()).page()
    }
}

/// A linked table below the top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) table: PhysAddr,
    /// The entry that refers to it, and holds the number of its present entries.
    pub(super) parent: PhysAddr,
}

impl Node {
    /// The number of present entries.
    pub(super) fn live<M: TableMemory + ?Sized>(self, memory: &M) -> u16 {
        read(memory, self.parent).software()
    }

    /// Counts entries that became present. The hardware ignores the count, so it need not be published.
    #[inline]
    pub(super) fn add_live<M: TableMemory + ?Sized>(self, memory: &mut M, entries: u16) {
        let parent = read(memory, self.parent);
        write(memory, self.parent, parent.add_software(entries));
    }
}

/// Neighbouring entries of one table.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    first: PhysAddr,
    bytes: u64,
}

impl Slots {
    /// The entries for a span that lies within one table.
    #[inline]
    pub(super) const fn new(node: Node, level: Level, span: Span) -> Self {
        let first = word(node.table, level.index(span.start));
        Self { first, bytes: level.entries(span.bytes).wrapping_mul(SecondStageEntry::BYTES) }
    }

    /// Where the first one stands.
    pub(super) const fn first(self) -> PhysAddr {
        self.first
    }

    /// Bytes that they take.
    pub(super) const fn bytes(self) -> u64 {
        self.bytes
    }

    /// Their number, at most 512.
    pub(super) const fn len(self) -> u16 {
        (self.bytes / SecondStageEntry::BYTES) as u16
    }

    /// Their number in words of memory.
    pub(super) const fn words(self) -> u64 {
        self.bytes / SecondStageEntry::BYTES
    }
}

/// Tables cached; a power of two.
const SLOTS: usize = 8;

/// The tables used last, each in the slot that its place selects.
#[derive(Debug)]
pub(super) struct NodeCache {
    /// The very last one, looked at first.
    last: (Option<Place>, Node),
    slots: [(Option<Place>, Node); SLOTS],
}

impl NodeCache {
    pub(super) const fn new() -> Self {
        let nowhere = Node { table: PhysAddr::new(0), parent: PhysAddr::new(0) };
        Self { last: (None, nowhere), slots: [(None, nowhere); SLOTS] }
    }

    /// The slot for a place: tables next to each other have different ones.
    #[inline]
    const fn slot(level: Level, iova: Iova) -> usize {
        (iova.as_u64() / level.table_bytes()) as usize % SLOTS
    }

    /// Makes the table for a place the last one, if it is cached.
    fn recall(&mut self, level: Level, iova: Iova) -> Option<()> {
        let found = self.slots[Self::slot(level, iova)];
        if found.0 != Some(Place::of(level, iova)) {
            return None;
        }
        self.last = found;
        Some(())
    }

    fn set(&mut self, level: Level, iova: Iova, node: Node) {
        self.last = (Some(Place::of(level, iova)), node);
        self.slots[Self::slot(level, iova)] = self.last;
    }

    /// Forgets a table that is about to be unlinked.
    pub(super) fn forget(&mut self, level: Level, iova: Iova) {
        self.last.0 = None;
        self.slots[Self::slot(level, iova)].0 = None;
    }
}

impl SecondStage {
    /// The linked table of a level below the top that serves an address, unless some addresses that it
    /// serves are interrupts.
    #[inline]
    pub(super) fn node<M: TableMemory + ?Sized>(
        &mut self,
        memory: &M,
        level: Level,
        iova: Iova,
    ) -> Option<Node> {
        if self.nodes.last.0 != Some(Place::of(level, iova)) {
            self.look_up_node(memory, level, iova)?;
        }
        Some(self.nodes.last.1)
    }

    /// Makes a table the last one, if it is linked.
    #[inline(never)]
    fn look_up_node<M: TableMemory + ?Sized>(&mut self, memory: &M, level: Level, iova: Iova) -> Option<()> {
        if self.nodes.recall(level, iova).is_none() {
            let node = self.find_node(memory, level, iova)?;
            self.nodes.set(level, iova, node);
        }
        Some(())
    }

    /// Walks down to a table. None is found that serves interrupt addresses, nor beyond the width.
    fn find_node<M: TableMemory + ?Sized>(&self, memory: &M, wanted: Level, iova: Iova) -> Option<Node> {
        let start = wanted.table_start(iova).as_u64();
        let serves_interrupts =
            start < INTERRUPT_RANGE.end && start + wanted.table_bytes() > INTERRUPT_RANGE.start;
        if serves_interrupts || iova.as_u64() >= self.limit {
            return None;
        }
        let mut table = self.root;
        let mut level = self.top();
        loop {
            let parent = word(table, level.index(iova));
            let entry = read(memory, parent);
            if !entry.is_present() || entry.is_large() {
                return None;
            }
            table = entry.address();
            level = level.below()?;
            if level == wanted {
                return Some(Node { table, parent });
            }
        }
    }
}
