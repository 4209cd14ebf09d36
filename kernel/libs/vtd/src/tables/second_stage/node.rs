//! Tables found quickly: where a table of a low level stands, and which entry refers to it.

use core::num::NonZeroU64;

use dma_types::{Iova, PhysAddr};

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
    pub(super) fn add_live<M: TableMemory + ?Sized>(self, memory: &mut M, entries: u16) {
        let parent = read(memory, self.parent);
        write(memory, self.parent, parent.add_software(entries));
    }

    /// Counts entries that were cleared, and tells how many are left.
    pub(super) fn remove_live<M: TableMemory + ?Sized>(self, memory: &mut M, entries: u16) -> u16 {
        let parent = read(memory, self.parent);
        let left = parent.software().saturating_sub(entries);
        write(memory, self.parent, parent.with_software(left));
        left
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

    /// The same, seen by the compiler to be one entry if it is.
    ///
    /// Most mappings are one page; their loops fold away in the branch where the length is a constant.
    #[inline]
    pub(super) fn single(self) -> Option<Self> {
        let single = Self { bytes: SecondStageEntry::BYTES, ..self };
        (self.bytes == single.bytes).then_some(single)
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

    /// Where each of them stands.
    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = PhysAddr> {
        let mut offset = 0;
        core::iter::from_fn(move || {
            let at = PhysAddr::new(self.first.as_u64().wrapping_add(offset));
            let within = offset != self.bytes;
            offset = offset.wrapping_add(SecondStageEntry::BYTES);
            within.then_some(at)
        })
    }
}

/// Tables cached; a power of two.
const SLOTS: usize = 8;

/// The tables used last, each in the slot that its place selects.
#[derive(Debug)]
pub(super) struct NodeCache {
    slots: [(Option<Place>, Node); SLOTS],
}

impl NodeCache {
    pub(super) const fn new() -> Self {
        let nowhere = Node { table: PhysAddr::new(0), parent: PhysAddr::new(0) };
        Self { slots: [(None, nowhere); SLOTS] }
    }

    /// The slot for a place: tables next to each other have different ones.
    #[inline]
    const fn slot(level: Level, iova: Iova) -> usize {
        (iova.as_u64() / level.table_bytes()) as usize % SLOTS
    }

    #[inline]
    fn get(&self, level: Level, iova: Iova) -> Option<Node> {
        let (place, node) = self.slots[Self::slot(level, iova)];
        (place == Some(Place::of(level, iova))).then_some(node)
    }

    fn set(&mut self, level: Level, iova: Iova, node: Node) {
        self.slots[Self::slot(level, iova)] = (Some(Place::of(level, iova)), node);
    }

    /// Forgets a table that is about to be unlinked.
    pub(super) fn forget(&mut self, level: Level, iova: Iova) {
        self.slots[Self::slot(level, iova)].0 = None;
    }
}

impl SecondStage {
    /// The linked table of a level below the top that serves an address.
    #[inline]
    pub(super) fn node<M: TableMemory + ?Sized>(
        &mut self,
        memory: &M,
        level: Level,
        iova: Iova,
    ) -> Option<Node> {
        if let Some(node) = self.nodes.get(level, iova) {
            return Some(node);
        }
        let node = self.find_node(memory, level, iova)?;
        self.nodes.set(level, iova, node);
        Some(node)
    }

    /// Walks down to a table.
    #[cold]
    fn find_node<M: TableMemory + ?Sized>(&self, memory: &M, wanted: Level, iova: Iova) -> Option<Node> {
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
