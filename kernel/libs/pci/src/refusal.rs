//! Why a function is not believed.

use core::fmt;

use dma_types::Bdf;

/// What a function says of itself that contradicts the fabric above it or its neighbours.
///
/// Such a function gets no driver and stays blocked, in a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It claims buses as a bridge, or answers on such a bus, that others have a claim to as well.
    Bridge {
        /// The bridge whose bus numbers do not fit those above or beside it.
        bridge: Bdf,
    },
    /// It calls itself a bridge, and no bridge of its kind can stand where it does.
    NoBridgeHere,
    /// It answers on a bus to which no bridge leads.
    HiddenBus {
        /// The bridge that claims the bus.
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
            Self::NoBridgeHere => {
                f.write_str("it calls itself a bridge, and no bridge of its kind can stand where it does")
            }
            Self::HiddenBus { bridge } => {
                write!(f, "no bridge leads to its bus, which {bridge} claims")
            }
        }
    }
}
