//! Asks for an address.

use smoltcp::time::{Duration, Instant};

use crate::{Conversation, Lease, NetworkError, Port, Station, Step};

/// Asks the network's DHCP servers for an address (RFC 2131). The station keeps what it is given.
pub struct Asking<'s> {
    station: &'s mut Station,
    deadline: Instant,
}

impl<'s> Asking<'s> {
    /// Asks for as long as `patience` lasts. What the station was given before it gives up.
    pub fn start(station: &'s mut Station, now: Instant, patience: Duration) -> Self {
        station.forget_lease();
        Self { station, deadline: now + patience }
    }
}

impl Conversation for Asking<'_> {
    type Outcome = Result<Lease, NetworkError>;

    #[inline(never)]
    fn step(&mut self, port: &dyn Port, now: Instant) -> Step<Self::Outcome> {
        let polled = self.station.poll(port, now);
        match self.station.lease() {
            Some(lease) => Step::Done(Ok(lease)),
            None if now >= self.deadline => Step::Done(Err(NetworkError::NoOffer)),
            None => self.station.next(polled, now, self.deadline),
        }
    }
}
