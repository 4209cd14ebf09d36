//! The other machine.

use network::{Duration, Instant, Pattern, Tally};
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Cidr};

use super::servers::Offer;
use super::{Cable, FAR, FAR_CARD, PORT, servers};

/// How the far end behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Sends so many bytes of the pattern, reads until the station's end, then ends its own side.
    Sends(usize),
    /// Sends so many bytes, then ends its side at once.
    SendsAndEnds(usize),
    /// Sends so many bytes, then neither sends nor reads any more.
    Stops(usize),
    /// Breaks the connection off once it has sent so many.
    Breaks(usize),
    /// Listens to nobody.
    Refuses,
    /// Says nothing at all.
    Silent,
}

/// A machine that gives addresses, echoes, and sends the pattern to whoever connects.
pub struct FarEnd {
    manners: Manners,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    pattern: Pattern,
    pub sent: Tally,
    pub received: Tally,
    pub offer: Offer,
}

impl FarEnd {
    pub fn new(manners: Manners) -> Self {
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(FAR_CARD)));
        let mut interface = Interface::new(config, &mut Card(&Cable::default()), Instant::ZERO);
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(FAR, 24))).unwrap());
        let buffers = || tcp::SocketBuffer::new(vec![0; 65_535]);
        let mut socket = tcp::Socket::new(buffers(), buffers());
        if manners != Manners::Refuses {
            socket.listen(PORT).unwrap();
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let (sent, received) = (Tally::default(), Tally::default());
        Self {
            manners,
            interface,
            sockets,
            handle,
            pattern: Pattern::new(),
            sent,
            received,
            offer: Offer::default(),
        }
    }

    /// Does what there is to do; returns how long nothing will be.
    pub fn step(&mut self, cable: &Cable, now: Instant) -> Duration {
        if self.manners == Manners::Silent {
            cable.to_far.borrow_mut().clear();
            return Duration::from_secs(1);
        }
        servers::answer(cable, &self.offer);
        let Self { interface, sockets, .. } = self;
        let mut card = Card(cable);
        while interface.poll_ingress_single(now, &mut card, sockets) != PollIngressSingleResult::None {}
        while interface.poll_egress(now, &mut card, sockets) != PollResult::None {}
        self.talk();
        self.interface.poll_delay(now, &self.sockets).unwrap_or(Duration::from_secs(1))
    }

    fn talk(&mut self) {
        let Self { sockets, handle, pattern, sent, received, .. } = self;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(*handle);
        let (Manners::Sends(bytes)
        | Manners::SendsAndEnds(bytes)
        | Manners::Stops(bytes)
        | Manners::Breaks(bytes)) = self.manners
        else {
            return;
        };
        while socket.can_send() && sent.bytes() < bytes as u64 {
            let left = bytes - sent.bytes() as usize;
            let filled = socket.send(|room| {
                let length = room.len().min(left);
                pattern.fill(&mut room[..length]);
                sent.add(&room[..length]);
                (length, length)
            });
            assert!(filled.unwrap() > 0);
        }
        let has_sent = sent.bytes() == bytes as u64 && socket.send_queue() == 0;
        match self.manners {
            Manners::Stops(_) => return,
            Manners::Breaks(_) if socket.is_active() && has_sent => socket.abort(),
            Manners::SendsAndEnds(_) if socket.may_recv() && has_sent => socket.close(),
            _ => {}
        }
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), received.add(bytes))).unwrap();
        }
        if socket.state() == tcp::State::CloseWait {
            socket.close();
        }
    }
}

/// The far end's card.
struct Card<'c>(&'c Cable);

impl Device for Card<'_> {
    type RxToken<'a>
        = Frame
    where
        Self: 'a;
    type TxToken<'a>
        = Room<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Room<'_>)> {
        let frame = self.0.to_far.borrow_mut().pop_front()?;
        Some((Frame(frame), Room(self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room(self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Room<'c>(&'c Cable);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, compose: F) -> R {
        let mut frame = vec![0; length];
        let result = compose(&mut frame);
        self.0.deliver(frame);
        result
    }
}
