//! The table of interrupt entries: which messages raise what.

use dma_types::{InterruptIndex, PAGE_SIZE, PhysAddr};

use crate::TableMemory;
use crate::spec::interrupt_entry::{DestinationMode, InterruptEntry};
use crate::spec::interrupt_table::InterruptTableAddress;

use super::root_table::high_word;
use super::{Coherence, TableError, word};

/// Power of two of entries: one page of them, which is more than one processor has vectors. The one place that says so.
const ORDER: u8 = (PAGE_SIZE / InterruptEntry::BYTES).trailing_zeros() as u8;

/// The interrupt entries of one unit, by default refusing every message.
#[must_use = "dropping it leaks its page"]
#[derive(Debug)]
pub struct InterruptTable {
    page: PhysAddr,
    mode: DestinationMode,
    coherence: Coherence,
}

impl InterruptTable {
    /// Makes a table without a present entry. The unit has to be given [`Self::address`] before it counts.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new<M: TableMemory + ?Sized>(
        memory: &mut M,
        mode: DestinationMode,
        coherence: Coherence,
    ) -> Result<Self, TableError> {
        let page = memory.allocate().ok_or(TableError::OutOfMemory)?;
        coherence.publish(memory, page, PAGE_SIZE);
        Ok(Self { page, mode, coherence })
    }

    /// What the unit is told of it.
    pub const fn address(&self) -> InterruptTableAddress {
        InterruptTableAddress::new(self.page, ORDER, self.mode)
    }

    /// How its entries name processors.
    pub const fn mode(&self) -> DestinationMode {
        self.mode
    }

    /// The page that it lies in, which may be mapped in no domain.
    pub const fn page(&self) -> PhysAddr {
        self.page
    }

    /// How many entries it has.
    pub const fn entries(&self) -> u32 {
        1 << ORDER
    }

    /// Writes an entry that is not present: the upper half first, so that the store of P completes it. Beyond the table,
    /// or where an entry is present, it does nothing.
    pub fn write<M: TableMemory + ?Sized>(
        &mut self,
        memory: &mut M,
        index: InterruptIndex,
        entry: InterruptEntry,
    ) {
        let Some(at) = self.entry_address(index) else { return };
        if self.entry(memory, index).is_present() {
            return;
        }
        memory.write(high_word(at), entry.high());
        memory.write(at, entry.low());
        self.coherence.publish(memory, at, InterruptEntry::BYTES);
    }

    /// Takes an entry away, by its lower half alone: a unit that reads it by halves finds one that is whole, or none.
    pub fn clear<M: TableMemory + ?Sized>(&mut self, memory: &mut M, index: InterruptIndex) {
        let Some(at) = self.entry_address(index) else { return };
        memory.write(at, 0);
        self.coherence.publish(memory, at, InterruptEntry::BYTES);
    }

    /// An entry as it stands in memory; one that is not present beyond the table.
    pub fn entry<M: TableMemory + ?Sized>(&self, memory: &M, index: InterruptIndex) -> InterruptEntry {
        self.entry_address(index).map_or(InterruptEntry::default(), |at| {
            InterruptEntry::from_words(memory.read(at), memory.read(high_word(at)))
        })
    }

    /// Where an entry stands; `None` beyond the table.
    pub fn entry_address(&self, index: InterruptIndex) -> Option<PhysAddr> {
        (u32::from(index.0) < self.entries()).then(|| word(self.page, u64::from(index.0) * 2))
    }
}
