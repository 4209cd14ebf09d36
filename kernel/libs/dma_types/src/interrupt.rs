//! Interrupts that are writes: where they go, and what one of them says.

use core::fmt;
use core::ops::Range;

/// The addresses at which a device's write is an interrupt request and never reaches memory or a translation table
/// (VT-d "Interrupt Address Range"; SDM "Message Address Register Format"). No IOVA and no mapping lies in it.
pub const INTERRUPT_RANGE: Range<u64> = 0xfee0_0000..0xfef0_0000;

/// A message-signalled interrupt: which word is written where (PCI "MSI Capability Structure").
///
/// It is sent as it stands; a unit that remaps interrupts gives messages of another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiMessage {
    /// Where it is written: in the [`INTERRUPT_RANGE`], at a multiple of 4. Bits above 31 belong to processors with large
    /// ids, which only a remapping unit's own message can name.
    pub address: u64,
    /// What is written; a function without MSI-X sends no more than the lower 16 bits.
    pub data: u32,
}

/// The id of a processor's local APIC: 32 bits in x2APIC mode, 8 in xAPIC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApicId(pub u32);

impl fmt::Display for ApicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a unit's table of interrupt entries: what a message names where interrupts are remapped (VT-d "Interrupt
/// Remapping Table").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterruptIndex(pub u16);

impl fmt::Display for InterruptIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
