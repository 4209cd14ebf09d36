//! A station and a far end that behaves, or does not, at the two ends of a cable.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::world::{FAR, Manners, NEAR, PORT, World};
use network::{Duration, Exchange, Exchanged, Lease, NetworkError, Ping, Transfer};

const MIB: usize = 1 << 20;

fn transfer(world: &mut World, receive: usize, send: usize) -> Exchanged {
    let mut station = world.station_with_address();
    let peer = SocketAddrV4::new(FAR, PORT);
    let exchange = Exchange { peer, receive: receive as u64, send: send as u64 };
    let transfer = Transfer::start(&mut station, exchange, world.now).unwrap();
    world.hold(transfer)
}

#[track_caller]
fn assert_whole(world: &World, exchanged: &Exchanged, receive: usize, send: usize) {
    assert_eq!(exchanged.end, Ok(()), "{exchanged}");
    assert_eq!((exchanged.received.bytes(), exchanged.sent.bytes()), (receive as u64, send as u64));
    assert_eq!(exchanged.received.crc32(), world.far.sent.crc32());
    assert_eq!(exchanged.sent.crc32(), world.far.received.crc32());
    assert_eq!(world.far.received.bytes(), send as u64);
}

#[test]
fn the_server_gives_address_and_gateway() {
    let mut world = World::new(Manners::Refuses);
    let mut station = world.station();
    assert_eq!(station.lease(), None);
    let expected = Lease { address: NEAR, prefix: 24, gateway: Some(FAR) };
    assert_eq!(world.ask(&mut station), Ok(expected));
    assert_eq!(station.lease(), Some(expected));
    assert_eq!(expected.to_string(), "10.0.2.15/24 gateway 10.0.2.2");
    // A second time, from the beginning.
    assert_eq!(world.ask(&mut station), Ok(expected));
}

#[test]
fn without_a_server_the_deadline_ends_it() {
    let mut world = World::new(Manners::Silent);
    let began = world.now;
    let mut station = world.station();
    assert_eq!(world.ask(&mut station), Err(NetworkError::NoOffer));
    let took = world.now - began;
    assert!((5_000..5_100).contains(&took.total_millis()), "{took}");
    let refused = Ping::start(&mut station, FAR, world.now, Duration::from_secs(1)).err();
    assert_eq!(refused, Some(NetworkError::NoAddress));
}

#[test]
fn an_echo_comes_back() {
    let mut world = World::new(Manners::Refuses);
    let mut station = world.station_with_address();
    for _ in 0..3 {
        let ping = Ping::start(&mut station, FAR, world.now, Duration::from_secs(3)).unwrap();
        let took = world.hold(ping).unwrap();
        assert!(took > Duration::ZERO && took < Duration::from_millis(1), "{took}");
    }
}

#[test]
fn nobody_answers_for_an_absent_machine() {
    let mut world = World::new(Manners::Refuses);
    let mut station = world.station_with_address();
    let absent = Ipv4Addr::new(10, 0, 2, 77);
    let began = world.now;
    let ping = Ping::start(&mut station, absent, began, Duration::from_secs(3)).unwrap();
    assert_eq!(world.hold(ping), Err(NetworkError::NoAnswer { from: absent }));
    assert!((3_000..3_100).contains(&(world.now - began).total_millis()));
    let everybody = Ping::start(&mut station, Ipv4Addr::BROADCAST, began, Duration::from_secs(3)).err();
    assert!(matches!(everybody, Some(NetworkError::Unaddressable { .. })));
}

#[test]
fn a_lost_echo_is_asked_for_again() {
    let mut world = World::new(Manners::Refuses);
    let mut station = world.station_with_address();
    world.cable.loses = Some(3);
    for _ in 0..4 {
        let ping = Ping::start(&mut station, FAR, world.now, Duration::from_secs(10)).unwrap();
        assert!(world.hold(ping).is_ok());
    }
}

#[test]
fn a_mebibyte_moves_both_ways_at_once() {
    let mut world = World::new(Manners::Sends(MIB));
    let exchanged = transfer(&mut world, MIB, MIB);
    assert_whole(&world, &exchanged, MIB, MIB);
}

#[test]
fn one_way_and_none_at_all() {
    for (receive, send) in [(0, 0), (1, 0), (0, 1), (300_001, 7), (7, 300_001)] {
        let mut world = World::new(Manners::Sends(receive));
        let exchanged = transfer(&mut world, receive, send);
        assert_whole(&world, &exchanged, receive, send);
    }
}

#[test]
fn lost_frames_change_nothing_but_the_time() {
    for one_in in [10, 50, 255] {
        let mut world = World::new(Manners::Sends(MIB / 4));
        world.cable.loses = Some(one_in);
        let exchanged = transfer(&mut world, MIB / 4, MIB / 4);
        assert_whole(&world, &exchanged, MIB / 4, MIB / 4);
    }
}

/// It has all that it was asked for, so it may go first.
#[test]
fn a_peer_that_ends_first_may() {
    let mut world = World::new(Manners::SendsAndEnds(5_000));
    let exchanged = transfer(&mut world, 5_000, MIB);
    assert_whole(&world, &exchanged, 5_000, MIB);
}

#[test]
fn each_way_to_fail_has_its_name() {
    let refused = NetworkError::Refused { by: SocketAddrV4::new(FAR, PORT) };
    for (manners, error, received) in [
        (Manners::Refuses, refused, 0),
        (Manners::SendsAndEnds(9_999), NetworkError::EndedEarly, 9_999),
        (Manners::Sends(10_001), NetworkError::TooMuch, 10_001),
        (Manners::Stops(9_999), NetworkError::Stalled, 9_999),
        (Manners::Breaks(9_999), NetworkError::Broken, 9_999),
    ] {
        let mut world = World::new(manners);
        let exchanged = transfer(&mut world, 10_000, 1);
        assert_eq!(exchanged.end, Err(error));
        assert_eq!(exchanged.received.bytes(), received, "{error}");
    }
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let mut world = World::new(Manners::Refuses);
    let mut station = world.station_with_address();
    let peer = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 77), PORT);
    let began = world.now;
    let transfer = Transfer::start(&mut station, Exchange { peer, receive: 1, send: 0 }, began).unwrap();
    let exchanged = world.hold(transfer);
    assert_eq!(exchanged.end, Err(NetworkError::NoAnswer { from: *peer.ip() }));
    assert!((20_000..20_100).contains(&(world.now - began).total_millis()));
}

#[test]
fn a_station_goes_on_after_each_conversation() {
    let mut world = World::new(Manners::Sends(100));
    let mut station = world.station_with_address();
    let peer = SocketAddrV4::new(FAR, PORT);
    let transfer =
        Transfer::start(&mut station, Exchange { peer, receive: 100, send: 100 }, world.now).unwrap();
    assert_eq!(world.hold(transfer).end, Ok(()));
    let ping = Ping::start(&mut station, FAR, world.now, Duration::from_secs(3)).unwrap();
    assert!(world.hold(ping).is_ok());
}
