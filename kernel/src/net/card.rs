//! Network cards and what can be done with one.

use core::fmt;
use core::net::Ipv4Addr;
use core::time;

use network::{
    Asking, Duration, Exchange, Exchanged, FRAME_BYTES, Lease, NetworkError, Ping, Station, Transfer,
};

use super::port::{NicPort, now};
use super::stations;
use crate::devices::{self, DeviceRecord, Link, Nic, NicError};
use crate::platform::cancel;
use crate::platform::clock::{self, Deadline};

/// How long a DHCP server may take.
const DHCP_PATIENCE: Duration = Duration::from_secs(10);

/// How long the link may take to come up (IEEE 802.3 "Auto-Negotiation" takes some two seconds).
const LINK_PATIENCE: time::Duration = time::Duration::from_secs(3);

/// How often the link is looked at meanwhile.
const LINK_POLL: time::Duration = time::Duration::from_millis(10);

/// How long a card may have no room for a frame.
const SEND_PATIENCE: time::Duration = time::Duration::from_secs(1);

/// How long an echo may take.
const ECHO_PATIENCE: Duration = Duration::from_secs(5);

/// A network card that a driver runs.
#[derive(Clone, Copy)]
pub struct Card {
    /// Its function.
    pub record: &'static DeviceRecord,
    nic: &'static dyn Nic,
}

/// Every network card that a driver runs.
pub fn cards() -> impl Iterator<Item = Card> {
    devices::drivers().filter_map(|driver| Some(Card { record: driver.record(), nic: driver.nic()? }))
}

impl Card {
    /// Its Ethernet address.
    pub fn address(&self) -> [u8; 6] {
        self.nic.address()
    }

    /// Whether it is connected.
    pub fn link(&self) -> Link {
        self.nic.link()
    }

    /// Asks the network's DHCP servers for an address, whether there is one already or not.
    ///
    /// # Errors
    /// If there is no link, the card refuses, or nobody answers in time.
    pub fn ask(&self) -> Result<Lease, NetError> {
        self.with_station(ask)
    }

    /// Sees to it that the card has an address, asking for one where it has none.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub fn prepare(&self) -> Result<(), NetError> {
        self.with_station_and_address(|_, _| Ok(()))
    }

    /// Asks another machine for an echo; returns how long it took.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask), which comes first where there is no address yet.
    pub fn ping(&self, to: Ipv4Addr) -> Result<Duration, NetError> {
        self.with_station_and_address(|port, station| {
            let ping = Ping::start(station, to, now(), ECHO_PATIENCE)?;
            Ok(port.hold(ping)??)
        })
    }

    /// Connects to another machine and moves bytes both ways. What was moved is told whether or not it came
    /// to its end.
    ///
    /// # Errors
    /// If the connection could not be tried, or the card refused in its midst.
    pub fn transfer(&self, exchange: Exchange) -> Result<Exchanged, NetError> {
        self.with_station_and_address(|port, station| {
            let transfer = Transfer::start(station, exchange, now())?;
            port.hold(transfer)
        })
    }

    /// Sends a datagram to everybody on the cable; needs no address.
    ///
    /// # Errors
    /// If the card refuses, or has no room for it for too long.
    pub fn broadcast(&self, port: u16, payload: &[u8]) -> Result<(), NicError> {
        let mut frame = [0; FRAME_BYTES];
        let length = network::broadcast(self.nic.address(), port, payload, &mut frame);
        let frame = length.and_then(|length| frame.get(..length)).ok_or(NicError::Length(payload.len()))?;
        let deadline = Deadline::after(SEND_PATIENCE);
        loop {
            match self.nic.send(frame) {
                Err(NicError::Busy) if !deadline.expired() => clock::sleep(LINK_POLL),
                result => return result,
            }
        }
    }

    /// Waits for the two ends of the cable to agree: after a reset, or with the cable just plugged in.
    fn wait_for_link(&self) -> Result<(), NetError> {
        let deadline = Deadline::after(LINK_PATIENCE);
        while self.link() == Link::Down {
            if deadline.expired() {
                return Err(NetError::NoLink);
            }
            if cancel::is_requested() {
                return Err(NetError::Cancelled);
            }
            clock::sleep(LINK_POLL);
        }
        Ok(())
    }

    fn with_station<T>(
        &self,
        visit: impl FnOnce(&NicPort<'_>, &mut Station) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        self.wait_for_link()?;
        let port = NicPort::new(self.nic);
        stations::with(self.record.bdf, &port, |station| visit(&port, station))
    }

    fn with_station_and_address<T>(
        &self,
        visit: impl FnOnce(&NicPort<'_>, &mut Station) -> Result<T, NetError>,
    ) -> Result<T, NetError> {
        self.with_station(|port, station| {
            if station.lease().is_none() {
                ask(port, station)?;
            }
            visit(port, station)
        })
    }
}

fn ask(port: &NicPort<'_>, station: &mut Station) -> Result<Lease, NetError> {
    Ok(port.hold(Asking::start(station, now(), DHCP_PATIENCE))??)
}

/// Why something could not be done over a card.
#[derive(Debug)]
pub enum NetError {
    /// The card is not connected.
    NoLink,
    /// The user ended the command.
    Cancelled,
    /// The card did not send a frame.
    Card(NicError),
    /// The network did not do its part.
    Network(NetworkError),
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLink => f.write_str("no link"),
            Self::Cancelled => f.write_str("ended before it was done"),
            Self::Card(error) => error.fmt(f),
            Self::Network(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NetError {}

impl From<NicError> for NetError {
    fn from(error: NicError) -> Self {
        Self::Card(error)
    }
}

impl From<NetworkError> for NetError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}
