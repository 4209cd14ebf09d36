//! The register table of a remapping unit: name, offset, width and access kind (VT-d "Register
//! Descriptions").
//!
//! Width and meaning come from the value's type, the access kind from a marker type, so that a status
//! register cannot be written and a write-1-to-clear register only be cleared. Two groups have no fixed
//! place: the IOTLB registers and the fault records; `CAP` and `ECAP` say where they lie.

use core::fmt;
use core::marker::PhantomData;

use super::capability::{Capabilities, ExtendedCapabilities, Version};
use super::command::{GlobalCommand, GlobalStatus, ProtectedMemoryEnable, RootTableAddress};
use super::fault_event::{FaultEventControl, FaultStatus};
use super::queue_registers::{QueueAddress, QueueErrorRecord, QueuePosition};
use super::register_invalidation::{ContextCommand, InvalidateAddress, IotlbCommand};

/// What one register holds, and how wide it is.
pub trait RegisterValue: Copy {
    /// Bytes of the register: 4 or 8.
    const BYTES: usize;
    /// Takes the bits as read; a 32-bit register fills the lower half.
    fn from_bits(bits: u64) -> Self;
    /// The bits to write; a 32-bit register uses the lower half.
    fn into_bits(self) -> u64;
}

impl RegisterValue for u32 {
    const BYTES: usize = 4;

    fn from_bits(bits: u64) -> Self {
        bits as Self
    }

    fn into_bits(self) -> u64 {
        u64::from(self)
    }
}

impl RegisterValue for u64 {
    const BYTES: usize = 8;

    fn from_bits(bits: u64) -> Self {
        bits
    }

    fn into_bits(self) -> u64 {
        self
    }
}

/// Makes newtypes and bitflags over `u32` or `u64` values of registers.
macro_rules! register_value {
    (flags $name:ident: $word:ty) => {
        impl $crate::spec::registers::RegisterValue for $name {
            const BYTES: usize = <$word as $crate::spec::registers::RegisterValue>::BYTES;

            fn from_bits(bits: u64) -> Self {
                Self::from_bits_retain(<$word as $crate::spec::registers::RegisterValue>::from_bits(bits))
            }

            fn into_bits(self) -> u64 {
                u64::from(self.bits())
            }
        }
    };
    (fields $name:ident: $word:ty) => {
        impl $crate::spec::registers::RegisterValue for $name {
            const BYTES: usize = <$word as $crate::spec::registers::RegisterValue>::BYTES;

            fn from_bits(bits: u64) -> Self {
                Self(<$word as $crate::spec::registers::RegisterValue>::from_bits(bits))
            }

            fn into_bits(self) -> u64 {
                u64::from(self.0)
            }
        }
    };
}
pub(crate) use register_value;

/// Access kind: may be read only.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly;
/// Access kind: may be written only; what it reads as means nothing.
#[derive(Clone, Copy, Debug)]
pub struct WriteOnly;
/// Access kind: may be read and written.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite;
/// Access kind: may be read, and its bits cleared by writing 1 to them.
#[derive(Clone, Copy, Debug)]
pub struct WriteOneToClear;

/// An access kind that permits reads.
pub trait Readable {}
impl Readable for ReadOnly {}
impl Readable for ReadWrite {}
impl Readable for WriteOneToClear {}

/// An access kind that permits plain writes.
pub trait Writable {}
impl Writable for WriteOnly {}
impl Writable for ReadWrite {}

/// One register: where it lies, what it holds (`V`), how it may be touched (`K`).
pub struct Register<V, K> {
    name: &'static str,
    offset: usize,
    types: PhantomData<(V, K)>,
}

impl<V, K> Register<V, K> {
    /// Names a register at an offset, in bytes from the window's start.
    pub const fn new(name: &'static str, offset: usize) -> Self {
        Self { name, offset, types: PhantomData }
    }

    /// The specification's mnemonic.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes from the window's start.
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl<V, K> Clone for Register<V, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, K> Copy for Register<V, K> {}

impl<V, K> fmt::Debug for Register<V, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name, self.offset)
    }
}

/// VT-d "Version Register".
pub const VER: Register<Version, ReadOnly> = Register::new("VER", 0x00);
/// VT-d "Capability Register".
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
