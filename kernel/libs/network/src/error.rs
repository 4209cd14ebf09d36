//! Why a conversation did not come to its end.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

/// Why a conversation could not be held, or broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// The card's own address is none that a single card may have.
    CardAddress {
        /// What it says its address is.
        address: [u8; 6],
    },
    /// There is no memory for a buffer.
    OutOfMemory {
        /// Bytes of the buffer.
        bytes: usize,
    },
    /// The station has no address.
    NoAddress,
    /// No DHCP server offered an address in time.
    NoOffer,
    /// Nothing can be sent to this address or port.
    Unaddressable {
        /// Where to.
        to: SocketAddrV4,
    },
    /// Nobody answered in time.
    NoAnswer {
        /// Who should have.
        from: Ipv4Addr,
    },
    /// The peer refused the connection.
    Refused {
        /// Who did.
        by: SocketAddrV4,
    },
    /// The peer broke the connection off, or stopped acknowledging.
    Broken,
    /// The peer ended its side with bytes still missing.
    EndedEarly,
    /// The peer sent more than was asked for.
    TooMuch,
    /// The connection stands, but nothing moves, or too slowly.
    Stalled,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CardAddress { address: [a, b, c, d, e, g] } => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x} is no address of one card")
            }
            Self::OutOfMemory { bytes } => write!(f, "no memory for a buffer of {bytes} bytes"),
            Self::NoAddress => f.write_str("the station has no address"),
            Self::NoOffer => f.write_str("no DHCP server gave an address in time"),
            Self::Unaddressable { to } => write!(f, "nothing can be sent to {to}"),
            Self::NoAnswer { from } => write!(f, "no answer from {from} in time"),
            Self::Refused { by } => write!(f, "{by} refused the connection"),
            Self::Broken => f.write_str("the connection broke"),
            Self::EndedEarly => f.write_str("the peer ended too early"),
            Self::TooMuch => f.write_str("the peer sent more than was asked for"),
            Self::Stalled => f.write_str("the connection stalled"),
        }
    }
}

impl core::error::Error for NetworkError {}
