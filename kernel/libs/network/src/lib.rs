//! DHCP, ping and TCP over anything that takes and gives Ethernet frames.
//!
//! A [`Port`] is a network card as this crate needs it. A [`Station`] is what the machine is behind that
//! card: its addresses and its open sockets. On a station one [`Conversation`] at a time is held: it asks
//! for an address ([`Asking`]), for an echo ([`Ping`]), or moves bytes over TCP ([`Transfer`]).
//!
//! [`broadcast()`] makes a datagram for everybody on the cable, for which no station is needed.
//!
//! Nothing here waits. Whoever holds a conversation calls [`Conversation::step`] again and again and rests
//! in between for as long as [`Step::Rest`] permits. One step is a bounded amount of work whatever arrives,
//! every conversation ends at a deadline of its own, and what it took it gives back when it is dropped.
//! Frames are hostile until proven otherwise: none makes a station panic, none makes it take more memory.
//!
//! Starts and steps stay out of line: so they are compiled for size, as this crate is, wherever they are used.
//!
//! # Example
//! ```
//! use network::{Instant, NetworkError, Port, Received, Sent, Station};
//!
//! /// A card without a cable, whose address is a group's.
//! struct Card;
//!
//! impl Port for Card {
//!     fn address(&self) -> [u8; 6] {
//!         [0x01, 0, 0x5e, 0, 0, 1]
//!     }
//!
//!     fn receive(&self, _: &mut dyn FnMut(&[u8])) -> Received {
//!         Received::Nothing
//!     }
//!
//!     fn send(&self, _: &[u8]) -> Sent {
//!         Sent::Taken
//!     }
//! }
//!
//! let station = Station::new(&Card, 1, Instant::from_millis(0));
//! assert!(matches!(station, Err(NetworkError::CardAddress { .. })));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod asking;
mod broadcast;
mod conversation;
mod error;
mod lease;
mod memory;
mod pattern;
mod phy;
mod ping;
mod port;
mod station;
mod tally;
mod transfer;

pub use asking::Asking;
pub use broadcast::{BROADCAST_BYTES, broadcast};
pub use conversation::{Conversation, Step};
pub use error::NetworkError;
pub use lease::Lease;
pub use pattern::Pattern;
pub use ping::Ping;
pub use port::{FRAME_BYTES, Port, Received, Sent};
pub use smoltcp::time::{Duration, Instant};
pub use station::Station;
pub use tally::Tally;
pub use transfer::{Exchange, Exchanged, Transfer};
