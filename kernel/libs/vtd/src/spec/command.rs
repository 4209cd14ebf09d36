//! Commands to the whole unit and their status: translation, queue, root table, protected memory.

use bitflags::bitflags;
use dma_types::PhysAddr;
use mmio_regs::register_value;

bitflags! {
    /// VT-d "Global Command Register": one change at a time, everything else as it stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GlobalCommand: u32 {
        /// TE: translate and enforce.
        const TRANSLATION = 1 << 31;
        /// SRTP: take the root table pointer from RTADDR. One-shot.
        const SET_ROOT = 1 << 30;
        /// SFL: take the fault log pointer. One-shot.
        const SET_FAULT_LOG = 1 << 29;
        /// EAFL: log faults to memory.
        const ADVANCED_FAULT_LOG = 1 << 28;
        /// WBF: flush the chipset's write buffer. One-shot.
        const WRITE_BUFFER_FLUSH = 1 << 27;
        /// QIE: use the invalidation queue.
        const QUEUE = 1 << 26;
        /// IRE: remap interrupts.
        const INTERRUPT_REMAPPING = 1 << 25;
        /// SIRTP: take the interrupt remapping table pointer. One-shot.
        const SET_INTERRUPT_TABLE = 1 << 24;
        /// CFI: let interrupts of the compatibility format pass.
        const COMPATIBILITY_INTERRUPTS = 1 << 23;
    }
}

bitflags! {
    /// VT-d "Global Status Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GlobalStatus: u32 {
        /// TES: translation is on.
        const TRANSLATION = 1 << 31;
        /// RTPS: the root table pointer is set.
        const ROOT_SET = 1 << 30;
        /// FLS: the fault log pointer is set.
        const FAULT_LOG_SET = 1 << 29;
        /// AFLS: faults go to the log in memory.
        const ADVANCED_FAULT_LOG = 1 << 28;
        /// WBFS: a write-buffer flush is under way.
        const WRITE_BUFFER_FLUSH = 1 << 27;
        /// QIES: the invalidation queue is on.
        const QUEUE = 1 << 26;
        /// IRES: interrupts are remapped.
        const INTERRUPT_REMAPPING = 1 << 25;
        /// IRTPS: the interrupt remapping table pointer is set.
        const INTERRUPT_TABLE_SET = 1 << 24;
        /// CFIS: interrupts of the compatibility format pass.
        const COMPATIBILITY_INTERRUPTS = 1 << 23;
    }
}

impl GlobalCommand {
    /// Commands that start something once; written as 1 only when that is wanted.
    pub const ONE_SHOT: Self = Self::SET_ROOT
        .union(Self::SET_FAULT_LOG)
        .union(Self::WRITE_BUFFER_FLUSH)
        .union(Self::SET_INTERRUPT_TABLE);

    /// The command that keeps everything as the status shows it and starts nothing.
    pub const fn keeping(status: GlobalStatus) -> Self {
        Self::from_bits_truncate(status.bits()).difference(Self::ONE_SHOT)
    }
}

register_value!(flags GlobalCommand: u32);
register_value!(flags GlobalStatus: u32);

/// VT-d "Root Table Address Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootTableAddress(pub u64);

impl RootTableAddress {
    /// A legacy-mode root table at the start of a page.
    pub const fn legacy(table: PhysAddr) -> Self {
        Self(table.page().as_u64())
    }

    /// Where the root table lies, bits 63:12.
    pub const fn table(self) -> PhysAddr {
        PhysAddr::new(self.0).page()
    }

    /// TTM: 0 legacy, 1 scalable; other values are kept.
    pub const fn table_mode(self) -> u8 {
        (self.0 >> 10) as u8 & 0b11
    }
}

register_value!(fields RootTableAddress: u64);

bitflags! {
    /// VT-d "Protected Memory Enable Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProtectedMemoryEnable: u32 {
        /// EPM: block DMA to the protected regions.
        const ENABLE = 1 << 31;
        /// PRS: the regions are being protected. Read-only.
        const STATUS = 1;
    }
}

register_value!(flags ProtectedMemoryEnable: u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_status_at_the_same_bit() {
        for (command, status) in [
            (GlobalCommand::TRANSLATION, GlobalStatus::TRANSLATION),
            (GlobalCommand::SET_ROOT, GlobalStatus::ROOT_SET),
            (GlobalCommand::SET_FAULT_LOG, GlobalStatus::FAULT_LOG_SET),
            (GlobalCommand::ADVANCED_FAULT_LOG, GlobalStatus::ADVANCED_FAULT_LOG),
            (GlobalCommand::WRITE_BUFFER_FLUSH, GlobalStatus::WRITE_BUFFER_FLUSH),
            (GlobalCommand::QUEUE, GlobalStatus::QUEUE),
            (GlobalCommand::INTERRUPT_REMAPPING, GlobalStatus::INTERRUPT_REMAPPING),
            (GlobalCommand::SET_INTERRUPT_TABLE, GlobalStatus::INTERRUPT_TABLE_SET),
            (GlobalCommand::COMPATIBILITY_INTERRUPTS, GlobalStatus::COMPATIBILITY_INTERRUPTS),
        ] {
            assert_eq!(command.bits(), status.bits());
        }
        assert_eq!(GlobalCommand::all().bits(), GlobalStatus::all().bits());
    }

    #[test]
    fn keeping_drops_what_would_start_again() {
        // Translation, root set, queue and remapping on, its table set; and a reserved bit.
        let status = GlobalStatus::from_bits_retain(0xc700_0001);
        assert_eq!(GlobalCommand::keeping(status).bits(), 0x8600_0000);
    }

    #[test]
    fn the_root_pointer_splits() {
        let register = RootTableAddress(0x1234_5400);
        assert_eq!((register.table(), register.table_mode()), (PhysAddr::new(0x1234_5000), 1));
        assert_eq!(RootTableAddress::legacy(PhysAddr::new(0x7000)).0, 0x7000);
    }
}
