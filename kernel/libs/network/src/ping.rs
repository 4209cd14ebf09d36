//! Asks for an echo.

use alloc::vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp::{Endpoint, PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};

use crate::memory::zeroed;
use crate::station::is_one_machine;
use crate::{Conversation, NetworkError, Pattern, Port, Station, Step};

/// Bytes that an echo must bring back.
const PAYLOAD_BYTES: usize = 56;

/// Bytes of the message with its header.
const MESSAGE_BYTES: usize = 64;

/// Answers that wait to be looked at; a station that is flooded loses the others.
const ANSWERS: usize = 4;

/// When the question is asked again that was not answered.
const RETRY: Duration = Duration::from_secs(1);

/// Sends echo requests, one a second, until one is answered (RFC 792 "Echo or Echo Reply Message").
pub struct Ping<'s> {
    station: &'s mut Station,
    handle: SocketHandle,
    to: Ipv4Addr,
    identifier: u16,
    payload: [u8; PAYLOAD_BYTES],
    question: Option<Question>,
    sequence: u16,
    deadline: Instant,
}

/// The latest request.
struct Question {
    /// When it was handed over, and since it has left when it left.
    asked: Instant,
    state: Sending,
}

#[derive(PartialEq, Eq)]
enum Sending {
    /// The receiver's own card is being asked for.
    Queued,
    Sent,
}

impl<'s> Ping<'s> {
    /// Asks for as long as `patience` lasts.
    ///
    /// # Errors
    /// If the station has no address, the other is none, or there is no memory.
    #[inline(never)]
    pub fn start(
        station: &'s mut Station,
        to: Ipv4Addr,
        now: Instant,
        patience: Duration,
    ) -> Result<Self, NetworkError> {
        if station.lease().is_none() {
            return Err(NetworkError::NoAddress);
        }
        if !is_one_machine(to) {
            return Err(NetworkError::Unaddressable { to: SocketAddrV4::new(to, 0) });
        }
        let identifier = station.next_number();
        let incoming =
            PacketBuffer::new(vec![PacketMetadata::EMPTY; ANSWERS], zeroed(ANSWERS * MESSAGE_BYTES)?);
        let outgoing = PacketBuffer::new(vec![PacketMetadata::EMPTY; 1], zeroed(MESSAGE_BYTES)?);
        let mut socket = Socket::new(incoming, outgoing);
        // A new socket with a number above zero can be bound.
        let _ = socket.bind(Endpoint::Ident(identifier));
        let mut payload = [0; PAYLOAD_BYTES];
        Pattern::new().fill(&mut payload);
        let handle = station.open(socket);
        let deadline = now + patience;
        Ok(Self { station, handle, to, identifier, payload, question: None, sequence: 0, deadline })
    }

    /// Asks, or asks again. What still waits for the receiver's card to be found is left to wait.
    fn ask(&mut self, now: Instant) {
        let due = self.question.is_none() || now >= self.next_question(now);
        let socket = self.station.socket::<Socket<'_>>(self.handle);
        if !due || !socket.can_send() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let request =
            Icmpv4Repr::EchoRequest { ident: self.identifier, seq_no: self.sequence, data: &self.payload };
        if let Ok(room) = socket.send(request.buffer_len(), IpAddress::Ipv4(self.to)) {
            request.emit(&mut Icmpv4Packet::new_unchecked(room), &ChecksumCapabilities::default());
            self.question = Some(Question { asked: now, state: Sending::Queued });
        }
    }

    /// When to ask again.
    fn next_question(&self, now: Instant) -> Instant {
        self.question.as_ref().map_or(now, |question| question.asked) + RETRY
    }

    /// Looks through what arrived for the answer to the latest question.
    fn is_answered(&mut self) -> bool {
        let socket = self.station.socket::<Socket<'_>>(self.handle);
        while let Ok((message, from)) = socket.recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(message) else { continue };
            let Ok(message) = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()) else { continue };
            let wanted =
                Icmpv4Repr::EchoReply { ident: self.identifier, seq_no: self.sequence, data: &self.payload };
            if from == IpAddress::Ipv4(self.to) && message == wanted {
                return true;
            }
        }
        false
    }
}

impl Conversation for Ping<'_> {
    /// The time from the request's leaving to the reply's arrival.
    type Outcome = Result<Duration, NetworkError>;

    #[inline(never)]
    fn step(&mut self, port: &dyn Port, now: Instant) -> Step<Self::Outcome> {
        self.ask(now);
        let polled = self.station.poll(port, now);
        let answered = self.is_answered();
        let left = self.station.socket::<Socket<'_>>(self.handle).send_queue() == 0;
        if let Some(question) = &mut self.question {
            if question.state == Sending::Queued && left {
                *question = Question { asked: now, state: Sending::Sent };
            }
            if answered && question.state == Sending::Sent {
                return Step::Done(Ok(now - question.asked));
            }
        }
        if now >= self.deadline {
            return Step::Done(Err(NetworkError::NoAnswer { from: self.to }));
        }
        self.station.next(polled, now, self.deadline.min(self.next_question(now)))
    }
}

impl Drop for Ping<'_> {
    fn drop(&mut self) {
        self.station.close(self.handle);
    }
}
