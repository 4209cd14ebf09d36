//! Frames that nobody should send: whatever arrives, every conversation ends, and none panics.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::world::servers::Offer;
use crate::world::{FAR, FAR_CARD, Manners, NEAR, NEAR_CARD, PORT, World};
use network::{Duration, Exchange, FRAME_BYTES, NetworkError, Ping, Port, Received, Sent, Station, Transfer};
use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::{EthernetFrame, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};

/// Asks for an address, for an echo, and moves bytes, as far as each is possible.
fn converse(world: &mut World) {
    let mut station = world.station();
    if world.ask(&mut station).is_err() {
        return;
    }
    if let Ok(ping) = Ping::start(&mut station, FAR, world.now, Duration::from_secs(2)) {
        let _ = world.hold(ping);
    }
    let exchange = Exchange { peer: SocketAddrV4::new(FAR, PORT), receive: 20_000, send: 20_000 };
    if let Ok(transfer) = Transfer::start(&mut station, exchange, world.now) {
        let exchanged = world.hold(transfer);
        let too_much = exchanged.end == Err(NetworkError::TooMuch);
        assert_eq!(exchanged.received.bytes() > 20_000, too_much);
    }
}

/// Puts right the checksums of a frame, so that what was changed is looked at at all.
fn repair(bytes: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(bytes) else { return };
    let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else { return };
    packet.fill_checksum();
    let [from, to] = [packet.src_addr(), packet.dst_addr()].map(IpAddress::Ipv4);
    match packet.next_header() {
        IpProtocol::Icmp => {
            if let Ok(mut message) = Icmpv4Packet::new_checked(packet.payload_mut()) {
                message.fill_checksum();
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut datagram) = UdpPacket::new_checked(packet.payload_mut()) {
                datagram.fill_checksum(&from, &to);
            }
        }
        IpProtocol::Tcp => {
            if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
                segment.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One frame in a few is changed in one place, most often in its headers, or cut, or made longer.
    #[test]
    fn changed_frames(changes in vec((0..20_usize, 0..400_usize, any::<u8>(), 0..1700_usize), 1..60)) {
        let mut world = World::new(Manners::Sends(20_000));
        let mut changes = changes.into_iter().cycle().take(3_000);
        world.cable.tamper = Some(RefCell::new(Box::new(move |frame| {
            let Some((kind, place, value, length)) = changes.next() else { return };
            match kind {
                0 => frame.resize(length, value),
                1 | 2 => {
                    let place = if kind == 1 { place % 70 } else { place };
                    if let Some(byte) = frame.get_mut(place) {
                        *byte = value;
                    }
                    repair(frame);
                }
                _ => {}
            }
        })));
        converse(&mut world);
    }

    /// Nothing but noise, to the station's own card or to everybody's.
    #[test]
    fn noise(frames in vec((vec(any::<u8>(), 0..1800), 0..4_usize), 1..40)) {
        let mut world = World::new(Manners::Sends(20_000));
        for (mut frame, kind) in frames {
            let card = if kind == 0 { [0xff; 6] } else { NEAR_CARD };
            let types = [[0x08, 0x06], [0x08, 0x00], [0x08, 0x00], [0x86, 0xdd]];
            for (place, byte) in card.into_iter().chain(FAR_CARD).chain(types[kind]).enumerate() {
                if let Some(to) = frame.get_mut(place) {
                    *to = byte;
                }
            }
            world.cable.deliver(frame);
        }
        converse(&mut world);
    }
}

#[test]
fn what_a_server_must_not_give_is_not_taken() {
    let any = Ipv4Addr::UNSPECIFIED;
    let everybody = Ipv4Addr::BROADCAST;
    let group = Ipv4Addr::new(224, 0, 0, 1);
    let offer = Offer::default();
    for refused in [
        Offer { address: any, ..offer },
        Offer { address: everybody, ..offer },
        Offer { address: group, ..offer },
        Offer { mask: Ipv4Addr::new(255, 0, 255, 0), ..offer },
    ] {
        let mut world = World::new(Manners::Refuses);
        world.far.offer = refused;
        let mut station = world.station();
        assert_eq!(world.ask(&mut station), Err(NetworkError::NoOffer), "{refused:?}");
    }
    for (taken, prefix, gateway) in [
        (Offer { router: Some(any), ..offer }, 24, None),
        (Offer { router: Some(group), ..offer }, 24, None),
        (Offer { router: Some(everybody), ..offer }, 24, None),
        (Offer { router: None, ..offer }, 24, None),
        // The network's broadcast address, and a gateway that is the station itself.
        (Offer { address: Ipv4Addr::new(10, 0, 2, 255), ..offer }, 24, Some(FAR)),
        (Offer { router: Some(NEAR), ..offer }, 24, Some(NEAR)),
        (Offer { mask: any, ..offer }, 0, Some(FAR)),
        (Offer { mask: everybody, ..offer }, 32, Some(FAR)),
        (Offer { seconds: u32::MAX, ..offer }, 24, Some(FAR)),
    ] {
        let mut world = World::new(Manners::Sends(20_000));
        world.far.offer = taken;
        let mut station = world.station();
        let lease = world.ask(&mut station).unwrap();
        assert_eq!((lease.prefix, lease.gateway), (prefix, gateway), "{taken:?}");
        converse(&mut world);
    }
}

/// It ends within the conversation, which then has no address to go on with.
#[test]
fn a_lease_of_no_time_ends() {
    for seconds in [0, 1, 2] {
        let mut world = World::new(Manners::Sends(20_000));
        world.far.offer.seconds = seconds;
        converse(&mut world);
    }
}

/// A card that is not one, by its address.
struct Odd([u8; 6]);

impl Port for Odd {
    fn address(&self) -> [u8; 6] {
        self.0
    }

    fn receive(&self, _: &mut dyn FnMut(&[u8])) -> Received {
        Received::Nothing
    }

    fn send(&self, _: &[u8]) -> Sent {
        Sent::NoRoom
    }
}

#[test]
fn a_card_with_an_address_that_no_card_has_is_refused() {
    let now = network::Instant::ZERO;
    for address in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let error = Station::new(&Odd(address), 0, now).err();
        assert_eq!(error, Some(NetworkError::CardAddress { address }));
    }
    assert!(Station::new(&Odd(NEAR_CARD), 0, now).is_ok());
}

/// A card that never has room is waited for without haste, and given up.
#[test]
fn a_card_that_sends_nothing_is_given_up() {
    use network::{Asking, Conversation, Instant, Step};
    let port = Odd(NEAR_CARD);
    let mut now = Instant::ZERO;
    let mut station = Station::new(&port, 0, now).unwrap();
    let mut asking = Asking::start(&mut station, now, Duration::from_secs(5));
    for _ in 0..10_000 {
        match asking.step(&port, now) {
            Step::Done(outcome) => return assert_eq!(outcome, Err(NetworkError::NoOffer)),
            Step::More => panic!("nothing could be done"),
            Step::Rest(rest) => now += rest,
        }
    }
    panic!("no end by {now}");
}

/// The longest frame passes, a longer one is dropped, and both leave the station at work.
#[test]
fn frames_of_every_length() {
    for length in (0..80).chain(FRAME_BYTES - 2..FRAME_BYTES + 200).chain([9_000, 65_536]) {
        let mut world = World::new(Manners::Refuses);
        world.cable.deliver(vec![0xff; length]);
        world.station_with_address();
    }
}
