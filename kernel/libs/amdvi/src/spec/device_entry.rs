//! Which domain a requester belongs to (AMD I/O Virtualization "Device Table Entry").
//!
//! ```text
//! word 0:  62 IW  61 IR  51:12 page table  11:9 Mode  1 TV  0 V
//! word 1:  15:0 DomainID; everything else is off: device TLBs, exclusion, suppressed events
//! word 2:  interrupts; 0: they pass as they are
//! word 3:  0
//! ```
//!
//! V clear means that the requester passes untranslated: no entry here ever has it so.

use dma_types::{DomainId, PhysAddr};

use super::page_entry::TableLevels;

const VALID: u64 = 1;
const TRANSLATED: u64 = 1 << 1;
const MODE_SHIFT: u32 = 9;
const READ: u64 = 1 << 61;
const WRITE: u64 = 1 << 62;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const DOMAIN: u64 = 0xffff;

/// Where a requester's translations begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageTableRoot {
    /// The table of the highest level.
    pub table: PhysAddr,
    /// Levels from there.
    pub levels: TableLevels,
}

/// A device table entry as four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DeviceEntry {
    /// From the lowest bits to the highest.
    pub words: [u64; 4],
}

impl DeviceEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 32;

    /// Word 0 of an entry that blocks, whatever the others hold: valid, without a translation.
    pub const CLOSED: u64 = VALID;

    /// An entry that blocks and has the unit log what it blocks: it leads to a table with nothing in it.
    pub const fn blocking(empty: PageTableRoot) -> Self {
        Self { words: [VALID | TRANSLATED | lead_to(empty), 0, 0, 0] }
    }

    /// An entry that leads to a domain's page table.
    pub const fn translated(domain: DomainId, root: PageTableRoot) -> Self {
        Self { words: [VALID | TRANSLATED | READ | WRITE | lead_to(root), domain.0 as u64 & DOMAIN, 0, 0] }
    }

    /// V: the entry counts. Without, the requester passes untranslated.
    pub const fn is_valid(self) -> bool {
        self.words[0] & VALID != 0
    }

    /// TV: what it says of translation counts. Without, all that asks for one is blocked.
    pub const fn is_translated(self) -> bool {
        self.words[0] & TRANSLATED != 0
    }

    /// Mode: levels of the page table; 0 for none, so that addresses stand as they are.
    pub const fn mode(self) -> u8 {
        (self.words[0] >> MODE_SHIFT & 0b111) as u8
    }

    /// The table of the highest level.
    pub const fn table(self) -> PhysAddr {
        PhysAddr::new(self.words[0] & ADDRESS)
    }

    /// IR: it permits reads.
    pub const fn permits_reads(self) -> bool {
        self.words[0] & READ != 0
    }

    /// IW: it permits writes.
    pub const fn permits_writes(self) -> bool {
        self.words[0] & WRITE != 0
    }

    /// Tells whether it leads into a domain.
    pub const fn permits_anything(self) -> bool {
        self.is_translated() && (self.permits_reads() || self.permits_writes())
    }

    /// The domain that its translations are remembered for.
    pub const fn domain(self) -> DomainId {
        DomainId((self.words[1] & DOMAIN) as u16)
    }
}

const fn lead_to(root: PageTableRoot) -> u64 {
    root.table.as_u64() & ADDRESS | (root.levels.count() as u64) << MODE_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: PageTableRoot =
        PageTableRoot { table: PhysAddr::new(0x1234_5000), levels: TableLevels::Four };

    #[test]
    fn entries_are_put_together_as_worked_out_by_hand() {
        let entry = DeviceEntry::translated(DomainId(0x37), ROOT);
        assert_eq!(entry.words, [0x6000_0000_1234_5803, 0x37, 0, 0]);
        assert_eq!((entry.domain(), entry.table(), entry.mode()), (DomainId(0x37), ROOT.table, 4));
        assert!(entry.permits_anything());
        let blocking = DeviceEntry::blocking(ROOT);
        assert_eq!(blocking.words, [0x0000_0000_1234_5803, 0, 0, 0]);
        assert!(blocking.is_valid() && !blocking.permits_anything());
    }
}
