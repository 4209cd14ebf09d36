//! What the unit is told by its command buffer (AMD I/O Virtualization "Commands").

use dma_types::{DomainId, Iova, PAGE_SIZE, PhysAddr, SourceId};

/// A command, as two 64-bit halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Bits 63:0; the highest four say what it is.
    pub low: u64,
    /// Bits 127:64.
    pub high: u64,
}

/// The number of a command. Others exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// COMPLETION_WAIT.
    pub const COMPLETION_WAIT: Self = Self(1);
    /// INVALIDATE_DEVTAB_ENTRY.
    pub const DEVICE_ENTRY: Self = Self(2);
    /// INVALIDATE_IOMMU_PAGES.
    pub const PAGES: Self = Self(3);
    /// INVALIDATE_INTERRUPT_TABLE.
    pub const INTERRUPT_TABLE: Self = Self(5);
    /// INVALIDATE_IOMMU_ALL.
    pub const ALL: Self = Self(8);
}

const OPCODE_SHIFT: u32 = 60;
/// COMPLETION_WAIT: a value is stored.
const STORE: u64 = 1;
/// INVALIDATE_IOMMU_PAGES: more than one page.
const SIZE: u64 = 1;
/// INVALIDATE_IOMMU_PAGES: entries that lead to tables as well.
const TABLES: u64 = 1 << 1;
const ADDRESS: u64 = !(PAGE_SIZE - 1);
/// The address that stands for every page, with the size bit.
const ALL_PAGES: u64 = 0x7fff_ffff_ffff_f000;

impl Command {
    /// Has the unit store `value` once all commands before it are done.
    pub const fn completion_wait(store: PhysAddr, value: u64) -> Self {
        Self {
            low: opcode(Opcode::COMPLETION_WAIT) | store.as_u64() & 0x000f_ffff_ffff_fff8 | STORE,
            high: value,
        }
    }

    /// Has what is remembered of a requester's device entry forgotten.
    pub const fn device_entry(source: SourceId) -> Self {
        Self { low: opcode(Opcode::DEVICE_ENTRY) | source.bits() as u64, high: 0 }
    }

    /// Has every translation of a domain forgotten, with what leads to tables.
    pub const fn domain_pages(domain: DomainId) -> Self {
        Self { low: pages(domain), high: ALL_PAGES | SIZE | TABLES }
    }

    /// Has the translations of 2^`order` pages of a domain forgotten; the first is a multiple of their size.
    pub const fn pages(domain: DomainId, start: Iova, order: u8) -> Self {
        if order == 0 {
            return Self { low: pages(domain), high: start.as_u64() & ADDRESS };
        }
        // The lowest 0 from bit 12 on tells the size: all below it are 1.
        let size = (PAGE_SIZE << (order - 1)) - 1;
        Self { low: pages(domain), high: (start.as_u64() | size) & ADDRESS | SIZE }
    }

    /// The same, with what leads to tables.
    #[must_use]
    pub const fn with_tables(self) -> Self {
        Self { low: self.low, high: self.high | TABLES }
    }

    /// Has what is remembered of a requester's interrupt entries forgotten.
    pub const fn interrupt_table(source: SourceId) -> Self {
        Self { low: opcode(Opcode::INTERRUPT_TABLE) | source.bits() as u64, high: 0 }
    }

    /// Has everything forgotten; where the features offer it.
    pub const fn all() -> Self {
        Self { low: opcode(Opcode::ALL), high: 0 }
    }

    /// What it is.
    pub const fn opcode(self) -> Opcode {
        Opcode((self.low >> OPCODE_SHIFT) as u8)
    }
}

const fn opcode(opcode: Opcode) -> u64 {
    (opcode.0 as u64) << OPCODE_SHIFT
}

const fn pages(domain: DomainId) -> u64 {
    opcode(Opcode::PAGES) | (domain.0 as u64) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_put_together_as_worked_out_by_hand() {
        let wait = Command::completion_wait(PhysAddr::new(0x12_3458), 7);
        assert_eq!(wait, Command { low: 0x1000_0000_0012_3459, high: 7 });
        assert_eq!(Command::device_entry(SourceId::from_bits(0x118)).low, 0x2000_0000_0000_0118);
        let domain = Command::domain_pages(DomainId(5));
        assert_eq!(domain, Command { low: 0x3000_0005_0000_0000, high: 0x7fff_ffff_ffff_f003 });
        assert_eq!(Command::interrupt_table(SourceId::from_bits(1)).low, 0x5000_0000_0000_0001);
        assert_eq!(Command::all().low, 0x8000_0000_0000_0000);
    }

    #[test]
    fn ones_in_the_address_tell_how_many_pages() {
        let pages = |order| Command::pages(DomainId(1), Iova::new(0x4000_0000), order).high;
        assert_eq!(pages(0), 0x4000_0000);
        assert_eq!(pages(1), 0x4000_0001);
        assert_eq!(pages(2), 0x4000_1001);
        assert_eq!(pages(9), 0x400f_f001);
        assert_eq!(Command::pages(DomainId(1), Iova::new(0), 9).with_tables().high, 0xf_f003);
    }
}
