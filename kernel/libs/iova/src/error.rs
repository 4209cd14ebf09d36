//! Why an allocation or a release failed.

use core::fmt;

use dma_types::Iova;

use crate::OutOfMemory;

/// Why the allocator refused. It is unchanged in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IovaError {
    /// The window holds no whole page that is not reserved.
    EmptyWindow {
        /// Start of the window asked for.
        start: Iova,
        /// Its end, the first address behind it.
        end: Iova,
    },
    /// A range of no pages was asked for.
    NoPages,
    /// No room is left in the window for so many pages.
    Exhausted {
        /// The pages asked for.
        pages: u64,
    },
    /// The range was not handed out by this allocator.
    NotHandedOut {
        /// Where the range starts.
        start: Iova,
    },
    /// The heap had no room for the book-keeping.
    OutOfMemory,
}

impl fmt::Display for IovaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyWindow { start, end } => {
                write!(f, "no usable page in the address window {start} to {end}")
            }
            Self::NoPages => f.write_str("a range of no pages was asked for"),
            Self::Exhausted { pages } => write!(f, "no room for {pages} pages in the address window"),
            Self::NotHandedOut { start } => {
                write!(f, "the range at {start} was not handed out by this allocator")
            }
            Self::OutOfMemory => fmt::Display::fmt(&OutOfMemory, f),
        }
    }
}

impl core::error::Error for IovaError {}

impl From<OutOfMemory> for IovaError {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}
