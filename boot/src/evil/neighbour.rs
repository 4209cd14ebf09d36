//! The other machine on a hostile card's network: it hands out an address (RFC 2131), says where it is (RFC 826), echoes
//! (RFC 792), and refuses connections (RFC 9293).

use report::Check;

/// Its addresses, and the one that it hands out.
const MAC: [u8; 6] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];
const ADDRESS: [u8; 4] = [10, 0, 2, 2];
const GUEST: [u8; 4] = [10, 0, 2, 15];
/// Bytes of an Ethernet header, and of an IPv4 header without options.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
/// Bytes of a UDP header, and of a DHCP message before its options.
const UDP: usize = 8;
const DHCP: usize = 240;
/// Kinds of frames and packets.
const ARP_FRAME: u16 = 0x0806;
const IPV4_FRAME: u16 = 0x0800;
const ICMP_PACKET: u8 = 1;
const TCP_PACKET: u8 = 6;
const UDP_PACKET: u8 = 17;

/// What is handed out besides the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lease {
    /// What a guest can live with.
    #[default]
    Good,
    /// Nothing that a guest can be or reach, in options that end in the midst of one.
    Hostile,
}

/// The command that asks for an address over a card, and then this machine for a connection, which it refuses.
pub(super) fn connect(bdf: &str) -> String {
    format!("tcp {bdf} 10.0.2.2 9 0 0")
}

/// Whether a check of the report is about a connection over the card of that name, which the other machine refused. Then
/// frames went both ways.
pub(super) fn has_answered(check: &Check<'_>, bdf: &str) -> bool {
    let is_about_it = check.name.strip_prefix("tcp ") == Some(bdf);
    is_about_it && check.detail.as_deref().is_some_and(|detail| detail.contains("refused the connection"))
}

/// What it answers to a frame, if anything.
pub(super) fn answer(frame: &[u8], lease: Lease) -> Option<Vec<u8>> {
    let guest = *frame.get(6..)?.first_chunk()?;
    match short(frame, 12)? {
        ARP_FRAME => answer_arp(frame, guest),
        IPV4_FRAME => answer_packet(frame.get(ETHERNET..)?, guest, lease),
        _ => None,
    }
}

fn answer_arp(frame: &[u8], guest: [u8; 6]) -> Option<Vec<u8>> {
    let (asked, asker) = (frame.get(38..42)?, frame.get(28..32)?);
    if short(frame, 20)? != 1 || asked != ADDRESS {
        return None;
    }
    let mut reply = ethernet(guest, ARP_FRAME);
    reply.extend([0, 1, 8, 0, 6, 4, 0, 2]);
    for part in [&MAC[..], &ADDRESS, &guest, asker] {
        reply.extend(part);
    }
    Some(reply)
}

fn answer_packet(packet: &[u8], guest: [u8; 6], lease: Lease) -> Option<Vec<u8>> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let length = usize::from(short(packet, 2)?);
    let body = packet.get(header..length)?;
    let (protocol, from) = (*packet.get(9)?, *packet.get(12..)?.first_chunk()?);
    let (to, answer) = match protocol {
        ICMP_PACKET => (from, answer_echo(body)?),
        TCP_PACKET => (from, refuse(body, from)?),
        UDP_PACKET if short(body, 2)? == 67 => ([255; 4], answer_dhcp(body.get(UDP..)?, lease)?),
        _ => return None,
    };
    let mut reply = ethernet(guest, IPV4_FRAME);
    let total = u16::try_from(IPV4 + answer.len()).ok()?.to_be_bytes();
    let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend(ADDRESS.iter().chain(&to));
    put_sum(&mut header, 10, 0);
    reply.extend(header);
    reply.extend(answer);
    Some(reply)
}

fn answer_echo(body: &[u8]) -> Option<Vec<u8>> {
    if *body.first()? != 8 {
        return None;
    }
    let mut reply = body.to_vec();
    reply[0] = 0;
    put_sum(&mut reply, 2, 0);
    Some(reply)
}

/// Nobody listens here.
fn refuse(body: &[u8], guest: [u8; 4]) -> Option<Vec<u8>> {
    const SYN: u8 = 2;
    const RESET_AND_ACKNOWLEDGE: u8 = 0x14;
    let sequence = u32::from_be_bytes(*body.get(4..)?.first_chunk()?);
    if *body.get(13)? & SYN == 0 {
        return None;
    }
    let mut reply = [body.get(2..4)?, body.get(..2)?, &[0; 4]].concat();
    reply.extend(sequence.wrapping_add(1).to_be_bytes());
    reply.extend([0x50, RESET_AND_ACKNOWLEDGE, 0, 0, 0, 0, 0, 0]);
    let pseudo = [&ADDRESS[..], &guest, &[0, TCP_PACKET, 0, 20]].concat();
    put_sum(&mut reply, 16, add(&pseudo));
    Some(reply)
}

