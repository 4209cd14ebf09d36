//! Whose a message is.

use core::fmt;

use dma_types::{ApicId, Bdf};

/// One message of one function to one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorOwner {
    /// The function.
    pub function: Bdf,
    /// Which of its messages, from 0.
    pub message: u16,
    /// The processor that takes it.
    pub processor: ApicId,
}

impl fmt::Display for VectorOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of {}", self.message, self.function)
    }
}
