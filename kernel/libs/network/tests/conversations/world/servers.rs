//! What the far end answers frame by frame: DHCP and echo requests.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

use super::{Cable, FAR, FAR_CARD, NEAR, NEAR_CARD};

/// What the DHCP server gives.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    pub address: Ipv4Addr,
    pub mask: Ipv4Addr,
    pub router: Option<Ipv4Addr>,
    pub seconds: u32,
}

impl Default for Offer {
    fn default() -> Self {
        let mask = Ipv4Addr::new(255, 255, 255, 0);
        Self { address: NEAR, mask, router: Some(FAR), seconds: 86_400 }
    }
}

/// Answers what waits on the cable and is for a server; leaves the rest.
pub fn answer(cable: &Cable, offer: &Offer) {
    let frames: Vec<_> = cable.to_far.borrow_mut().drain(..).collect();
    for frame in frames {
        match dhcp_answer(&frame, offer).or_else(|| echo(&frame)) {
            Some(answer) => cable.deliver(answer),
            None => cable.to_far.borrow_mut().push_back(frame),
        }
    }
}

fn echo(frame: &[u8]) -> Option<Vec<u8>> {
    let checks = ChecksumCapabilities::default();
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = ipv4(&frame, IpProtocol::Icmp)?;
    let message = Icmpv4Packet::new_checked(packet.payload()).ok()?;
    let Icmpv4Repr::EchoRequest { ident, seq_no, data } = Icmpv4Repr::parse(&message, &checks).ok()? else {
        return None;
    };
    let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
    Some(to_station(NEAR, IpProtocol::Icmp, reply.buffer_len(), |bytes| {
        reply.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checks);
    }))
}

fn dhcp_answer(frame: &[u8], offer: &Offer) -> Option<Vec<u8>> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = ipv4(&frame, IpProtocol::Udp)?;
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let message = DhcpPacket::new_checked(datagram.payload()).ok()?;
    let question = DhcpRepr::parse(&message).ok()?;
    let message_type = match question.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        _ => return None,
    };
    Some(dhcp_frame(&DhcpRepr {
        message_type,
        your_ip: offer.address,
        server_ip: FAR,
        router: offer.router,
        subnet_mask: Some(offer.mask),
        server_identifier: Some(FAR),
        lease_duration: Some(offer.seconds),
        client_identifier: None,
        requested_ip: None,
        parameter_request_list: None,
        max_size: None,
        ..question
    }))
}

/// A DHCP answer as a frame.
fn dhcp_frame(message: &DhcpRepr<'_>) -> Vec<u8> {
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let length = udp.header_len() + message.buffer_len();
    to_station(Ipv4Addr::BROADCAST, IpProtocol::Udp, length, |bytes| {
        udp.emit(
            &mut UdpPacket::new_unchecked(bytes),
            &IpAddress::Ipv4(FAR),
            &IpAddress::Ipv4(Ipv4Addr::BROADCAST),
            message.buffer_len(),
            |payload| message.emit(&mut DhcpPacket::new_unchecked(payload)).unwrap(),
            &ChecksumCapabilities::default(),
        );
    })
}

fn ipv4<'a>(frame: &EthernetFrame<&'a [u8]>, protocol: IpProtocol) -> Option<Ipv4Packet<&'a [u8]>> {
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    (frame.ethertype() == EthernetProtocol::Ipv4 && packet.next_header() == protocol).then_some(packet)
}

/// A frame of the far end's with an IPv4 packet of so many bytes of payload.
fn to_station(to: Ipv4Addr, protocol: IpProtocol, length: usize, compose: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(FAR_CARD),
        dst_addr: EthernetAddress(NEAR_CARD),
        ethertype: EthernetProtocol::Ipv4,
    };
    let ip =
        Ipv4Repr { src_addr: FAR, dst_addr: to, next_header: protocol, payload_len: length, hop_limit: 64 };
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + length];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    compose(packet.payload_mut());
    bytes
}
