//! Whose a message is.

use core::fmt;

use dma_types::Bdf;

/// The id of a processor's local APIC: 32 bits in x2APIC mode, 8 in xAPIC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApicId(pub u32);

impl fmt::Display for ApicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message of one function to one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The function.
    pub function: Bdf,
    /// Which of its messages, from 0.
    pub message: u16,
    /// The processor that takes it.
    pub processor: ApicId,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of {}", self.message, self.function)
    }
}
