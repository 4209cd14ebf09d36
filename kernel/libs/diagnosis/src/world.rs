//! What diagnosis needs to know about the machine; the kernel answers.

use core::ops::Range;

use dma_types::{Bdf, InterruptIndex, Iova};

use crate::{Book, Fault, InterruptEntry};

/// The machine as diagnosis sees it.
///
/// Every answer comes from memory that the caller holds: no waiting, no allocation, no lock that the
/// interrupted code may hold. Books are those of the moment when the fault was drained.
pub trait World {
    /// The functions whose requests may carry this requester id; none if no such function was enumerated.
    fn candidates(&self, requester: Bdf) -> impl Iterator<Item = Function<'_>>;

    /// Lets `look` see the books of every domain, one after the other, until it finds something; tells what, and
    /// whose domain it was.
    fn find_in_domains<T>(&self, look: impl FnMut(&Book) -> Option<T>) -> Option<(Device<'_>, T)>;

    /// A range with all addresses in it that those behind a requester had in domains before the present one.
    fn had_before(&self, requester: Bdf) -> Range<Iova>;

    /// Compares the tables in memory, walked for this fault, with what the books say they should hold. Asked only for
    /// requests for memory: no walk leads to an interrupt.
    fn walk(&self, fault: &Fault) -> WalkCheck;

    /// What stands at an index of the table of interrupt entries of the unit that refused the request.
    fn interrupt_entry(&self, index: InterruptIndex) -> InterruptEntry<'_>;

    /// The bridge that a requester's bus lies behind, for one that no enumerated function stands for; `None` if it lies
    /// behind none that is known.
    fn port_above(&self, requester: Bdf) -> Option<Bdf>;

    /// The address bits that the unit translates for this requester.
    fn address_width(&self, requester: Bdf) -> u8;
}

/// A device in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'w> {
    /// Where the function stands on the buses.
    pub bdf: Bdf,
    /// What it is; may be empty.
    pub name: &'w str,
    /// The driver that owns it.
    pub driver: Option<&'w str>,
}

/// A function that may have sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Function<'w> {
    /// The function, as people know it.
    pub device: Device<'w>,
    /// Whether it may work at all.
    pub standing: Standing,
    /// Whether firmware reserved memory for it (RMRR).
    pub firmware_memory: FirmwareMemory,
    /// The books of its domain.
    pub book: Option<&'w Book>,
}

/// Whether a function may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is held against it.
    Enabled,
    /// It was contained after an earlier violation.
    Quarantined,
}

/// Whether firmware's table names memory for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirmwareMemory {
    /// Firmware reserved no region for it.
    None,
    /// At least one region.
    Reserved,
}

/// What comparing the tables with the books gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkCheck {
    /// Every level holds what the kernel wrote.
    Agrees,
    /// Some entry on the way is not what was written there.
    Differs,
}
