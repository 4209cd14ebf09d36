//! Memory for the tests of tables: calls back whenever what a unit sees of it has changed.

use std::boxed::Box;
use std::collections::BTreeSet;
use std::vec::Vec;

use dma_types::PhysAddr;

use crate::TableMemory;
use crate::testing::walker::WalkMemory;
use crate::testing::{FakeMemory, View};

use super::Coherence;

/// [`TableMemory`] shows the processor's side, [`WalkMemory`] the unit's.
pub(crate) struct TestMemory {
    memory: FakeMemory,
    view: View,
    pages: BTreeSet<PhysAddr>,
    allocations: usize,
    watch: Box<dyn Fn(&Self)>,
}

impl TestMemory {
    /// Memory of a unit that does not snoop.
    pub(crate) fn new() -> Self {
        Self::with(Coherence::NonCoherent)
    }

    pub(crate) fn with(coherence: Coherence) -> Self {
        let view = match coherence {
            Coherence::Coherent => View::Coherent,
            Coherence::NonCoherent => View::WrittenBack,
        };
        let memory = FakeMemory::new();
        Self { memory, view, pages: BTreeSet::new(), allocations: 0, watch: Box::new(|_| {}) }
    }

    /// Pages handed out and not freed.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn page_addresses(&self) -> Vec<PhysAddr> {
        self.pages.iter().copied().collect()
    }

    /// Pages ever handed out.
    pub(crate) fn allocations(&self) -> usize {
        self.allocations
    }

    /// Makes the `nth` allocation from now fail, counted from 0.
    pub(crate) fn fail_allocation(&self, nth: usize) {
        self.memory.fail_allocation(nth);
    }

    /// Calls `watch` from now on at every change that a unit can see.
    pub(crate) fn watch(&mut self, watch: impl Fn(&Self) + 'static) {
        self.watch = Box::new(watch);
    }
}

impl TableMemory for TestMemory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        let page = self.memory.allocate()?;
        self.pages.insert(page);
        self.allocations += 1;
        Some(page)
    }

    fn free(&mut self, page: PhysAddr) {
        self.memory.free(page);
        self.pages.remove(&page);
    }

    fn read(&self, at: PhysAddr) -> u64 {
        self.memory.read(at)
    }

    fn write(&mut self, at: PhysAddr, value: u64) {
        self.memory.write(at, value);
        if self.view == View::Coherent {
            (self.watch)(self);
        }
    }

    fn flush(&self, at: PhysAddr, bytes: u64) {
        self.memory.flush(at, bytes);
        (self.watch)(self);
    }
}

impl WalkMemory for TestMemory {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        self.memory.device_read(at, self.view)
    }
}
