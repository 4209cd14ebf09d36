//! The commands that use the network.

use alloc::string::ToString;
use core::fmt;
use core::net::Ipv4Addr;

use ::network::{Duration, Exchange, Exchanged};
use dma_types::Bdf;
use report::Outcome;

use super::commands::Mistake;
use crate::devices::Link;
use crate::net::{self, Card, NetError};
use crate::platform::clock;
use crate::{journal, println};

/// What is said where no driver runs a network card.
const NO_CARD: &str = "no network card here has a driver";

/// Asks for an address on every card: a line and a check each.
pub fn net() {
    let mut any = false;
    for card in net::cards() {
        any = true;
        let lease = card.ask();
        // What the card says of its link is asked before the console is taken.
        let line = Line { card, lease: &lease }.to_string();
        println!("{line}");
        let (outcome, detail) = match lease {
            Ok(lease) => (Outcome::Pass, lease.to_string()),
            // A card without a cable is as it should be.
            Err(error @ (NetError::NoLink | NetError::Cancelled)) => (Outcome::Skip, error.to_string()),
            Err(error) => (Outcome::Fail, error.to_string()),
        };
        journal::check(&alloc::format!("net {}", card.record.bdf), outcome, Some(&detail));
    }
    if !any {
        println!("{NO_CARD}");
        journal::check("net", Outcome::Skip, Some(NO_CARD));
    }
}

/// Asks a machine for an echo, over the first card that is connected and gets an address.
pub fn ping(to: Ipv4Addr) {
    let (outcome, detail) = match echo(to) {
        Ok((card, took)) => {
            (Outcome::Pass, alloc::format!("{} from {}", Milliseconds(took), card.record.bdf))
        }
        Err(Some(error @ NetError::Cancelled)) => (Outcome::Skip, error.to_string()),
        Err(error) => (Outcome::Fail, error.map_or(NO_CARD.to_string(), |error| error.to_string())),
    };
    println!("{to}: {detail}");
    journal::check(&alloc::format!("ping {to}"), outcome, Some(&detail));
}

/// The card that asked and how long the answer took, or what failed last; `None` where there is no card.
fn echo(to: Ipv4Addr) -> Result<(Card, Duration), Option<NetError>> {
    let mut failure = None;
    for card in net::cards() {
        match card.prepare() {
            Ok(()) => return Ok((card, card.ping(to)?)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure)
}

/// Moves bytes to and from a machine over one card.
///
/// # Errors
/// If no driver runs the device as a network card.
pub fn tcp(device: Bdf, exchange: Exchange) -> Result<(), Mistake> {
    let card = net::cards().find(|card| card.record.bdf == device).ok_or(Mistake::NoNetworkCard(device))?;
    let name = alloc::format!("tcp {device}");
    // The time to get an address is not the transfer's.
    let started = card.prepare().map(|()| clock::now_ns());
    let exchanged = started.and_then(|started| Ok((card.transfer(exchange)?, started)));
    let (exchanged, started) = match exchanged {
        Ok(exchanged) => exchanged,
        Err(error) => {
            println!("{error}");
            let outcome = if matches!(error, NetError::Cancelled) { Outcome::Skip } else { Outcome::Fail };
            journal::check(&name, outcome, Some(&error.to_string()));
            return Ok(());
        }
    };
    println!("{exchanged} {}", Rate { exchanged: &exchanged, ns: clock::now_ns().saturating_sub(started) });
    match exchanged.end {
        Ok(()) => journal::check(&name, Outcome::Pass, Some(&exchanged.to_string())),
        Err(error) => {
            println!("{error}");
            journal::check(&name, Outcome::Fail, Some(&alloc::format!("{exchanged}: {error}")));
        }
    }
    Ok(())
}

/// A card in one line: function, driver, Ethernet address, link, and what came of asking for an address.
struct Line<'l> {
    card: Card,
    lease: &'l Result<::network::Lease, NetError>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, lease } = self;
        let [a, b, c, d, e, g] = card.address();
        write!(f, "{} {:<10} ", card.record.bdf, card.record.driver().unwrap_or("-"))?;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x} ")?;
        f.write_str(match card.link() {
            Link::Up => "up",
            Link::Down => "down",
        })?;
        match lease {
            Ok(lease) => write!(f, " {lease}"),
            Err(NetError::NoLink) => Ok(()),
            Err(error) => write!(f, ", {error}"),
        }
    }
}

/// A short time for people.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.total_micros();
        write!(f, "{}.{:03} ms", micros / 1000, micros % 1000)
    }
}

/// How fast bytes moved, both ways together.
struct Rate<'r> {
    exchanged: &'r Exchanged,
    ns: u64,
}

impl fmt::Display for Rate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exchanged { received, sent, .. } = self.exchanged;
        let kib = received.bytes().saturating_add(sent.bytes()) >> 10;
        let ms = (self.ns / 1_000_000).max(1);
        write!(f, "in {ms} ms, {} KiB/s", kib.saturating_mul(1000) / ms)
    }
}