fn answer_dhcp(asked: &[u8], lease: Lease) -> Option<Vec<u8>> {
    const DISCOVER: u8 = 1;
    const OFFER: u8 = 2;
    const REQUEST: u8 = 3;
    const ACKNOWLEDGE: u8 = 5;
    let kind = match message_type(asked.get(DHCP..)?)? {
        DISCOVER => OFFER,
        REQUEST => ACKNOWLEDGE,
        _ => return None,
    };
    let mut message = asked.get(..DHCP)?.to_vec();
    message[0] = 2;
    let address = if lease == Lease::Good { GUEST } else { [255; 4] };
    message[16..20].copy_from_slice(&address);
    message[20..24].copy_from_slice(&ADDRESS);
    message.extend([53, 1, kind, 54, 4]);
    message.extend(ADDRESS);
    match lease {
        Lease::Good => {
            message.extend([51, 4, 0, 1, 0x51, 0x80, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 2, 2, 255])
        }
        Lease::Hostile => message.extend([51, 4, 0, 0, 0, 0, 1, 4, 0, 255, 0, 255, 3, 4, 0, 0, 0, 0, 6, 200]),
    }
    let length = u16::try_from(UDP + message.len()).ok()?.to_be_bytes();
    let mut body = vec![0, 67, 0, 68, length[0], length[1], 0, 0];
    body.extend(message);
    Some(body)
}

/// The kind of a DHCP message, from its options.
fn message_type(mut options: &[u8]) -> Option<u8> {
    loop {
        match *options {
            [53, 1, kind, ..] => return Some(kind),
            [0, ref rest @ ..] => options = rest,
            [255, ..] | [] | [_] => return None,
            [_, length, ref rest @ ..] => options = rest.get(usize::from(length)..)?,
        }
    }
}

fn ethernet(to: [u8; 6], kind: u16) -> Vec<u8> {
    [&to[..], &MAC, &kind.to_be_bytes()].concat()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The sum of 16-bit words (RFC 1071).
fn add(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

/// Puts the checksum of bytes, and of what was added up before, into its place.
fn put_sum(bytes: &mut [u8], at: usize, before: u32) {
    bytes[at..at + 2].fill(0);
    let mut sum = add(bytes) + before;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[at..at + 2].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use network::{
        Asking, Conversation, Duration, Exchange, Instant, Ping, Port, Received, Sent, Station, Step,
        Transfer,
    };
    use std::cell::RefCell;
    use std::collections::VecDeque;

    #[test]
    fn who_refuses_a_connection_has_answered() {
        let answered = |name: &'static str, detail: Option<&'static str>| {
            let (name, detail) = (name.into(), detail.map(Into::into));
            has_answered(&Check { t: 0, name, result: report::Outcome::Fail, detail }, "0000:00:10.0")
        };
        let refused = Some("10.0.2.2 refused the connection");
        assert!(answered("tcp 0000:00:10.0", refused));
        assert!(!answered("tcp 0000:00:11.0", refused));
        assert!(!answered("net 0000:00:10.0", refused));
        assert!(!answered("tcp 0000:00:10.0", Some("no answer")));
        assert!(!answered("tcp 0000:00:10.0", None));
    }

    struct Cable(Lease, RefCell<VecDeque<Vec<u8>>>);

    impl Port for Cable {
        fn address(&self) -> [u8; 6] {
            [0x52, 0x54, 0, 1, 2, 3]
        }

        fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received {
            let Some(frame) = self.1.borrow_mut().pop_front() else { return Received::Nothing };
            take(&frame);
            Received::Frame
        }

        fn send(&self, frame: &[u8]) -> Sent {
            self.1.borrow_mut().extend(answer(frame, self.0));
            Sent::Taken
        }
    }

    fn hold<C: Conversation>(cable: &Cable, mut conversation: C) -> C::Outcome {
        let mut now = 0;
        loop {
            if let Step::Done(outcome) = conversation.step(cable, Instant::from_millis(now)) {
                return outcome;
            }
            now += 20;
        }
    }

    fn station(lease: Lease) -> (Cable, Station) {
        let cable = Cable(lease, RefCell::default());
        let station = Station::new(&cable, 1, Instant::from_millis(0)).unwrap();
        (cable, station)
    }

    #[test]
    fn a_guest_gets_an_address_an_echo_and_a_refusal() {
        let (cable, mut station) = station(Lease::Good);
        let start = Instant::from_millis(0);
        let lease = hold(&cable, Asking::start(&mut station, start, Duration::from_secs(10))).unwrap();
        assert_eq!(lease.address.octets(), GUEST);
        let ping = Ping::start(&mut station, ADDRESS.into(), start, Duration::from_secs(5)).unwrap();
        hold(&cable, ping).unwrap();
        let peer = std::net::SocketAddrV4::new(ADDRESS.into(), 9);
        let transfer = Transfer::start(&mut station, Exchange { peer, receive: 0, send: 0 }, start).unwrap();
        assert!(matches!(hold(&cable, transfer).end, Err(network::NetworkError::Refused { .. })));
    }

    #[test]
    fn a_hostile_lease_is_no_address() {
        let (cable, mut station) = station(Lease::Hostile);
        let asking = Asking::start(&mut station, Instant::from_millis(0), Duration::from_secs(10));
        assert!(hold(&cable, asking).is_err());
    }

    #[test]
    fn what_is_cut_short_gets_no_answer() {
        let frame = [&[0xff; 6][..], &[2; 6], &[8, 0, 0x45]].concat();
        for length in 0..frame.len() {
            assert_eq!(answer(&frame[..length], Lease::Good), None);
        }
    }
}
