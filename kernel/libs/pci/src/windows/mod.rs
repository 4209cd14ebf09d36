//! Register windows: which of those that functions name are believed.
//!
//! [`Topology::check_windows`](crate::Topology::check_windows) reads base address registers, bridges' windows and the
//! places of message tables once, and decides. What passes is a [`Window`], and nothing else makes one: whoever maps
//! registers for a driver takes it, and nobody asks the function again.

mod bus;
mod claims;
mod contest;
mod forwarded;
mod gate;
mod range;
#[cfg(test)]
mod tests;
mod vectors;

use dma_types::PhysAddr;

pub use claims::{Claim, Claims, Owner};
pub use range::AddressRange;
pub use vectors::VectorTable;

/// A register window that is believed: a power of two of bytes, aligned to itself, within the windows of every bridge
/// above, and nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(AddressRange);

impl Window {
    /// A window of this shape; `None` if it is not aligned to its size. Whether it is believed, the caller knows.
    pub(crate) fn of_shape(start: PhysAddr, bytes: u64) -> Option<Self> {
        if !bytes.is_power_of_two() || !start.is_aligned(bytes) {
            return None;
        }
        AddressRange::with_length(start, bytes).map(Self)
    }

    /// The physical address of the first register.
    pub const fn start(self) -> PhysAddr {
        self.0.first()
    }

    /// Its bytes, a power of two.
    pub const fn bytes(self) -> u64 {
        self.0.last().as_u64() - self.0.first().as_u64() + 1
    }

    /// The physical addresses from the first register to the last byte.
    pub const fn range(self) -> AddressRange {
        self.0
    }
}

/// What is known of a function's windows once they have been checked; nothing before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    registers: Option<[u32; 6]>,
    believed: [Option<Window>; 6],
    over_regions: [Option<AddressRange>; 6],
    forwarded: [Option<AddressRange>; 2],
    vectors: Option<VectorTable>,
}

impl Windows {
    /// The window of a base address register, if there is one that is believed.
    pub fn of_register(&self, register: u8) -> Option<Window> {
        self.believed.get(usize::from(register)).copied().flatten()
    }

    /// Every window that is believed.
    pub fn all(&self) -> impl Iterator<Item = Window> {
        self.believed.iter().flatten().copied()
    }

    /// What the function claims of the firmware's reserved regions: which of the two is wrong cannot be told.
    pub fn over_regions(&self) -> impl Iterator<Item = AddressRange> {
        self.over_regions.iter().flatten().copied()
    }

    /// The addresses that a bridge passes down, as far as that is believed.
    pub fn forwarded(&self) -> impl Iterator<Item = AddressRange> {
        self.forwarded.iter().flatten().copied()
    }

    /// The table of message-signalled interrupts, if it lies where it can be used.
    pub const fn vectors(&self) -> Option<VectorTable> {
        self.vectors
    }

    /// The base address registers as they were found, if they were looked at.
    pub(crate) const fn registers(&self) -> Option<[u32; 6]> {
        self.registers
    }

    /// Takes back everything that a driver could use.
    pub(crate) fn revoke(&mut self) {
        self.believed = Default::default();
        self.vectors = None;
    }
}
