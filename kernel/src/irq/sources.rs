//! What firmware may have left armed, and what keeps the kernel from silencing it.

use alloc::vec::Vec;
use core::fmt;

use dma_types::PhysAddr;
use pci::{AddressRange, Claims, Owner};

use super::{hpet, io_apic};
use crate::memory::mmio::{Mmio, MmioError};
use crate::platform::acpi::InterruptTables;

/// Something that may go on interrupting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsilenced {
    /// Where the table says that its registers lie.
    pub at: PhysAddr,
}

/// Masks every pin and stops every event timer that the tables name, so that nothing of firmware's fires into vectors of
/// the kernel's. To be called once, before interrupts are let in.
///
/// `claims` is what is known to be somebody else's. Gives what may go on.
pub fn silence(tables: &InterruptTables, claims: &Claims) -> Vec<Unsilenced> {
    let mut unsilenced = io_apic::silence(&tables.io_apics, claims);
    unsilenced.extend(hpet::stop(&tables.hpets, claims));
    unsilenced
}

/// Maps registers at an address that a table names, if nobody else is known to be there.
pub(super) fn map<E>(at: PhysAddr, bytes: usize, claims: &Claims) -> Result<Mmio, NotBelieved<E>> {
    let range = AddressRange::with_length(at, bytes as u64);
    if let Some(claim) = range.and_then(|range| claims.met_by(range)) {
        return Err(NotBelieved::Over(claim.owner));
    }
    Mmio::of_platform(at, bytes).map_err(NotBelieved::Mapping)
}

/// Why the table is not believed.
#[derive(Clone, Copy, Debug)]
pub(super) enum NotBelieved<E> {
    /// Its registers would lie over somebody else's.
    Over(Owner),
    /// Another one is there already.
    Twice,
    /// The tables name more than there can be.
    TooMany,
    /// Its registers cannot be mapped.
    Mapping(MmioError),
    /// What is there does not behave like one.
    Odd(E),
}

impl<E: fmt::Display> fmt::Display for NotBelieved<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(owner) => write!(f, "the table has it lie over {owner}"),
            Self::Twice => f.write_str("the table has it lie where another one is"),
            Self::TooMany => f.write_str("the tables name too many"),
            Self::Mapping(error) => error.fmt(f),
            Self::Odd(error) => error.fmt(f),
        }
    }
}
