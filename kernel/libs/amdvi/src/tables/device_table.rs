//! The device table: which domain each requester belongs to.

use dma_types::{DomainId, PAGE_SIZE, PhysAddr, SourceId};
use iommu::{ContiguousMemory, TableMemory};

use crate::spec::device_entry::{DeviceEntry, PageTableRoot};
use crate::spec::page_entry::TableLevels;
use crate::spec::ring::DeviceTableBase;

use super::TableError;

/// Power of two of the pages that hold an entry for every requester id there is. A shorter table would leave to the unit
/// what becomes of ids beyond it.
const ORDER: u8 = 9;
/// Requester ids of a segment.
const REQUESTERS: u64 = 1 << 16;

/// The device table of one unit, by default blocking every requester.
///
/// A blocked requester is led to a page table with nothing in it, so that the unit logs what it blocks. V is set in every
/// entry at every moment: without it the unit lets requests pass. The domain in an entry changes only
/// while TV is clear, and [`attach`](crate::Unit::attach) has the unit forget the entry before TV is set; so whatever
/// words of an old and a new entry a unit puts together, the whole blocks or is one of the two.
#[must_use = "dropping it leaks its pages"]
#[derive(Debug)]
pub struct DeviceTable {
    first: PhysAddr,
    empty: PageTableRoot,
}

/// What stands in a requester's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is blocked, and the unit remembers nothing else.
    Blocked,
    /// It is blocked; the unit may still remember that it was of this domain.
    Unconfirmed(DomainId),
    /// It belongs to this domain.
    Attached(DomainId),
}

impl DeviceTable {
    /// Makes a table that blocks everything.
    ///
    /// The unit has to be given [`Self::base`], and everything that it remembers to be forgotten, before it counts.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new<M: ContiguousMemory>(memory: &mut M, levels: TableLevels) -> Result<Self, TableError> {
        let table = memory.allocate().ok_or(TableError::OutOfMemory)?;
        let Some(first) = memory.allocate_row(ORDER) else {
            memory.free(table);
            return Err(TableError::OutOfMemory);
        };
        let table = Self { first, empty: PageTableRoot { table, levels } };
        for requester in 0..REQUESTERS {
            let at = PhysAddr::new(first.as_u64() + requester * DeviceEntry::BYTES);
            memory.write(at, DeviceEntry::blocking(table.empty).words[0]);
        }
        Ok(table)
    }

    /// What the unit is told of it.
    pub const fn base(&self) -> DeviceTableBase {
        DeviceTableBase::new(self.first, ORDER)
    }

    /// A requester's entry as it stands in memory.
    pub fn entry<M: TableMemory>(&self, memory: &M, source: SourceId) -> DeviceEntry {
        DeviceEntry { words: [0, 1, 2, 3].map(|word| memory.read(self.word(source, word))) }
    }

    /// Where a requester's entry stands.
    pub fn entry_address(&self, source: SourceId) -> PhysAddr {
        self.word(source, 0)
    }

    /// What stands in a requester's entry.
    pub fn standing<M: TableMemory>(&self, memory: &M, source: SourceId) -> Standing {
        let entry = self.entry(memory, source);
        match (entry.permits_anything(), entry.domain()) {
            (true, domain) => Standing::Attached(domain),
            (false, DomainId(0)) => Standing::Blocked,
            (false, domain) => Standing::Unconfirmed(domain),
        }
    }

    /// The first half of attaching a blocked requester: its entry names the domain, and blocks. From here on it may be
    /// remembered so; the unit has to forget the entry before [`Self::open`].
    ///
    /// # Errors
    /// It is attached, or was and may be remembered so; nothing has changed. Domain 0 is nobody's, and the table of the
    /// highest level starts at a page.
    pub fn name_domain<M: TableMemory>(
        &mut self,
        memory: &mut M,
        source: SourceId,
        domain: DomainId,
        root: PageTableRoot,
    ) -> Result<(), TableError> {
        if !root.table.is_aligned(PAGE_SIZE) {
            return Err(TableError::Unaligned(root.table));
        }
        match self.standing(memory, source) {
            Standing::Attached(_) => Err(TableError::AlreadyAttached(source)),
            Standing::Unconfirmed(_) => Err(TableError::Unconfirmed(source)),
            Standing::Blocked => {
                let [_, second, ..] = DeviceEntry::translated(domain, root).words;
                memory.write(self.word(source, 0), DeviceEntry::CLOSED);
                memory.write(self.word(source, 1), second);
                Ok(())
            }
        }
    }

    /// The second half: the entry leads to the domain's page table, in one store. The unit has to forget it once more.
    pub fn open<M: TableMemory>(&mut self, memory: &mut M, source: SourceId, root: PageTableRoot) {
        let domain = self.entry(memory, source).domain();
        memory.write(self.word(source, 0), DeviceEntry::translated(domain, root).words[0]);
    }

    /// Blocks a requester, in one store, and tells which domain the unit may still remember it in. That stands in the entry
    /// until [`forget_blocked`](Self::forget_blocked).
    #[must_use = "the domain has to be invalidated"]
    pub fn block<M: TableMemory>(&mut self, memory: &mut M, source: SourceId) -> Option<DomainId> {
        let standing = self.standing(memory, source);
        if standing == Standing::Blocked {
            return None;
        }
        memory.write(self.word(source, 0), DeviceEntry::CLOSED);
        Some(self.entry(memory, source).domain())
    }

    /// Clears what is left of a blocked requester's domain, and has what it is refused logged again. The unit must have
    /// forgotten the domain.
    pub(crate) fn forget_blocked<M: TableMemory>(&mut self, memory: &mut M, source: SourceId) {
        if let Standing::Unconfirmed(_) = self.standing(memory, source) {
            memory.write(self.word(source, 1), 0);
            memory.write(self.word(source, 0), DeviceEntry::blocking(self.empty).words[0]);
        }
    }

    /// A requester whose entry names this domain, attached or not confirmed; none if the domain is nobody's.
    pub fn named_in<M: TableMemory>(&self, memory: &M, domain: DomainId) -> Option<SourceId> {
        let named = |source: &SourceId| memory.read(self.word(*source, 1)) as u16 == domain.0;
        (0..=u16::MAX).map(SourceId::from_bits).find(named)
    }

    /// Every page in use, none of which may be mapped in any domain.
    pub fn pages(&self) -> impl Iterator<Item = PhysAddr> + '_ {
        let row = (0..1_u64 << ORDER).map(|page| PhysAddr::new(self.first.as_u64() + page * PAGE_SIZE));
        row.chain([self.empty.table])
    }

    /// Frees every page. The unit must use another table by now, and hold nothing of this one.
    pub fn release<M: ContiguousMemory>(self, memory: &mut M) {
        memory.free_row(self.first, ORDER);
        memory.free(self.empty.table);
    }

    const fn word(&self, source: SourceId, word: u64) -> PhysAddr {
        PhysAddr::new(self.first.as_u64() + source.bits() as u64 * DeviceEntry::BYTES + word * 8)
    }
}
