//! The register table of a remapping unit: name, offset, width and access kind (VT-d "Register
//! Descriptions").
//!
//! Two groups have no fixed place: the IOTLB registers and the fault records; `CAP` and `ECAP` say where they lie.

use mmio_regs::{ReadOnly, ReadWrite, Register, WriteOneToClear, WriteOnly};

use super::capability::{Capabilities, ExtendedCapabilities, Version};
use super::command::{GlobalCommand, GlobalStatus, ProtectedMemoryEnable, RootTableAddress};
use super::fault_event::{FaultEventControl, FaultStatus};
use super::interrupt_table::InterruptTableAddress;
use super::queue_registers::{QueueAddress, QueueErrorRecord, QueuePosition};
use super::register_invalidation::{ContextCommand, InvalidateAddress, IotlbCommand};

/// Which architecture the unit follows (VT-d "Version Register").
pub const VER: Register<Version, ReadOnly> = Register::new("VER", 0x00);
/// What the unit can do (VT-d "Capability Register").
pub const CAP: Register<Capabilities, ReadOnly> = Register::new("CAP", 0x08);
/// VT-d "Extended Capability Register".
pub const ECAP: Register<ExtendedCapabilities, ReadOnly> = Register::new("ECAP", 0x10);
/// VT-d "Global Command Register".
pub const GCMD: Register<GlobalCommand, WriteOnly> = Register::new("GCMD", 0x18);
/// VT-d "Global Status Register".
pub const GSTS: Register<GlobalStatus, ReadOnly> = Register::new("GSTS", 0x1c);
/// VT-d "Root Table Address Register".
pub const RTADDR: Register<RootTableAddress, ReadWrite> = Register::new("RTADDR", 0x20);
/// VT-d "Context Command Register".
pub const CCMD: Register<ContextCommand, ReadWrite> = Register::new("CCMD", 0x28);
/// VT-d "Fault Status Register".
pub const FSTS: Register<FaultStatus, WriteOneToClear> = Register::new("FSTS", 0x34);
/// VT-d "Fault Event Control Register".
pub const FECTL: Register<FaultEventControl, ReadWrite> = Register::new("FECTL", 0x38);
/// VT-d "Fault Event Data Register".
pub const FEDATA: Register<u32, ReadWrite> = Register::new("FEDATA", 0x3c);
/// VT-d "Fault Event Address Register".
pub const FEADDR: Register<u32, ReadWrite> = Register::new("FEADDR", 0x40);
/// VT-d "Fault Event Upper Address Register".
pub const FEUADDR: Register<u32, ReadWrite> = Register::new("FEUADDR", 0x44);
/// VT-d "Protected Memory Enable Register".
pub const PMEN: Register<ProtectedMemoryEnable, ReadWrite> = Register::new("PMEN", 0x64);
/// VT-d "Invalidation Queue Head Register".
pub const IQH: Register<QueuePosition, ReadOnly> = Register::new("IQH", 0x80);
/// VT-d "Invalidation Queue Tail Register".
pub const IQT: Register<QueuePosition, ReadWrite> = Register::new("IQT", 0x88);
/// VT-d "Invalidation Queue Address Register".
pub const IQA: Register<QueueAddress, ReadWrite> = Register::new("IQA", 0x90);
/// VT-d "Invalidation Queue Error Record Register".
pub const IQERCD: Register<QueueErrorRecord, ReadOnly> = Register::new("IQERCD", 0xb0);
/// VT-d "Interrupt Remapping Table Address Register".
pub const IRTA: Register<InterruptTableAddress, ReadWrite> = Register::new("IRTA", 0xb8);

/// Bytes that every unit's window has at least: up to the end of IRTA, the interrupt table's address.
pub const FIXED_PART: usize = 0xc0;

/// Bytes of the IOTLB registers: IVA, then IOTLB.
pub const IOTLB_REGISTERS: usize = 16;

/// VT-d "Invalidate Address Register"; `base` is where the IOTLB registers start.
pub const fn iva(base: usize) -> Register<InvalidateAddress, WriteOnly> {
    Register::new("IVA", base)
}

/// VT-d "IOTLB Invalidate Register"; `base` is where the IOTLB registers start.
pub const fn iotlb(base: usize) -> Register<IotlbCommand, ReadWrite> {
    Register::new("IOTLB", base + 8)
}

/// Bytes of one fault record.
pub const FAULT_RECORD: usize = 16;

/// Lower half of the fault record at `base`: VT-d "Fault Recording Registers".
pub const fn fault_record_low(base: usize) -> Register<u64, ReadOnly> {
    Register::new("FRCD", base)
}

/// Third doubleword of the fault record at `base`: the requester.
pub const fn fault_record_source(base: usize) -> Register<u32, ReadOnly> {
    Register::new("FRCD", base + 8)
}

/// Fourth doubleword of the fault record at `base`: it holds F, whose 1 frees the record.
pub const fn fault_record_high(base: usize) -> Register<u32, WriteOneToClear> {
    Register::new("FRCD", base + 12)
}
