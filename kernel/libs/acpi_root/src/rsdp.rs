//! The root pointer, ACPI "Root System Description Pointer (RSDP) Structure".

use crate::{FirmwareMemory, adds_up, u32_at};
use core::fmt;
use dma_types::PhysAddr;

/// Bytes of the first revision, which its checksum covers.
const FIRST_LEN: usize = 20;
/// Bytes from revision 2 on.
const SECOND_LEN: usize = 36;

/// Why no tables can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootError {
    /// The root pointer is not in memory, or is none.
    NoPointer {
        /// Where it should be.
        at: PhysAddr,
    },
    /// Neither root table can be read.
    NoRootTable,
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPointer { at } => write!(f, "no ACPI root pointer at {at}"),
            Self::NoRootTable => f.write_str("neither the XSDT nor the RSDT can be read"),
        }
    }
}

impl core::error::Error for RootError {}

/// What the root pointer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rsdp {
    /// The table of 32-bit addresses.
    pub(crate) rsdt: Option<PhysAddr>,
    /// The table of 64-bit addresses.
    pub(crate) xsdt: Option<PhysAddr>,
    /// Whether every checksum is right.
    pub(crate) sound: bool,
}

impl Rsdp {
    pub(crate) fn read(memory: &impl FirmwareMemory, at: PhysAddr) -> Result<Self, RootError> {
        let missing = RootError::NoPointer { at };
        let first = memory.read(at, FIRST_LEN).ok_or(missing)?;
        if !first.starts_with(b"RSD PTR ") {
            return Err(missing);
        }
        let has_second = first.get(15).is_some_and(|revision| *revision >= 2);
        let second = if has_second { memory.read(at, SECOND_LEN) } else { None };
        let low = u32_at(&first, 16).unwrap_or(0);
        let high = second
            .as_deref()
            .and_then(|second| Some(u64::from_le_bytes(*second.get(24..)?.first_chunk()?)))
            .unwrap_or(0);
        let present = |address: u64| (address != 0).then_some(PhysAddr::new(address));
        Ok(Self {
            rsdt: present(low.into()),
            xsdt: present(high),
            sound: adds_up(&first) && second.as_deref().is_none_or(adds_up) && has_second == second.is_some(),
        })
    }
}
