//! Why a function is not believed.

use core::fmt;

use dma_types::Bdf;

/// What a function says of itself that contradicts the fabric above it or its neighbours.
///
/// Such a function gets no driver and stays blocked, in a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bus it answers on is one that bridges contradict each other about.
    Bridge {
        /// The bridge whose bus numbers do not fit those above or beside it.
        bridge: Bdf,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge { bridge } => {
                write!(
                    f,
                    "the bus numbers of bridge {bridge} do not fit those of the bridges above or beside it"
                )
            }
        }
    }
}
