//! The machine on the network: one station a card, at work only while somebody waits for it.
//!
//! [`Card`] is a network card with its driver; what is said over it is the `network` library's. Between
//! commands nobody listens: frames that arrive then fill the card's buffers and the rest is lost.

mod card;
mod port;
mod stations;

pub use card::{Card, NetError, cards};
