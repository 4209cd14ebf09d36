//! A datagram to everybody on the cable, from a machine that has no address.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Address, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use crate::port::FRAME_BYTES;

/// How often it may be passed on: it stays on its cable.
const HOP_LIMIT: u8 = 1;

/// Bytes of the three headers before the payload.
const HEADERS: usize = 14 + 20 + 8;

/// The most bytes that a datagram carries.
pub const BROADCAST_BYTES: usize = FRAME_BYTES - HEADERS;

/// Makes the frame of a UDP datagram from 0.0.0.0 to 255.255.255.255 (RFC 1122 "Addressing: Class D through F";
/// RFC 919), as machines without an address send them, from and to one port. `None` if the payload is too long.
pub fn broadcast(from: [u8; 6], port: u16, payload: &[u8], buffer: &mut [u8; FRAME_BYTES]) -> Option<usize> {
    let length = HEADERS.checked_add(payload.len()).filter(|length| *length <= FRAME_BYTES)?;
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from),
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Ipv4,
    };
    let udp = UdpRepr { src_port: port, dst_port: port };
    let ip = Ipv4Repr {
        src_addr: Ipv4Address::UNSPECIFIED,
        dst_addr: Ipv4Address::BROADCAST,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: HOP_LIMIT,
    };
    let checksums = ChecksumCapabilities::default();
    let mut frame = EthernetFrame::new_unchecked(buffer.get_mut(..length)?);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let fill = |to: &mut [u8]| to.copy_from_slice(payload);
    udp.emit(&mut datagram, &ip.src_addr.into(), &ip.dst_addr.into(), payload.len(), fill, &checksums);
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];

    /// RFC 1071: the sum of what is right is all ones.
    fn sum(bytes: &[u8]) -> u16 {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let sum: u32 = words.sum();
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    #[test]
    fn a_frame_is_what_the_documents_say() {
        let mut buffer = [0; FRAME_BYTES];
        let length = broadcast(CARD, 52230, b"IVT2:odd", &mut buffer).unwrap();
        let frame = &buffer[..length];
        assert_eq!(frame[..14], [&[0xff; 6][..], &CARD, &[0x08, 0x00]].concat()[..]);
        assert_eq!((frame[14], frame[23]), (0x45, 17));
        assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), length - 14);
        assert_eq!(sum(&frame[14..34]), 0xffff);
        assert_eq!(frame[26..34], [0, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(frame[34..38], [52230_u16.to_be_bytes(), 52230_u16.to_be_bytes()].concat()[..]);
        // The pseudo header: both addresses, protocol, length.
        let pseudo = [&frame[26..34], &[0, 17], &frame[38..40], &frame[34..]].concat();
        assert_eq!(sum(&pseudo), 0xffff);
        assert_eq!(&frame[42..], b"IVT2:odd");
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let mut buffer = [0; FRAME_BYTES];
        assert_eq!(broadcast(CARD, 1, &vec![0; BROADCAST_BYTES], &mut buffer), Some(FRAME_BYTES));
        assert_eq!(broadcast(CARD, 1, &vec![0; BROADCAST_BYTES + 1], &mut buffer), None);
        assert_eq!(broadcast(CARD, 1, &[], &mut buffer), Some(42));
    }
}
