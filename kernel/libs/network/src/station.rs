//! What the machine is behind one network card.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use smoltcp::iface::{
    Config, Context, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::socket::{AnySocket, dhcpv4};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use crate::phy::{Frames, Phy};
use crate::{Lease, NetworkError, Port, Step};

/// Frames taken in, and rounds of sending, within one step.
const BATCH: usize = 64;

/// When a server is asked again that did not answer. The first question is often lost: a link that has just
/// come up takes a moment.
const DHCP_RETRY: Duration = Duration::from_secs(1);

/// How soon a frame is offered again for which the card had no room.
const ROOM_POLL: Duration = Duration::from_millis(1);

/// The lowest of the ports that nobody listens on (RFC 6335 "Port Number Ranges"); all its bits stay set.
const FIRST_NUMBER: u16 = 0xc000;

/// Addresses, neighbours and sockets of the machine behind one card. They outlast single conversations.
pub struct Station {
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: SocketHandle,
    frames: Frames,
    lease: Option<Lease>,
    next_number: u16,
}

/// How much a poll left undone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// All that was there is done.
    All,
    /// There is more.
    Some,
}

impl Station {
    /// Makes a station without an address. `seed` makes its ports and sequence numbers hard to guess.
    ///
    /// # Errors
    /// If the card's own address is a group's or empty, or there is no memory.
    pub fn new(port: &dyn Port, seed: u64, now: Instant) -> Result<Self, NetworkError> {
        let address = port.address();
        let card = EthernetAddress(address);
        if !card.is_unicast() || address == [0; 6] {
            return Err(NetworkError::CardAddress { address });
        }
        let mut frames = Frames::new()?;
        let mut config = Config::new(HardwareAddress::Ethernet(card));
        config.random_seed = seed;
        let interface = Interface::new(config, &mut Phy { port, frames: &mut frames }, now);
        let mut sockets = SocketSet::new(Vec::new());
        let dhcp = sockets.add(dhcp_client());
        let next_number = FIRST_NUMBER | (seed >> 32) as u16;
        Ok(Self { interface, sockets, dhcp, frames, lease: None, next_number })
    }

    /// What a DHCP server gave, while it holds.
    pub fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// Gives up what a server gave, so that the next conversation asks anew.
    pub(crate) fn forget_lease(&mut self) {
        self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.dhcp).reset();
        self.apply(None);
    }

    /// Takes in and sends a bounded number of frames.
    pub(crate) fn poll(&mut self, port: &dyn Port, now: Instant) -> Polled {
        let Self { interface, sockets, frames, .. } = self;
        let mut phy = Phy { port, frames };
        let taken = (0..BATCH)
            .take_while(|_| {
                interface.poll_ingress_single(now, &mut phy, sockets) != PollIngressSingleResult::None
            })
            .count();
        let sent = (0..BATCH)
            .take_while(|_| interface.poll_egress(now, &mut phy, sockets) != PollResult::None)
            .count();
        self.follow_dhcp();
        if taken < BATCH && sent < BATCH { Polled::All } else { Polled::Some }
    }

    /// What a conversation that is not over does next, after a poll that came to `polled`.
    pub(crate) fn next<T>(&mut self, polled: Polled, now: Instant, deadline: Instant) -> Step<T> {
        let left = if deadline > now { deadline - now } else { Duration::ZERO };
        if polled == Polled::Some {
            return Step::More;
        }
        if self.frames.is_waiting() {
            return Step::Rest(ROOM_POLL.min(left));
        }
        match self.interface.poll_delay(now, &self.sockets) {
            Some(Duration::ZERO) => Step::More,
            delay => Step::Rest(delay.unwrap_or(left).min(left)),
        }
    }

    /// Takes what the DHCP client found.
    fn follow_dhcp(&mut self) {
        let lease = match self.sockets.get_mut::<dhcpv4::Socket<'_>>(self.dhcp).poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(config)) => Some(Lease {
                address: config.address.address(),
                prefix: config.address.prefix_len(),
                gateway: config.router.filter(|router| is_one_machine(*router)),
            }),
        };
        self.apply(lease.filter(|lease| is_one_machine(lease.address)));
    }

    fn apply(&mut self, lease: Option<Lease>) {
        self.lease = lease;
        self.interface.routes_mut().remove_default_ipv4_route();
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(lease) = lease {
                // The list was just emptied and has room for one.
                let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(lease.address, lease.prefix)));
            }
        });
        if let Some(gateway) = lease.and_then(|lease| lease.gateway) {
            // As with the address: there is room for one.
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
    }

    /// A number for a new socket that is none of the last few thousand: its port, or what tells its echoes.
    pub(crate) fn next_number(&mut self) -> u16 {
        let number = self.next_number;
        self.next_number = FIRST_NUMBER | number.wrapping_add(1);
        number
    }

    /// Opens a socket.
    pub(crate) fn open<S: AnySocket<'static>>(&mut self, socket: S) -> SocketHandle {
        self.sockets.add(socket)
    }

    /// An open socket.
    pub(crate) fn socket<S: AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut S {
        self.sockets.get_mut(handle)
    }

    /// An open socket, and what it needs to know of the station.
    pub(crate) fn socket_and_context<S: AnySocket<'static>>(
        &mut self,
        handle: SocketHandle,
    ) -> (&mut S, &mut Context) {
        (self.sockets.get_mut(handle), self.interface.context())
    }

    /// Closes a socket.
    pub(crate) fn close(&mut self, handle: SocketHandle) {
        drop(self.sockets.remove(handle));
    }
}

fn dhcp_client() -> dhcpv4::Socket<'static> {
    let mut client = dhcpv4::Socket::new();
    let mut retries = client.get_retry_config();
    retries.discover_timeout = DHCP_RETRY;
    retries.initial_request_timeout = DHCP_RETRY;
    client.set_retry_config(retries);
    client
}

/// Tells whether an address can be one machine's.
pub(crate) fn is_one_machine(address: Ipv4Address) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || Ipv4Addr::is_multicast(&address))
}
