//! Interrupts that are writes: where they go, and what one of them says.

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
