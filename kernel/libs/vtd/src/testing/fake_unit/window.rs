//! The register window: which access reaches what, and which none.

use mmio_regs::Registers;

use crate::spec::command::{GlobalCommand, ProtectedMemoryEnable, RootTableAddress};
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::spec::queue_registers::{QueueAddress, QueuePosition};
use crate::spec::register_invalidation::{ContextCommand, InvalidateAddress, IotlbCommand};
use crate::spec::registers::{
    CAP, CCMD, ECAP, FAULT_RECORD, FEADDR, FECTL, FEDATA, FEUADDR, FSTS, GCMD, GSTS, IQA, IQERCD, IQH, IQT,
    IRTA, PMEN, RTADDR, VER,
};

use super::{FakeUnit, State, Stuck};

// The offsets as patterns.
const VERSION: usize = VER.offset();
const CAPABILITIES: usize = CAP.offset();
const EXTENDED: usize = ECAP.offset();
const COMMAND: usize = GCMD.offset();
const STATUS: usize = GSTS.offset();
const ROOT: usize = RTADDR.offset();
const CONTEXT: usize = CCMD.offset();
const FAULT_STATUS: usize = FSTS.offset();
const FAULT_CONTROL: usize = FECTL.offset();
const FAULT_DATA: usize = FEDATA.offset();
const FAULT_ADDRESS: usize = FEADDR.offset();
const FAULT_UPPER: usize = FEUADDR.offset();
const PROTECTED: usize = PMEN.offset();
const HEAD: usize = IQH.offset();
const TAIL: usize = IQT.offset();
const QUEUE: usize = IQA.offset();
const QUEUE_ERROR: usize = IQERCD.offset();
const INTERRUPT_TABLE: usize = IRTA.offset();

impl Registers for FakeUnit {
    fn len(&self) -> usize {
        self.state.borrow().config.window
    }

    fn read32(&self, offset: usize) -> u32 {
        self.state.borrow_mut().read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        let mut state = self.state.borrow_mut();
        state.ask_meanwhile();
        state.write32(offset, value);
        state.note();
    }

    fn read64(&self, offset: usize) -> u64 {
        self.state.borrow_mut().read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        let mut state = self.state.borrow_mut();
        state.ask_meanwhile();
        state.write64(offset, value);
        state.note();
    }
}

impl State {
    fn read32(&mut self, offset: usize) -> u32 {
        match offset {
            VERSION => 0x10,
            STATUS => self.read_status(),
            FAULT_STATUS => self.faults.read_status(),
            FAULT_CONTROL => self.faults.control(),
            FAULT_DATA => self.faults.message.data,
            FAULT_ADDRESS => self.faults.message.address as u32,
            FAULT_UPPER => (self.faults.message.address >> 32) as u32,
            PROTECTED => self.read_protected_memory(),
            _ => match self.record_at(offset) {
                Some((index, 8)) => self.faults.halves(index).1 as u32,
                Some((index, 12)) => (self.faults.halves(index).1 >> 32) as u32,
                _ => panic!("no 32-bit register at {offset:#x}"),
            },
        }
    }

    fn read64(&mut self, offset: usize) -> u64 {
        match offset {
            CAPABILITIES => self.config.capabilities().0,
            EXTENDED => self.config.extended_capabilities().0,
            ROOT => self.root_register.0,
            CONTEXT => self.read_context_command().0,
            HEAD => QueuePosition::at(self.queue.head).0,
            TAIL => QueuePosition::at(self.queue.tail).0,
            QUEUE => self.queue.address.0,
            QUEUE_ERROR => self.queue.error.0,
            INTERRUPT_TABLE => self.interrupts.register.0,
            _ if offset == self.config.iotlb_offset + 8 => self.read_iotlb_command().0,
            _ => match self.record_at(offset) {
                Some((index, 0)) => self.faults.halves(index).0,
                _ => panic!("no 64-bit register to read at {offset:#x}"),
            },
        }
    }

    fn write32(&mut self, offset: usize, value: u32) {
        match offset {
            COMMAND => self.command(GlobalCommand::from_bits_retain(value)),
            FAULT_STATUS => self.faults.write_status(value),
            FAULT_CONTROL => self.faults.write_control(value),
            // 16 bits of data; the address is a multiple of 4.
            FAULT_DATA => self.faults.message.data = value & 0xffff,
            FAULT_ADDRESS => {
                let upper = self.faults.message.address >> 32 << 32;
                self.faults.message.address = upper | u64::from(value & !0b11);
            }
            FAULT_UPPER => {
                assert!(self.config.extended_interrupts.is_yes(), "FEUADDR is reserved");
                if !self.config.upper_message_address.is_yes() {
                    return;
                }
                let lower = self.faults.message.address & 0xffff_ffff;
                self.faults.message.address = u64::from(value) << 32 | lower;
            }
            PROTECTED => self.protect_memory(ProtectedMemoryEnable::from_bits_retain(value)),
            _ => match self.record_at(offset) {
                Some((index, 12)) => self.faults.write_record(index, value),
                _ => panic!("no 32-bit register to write at {offset:#x}"),
            },
        }
    }

    fn write64(&mut self, offset: usize, value: u64) {
        match offset {
            ROOT => {
                assert_eq!(value & 0x3ff, 0, "reserved bits of RTADDR");
                self.root_register = RootTableAddress(value);
            }
            CONTEXT => self.context_invalidation(ContextCommand(value)),
            INTERRUPT_TABLE => {
                assert!(self.config.interrupt_remapping.is_yes(), "IRTA is reserved");
                let extended = u64::from(self.config.extended_interrupts.is_yes()) << 11;
                assert_eq!(value & 0xff0 & !extended, 0, "reserved bits of IRTA");
                self.interrupts.register = InterruptTableAddress(value);
            }
            TAIL => self.move_tail(QueuePosition(value)),
            QUEUE => self.place_queue(QueueAddress(value)),
            _ if offset == self.config.iotlb_offset => {
                self.invalidate_address = InvalidateAddress(value);
            }
            _ if offset == self.config.iotlb_offset + 8 => self.iotlb_invalidation(IotlbCommand(value)),
            _ => panic!("no 64-bit register to write at {offset:#x}"),
        }
    }

    /// The fault record around an offset, and the offset within it.
    fn record_at(&self, offset: usize) -> Option<(usize, usize)> {
        let from_first = offset.checked_sub(self.config.record_offset)?;
        let index = from_first / FAULT_RECORD;
        (index < self.config.records).then_some((index, from_first % FAULT_RECORD))
    }

    fn protect_memory(&mut self, value: ProtectedMemoryEnable) {
        assert!(self.config.protected_memory.is_yes(), "there is no protected memory");
        assert!((value - ProtectedMemoryEnable::ENABLE).is_empty(), "reserved bits of PMEN");
        self.protect = value.contains(ProtectedMemoryEnable::ENABLE);
        self.busy_reads = self.config.delay;
        self.settle_protected_memory();
    }

    fn read_protected_memory(&mut self) -> u32 {
        self.busy_reads = self.busy_reads.saturating_sub(1);
        self.settle_protected_memory();
        let mut value = ProtectedMemoryEnable::empty();
        value.set(ProtectedMemoryEnable::ENABLE, self.protect);
        value.set(ProtectedMemoryEnable::STATUS, self.protected);
        value.bits()
    }

    fn settle_protected_memory(&mut self) {
        if self.busy_reads == 0 && !self.is_stuck(Stuck::ProtectedMemory) {
            self.protected = self.protect;
            self.note();
        }
    }
}
