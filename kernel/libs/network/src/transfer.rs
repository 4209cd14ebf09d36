//! Moves bytes over TCP, both ways at once.

use core::fmt;
use core::net::SocketAddrV4;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::memory::zeroed;
use crate::station::is_one_machine;
use crate::{Conversation, NetworkError, Pattern, Port, Station, Step, Tally};

/// Bytes of each buffer, and so of the window offered: twice what a peer without window scaling can use, so
/// that it is offered its full 64 KiB although some bytes wait to be read.
const BUFFER_BYTES: usize = 128 << 10;

/// The time within which something must move, and within which the peer must answer at first.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a transfer may take beside the time that its bytes need.
const OVERHEAD: Duration = Duration::from_secs(30);

/// Bytes that a second must move on the whole: a peer that sends a byte now and then ends some time too.
const SLOWEST_RATE: u64 = 64 << 10;

/// How long the peer may take to end its own side once all has arrived.
const FAREWELL: Duration = Duration::from_secs(1);

/// Who is connected to, and what is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The peer.
    pub peer: SocketAddrV4,
    /// Bytes that it sends.
    pub receive: u64,
    /// Bytes of the [`Pattern`] that it is sent.
    pub send: u64,
}

/// What was moved, and why it was not all of it.
#[derive(Debug)]
pub struct Exchanged {
    /// What arrived.
    pub received: Tally,
    /// What was handed over to be sent; all of it has been acknowledged if `end` is good.
    pub sent: Tally,
    /// Whether the exchange came to its end: all received and not a byte more, all sent and acknowledged.
    pub end: Result<(), NetworkError>,
}

/// `received=N crc32=0x… sent=M crc32=0x…`
impl fmt::Display for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received={} sent={}", self.received, self.sent)
    }
}

/// Connects to a peer, sends it the pattern, takes in what it sends, and ends the connection (RFC 9293).
pub struct Transfer<'s> {
    station: &'s mut Station,
    handle: SocketHandle,
    exchange: Exchange,
    received: Tally,
    sent: Tally,
    pattern: Pattern,
    phase: Phase,
    /// Bytes that were sent and not yet acknowledged when something last moved.
    unacknowledged: usize,
    /// When something last moved.
    moved_at: Instant,
    /// When it is given up whatever moves.
    ends: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer has not answered yet.
    Connecting,
    /// Bytes move.
    Open,
    /// All has been received, and our end was announced.
    Closing,
}

impl<'s> Transfer<'s> {
    /// Begins to connect.
    ///
    /// # Errors
    /// If the station has no address, the peer's is none, or there is no memory.
    #[inline(never)]
    pub fn start(station: &'s mut Station, exchange: Exchange, now: Instant) -> Result<Self, NetworkError> {
        if station.lease().is_none() {
            return Err(NetworkError::NoAddress);
        }
        let to = exchange.peer;
        if !is_one_machine(*to.ip()) || to.port() == 0 {
            return Err(NetworkError::Unaddressable { to });
        }
        let incoming = SocketBuffer::new(zeroed(BUFFER_BYTES)?);
        let outgoing = SocketBuffer::new(zeroed(BUFFER_BYTES)?);
        let mut socket = Socket::new(incoming, outgoing);
        // What is sent comes in large pieces anyway; the last one shall not wait for an acknowledgement.
        socket.set_nagle_enabled(false);
        let local = station.next_number();
        let handle = station.open(socket);
        let (socket, context) = station.socket_and_context::<Socket<'_>>(handle);
        let peer = IpEndpoint::new(IpAddress::Ipv4(*to.ip()), to.port());
        if socket.connect(context, peer, local).is_err() {
            station.close(handle);
            return Err(NetworkError::Unaddressable { to });
        }
        Ok(Self {
            station,
            handle,
            exchange,
            received: Tally::default(),
            sent: Tally::default(),
            pattern: Pattern::new(),
            phase: Phase::Connecting,
            unacknowledged: 0,
            moved_at: now,
            ends: now + OVERHEAD + time_for(exchange.receive.saturating_add(exchange.send)),
        })
    }

    /// Empties and fills the socket's buffers; tells whether anything moved.
    fn move_bytes(&mut self) -> bool {
        let Self { station, handle, exchange, received, sent, pattern, .. } = self;
        let socket = station.socket::<Socket<'_>>(*handle);
        let mut moved = false;
        while socket.can_recv() && received.bytes() <= exchange.receive {
            let taken = socket.recv(|bytes| {
                received.add(bytes);
                (bytes.len(), bytes.len())
            });
            moved |= taken.is_ok_and(|bytes| bytes > 0);
        }
        while socket.can_send() && sent.bytes() < exchange.send {
            let left = usize::try_from(exchange.send - sent.bytes()).unwrap_or(usize::MAX);
            let filled = socket.send(|room| {
                let length = room.len().min(left);
                let room = room.get_mut(..length).unwrap_or_default();
                pattern.fill(room);
                sent.add(room);
                (length, length)
            });
            moved |= filled.is_ok_and(|bytes| bytes > 0);
        }
        let unacknowledged = socket.send_queue();
        moved |= unacknowledged != self.unacknowledged;
        self.unacknowledged = unacknowledged;
        moved
    }

    /// Follows the connection; `Some` once it is decided how the exchange ended.
    fn advance(&mut self, now: Instant) -> Option<Result<(), NetworkError>> {
        if self.move_bytes() {
            self.moved_at = now;
        }
        if self.received.bytes() > self.exchange.receive {
            return Some(Err(NetworkError::TooMuch));
        }
        let state = self.station.socket::<Socket<'_>>(self.handle).state();
        let decided = match self.phase {
            Phase::Connecting => self.connecting(state, now),
            Phase::Open => self.open(state),
            Phase::Closing => self.closing(state, now),
        };
        let late = now >= self.deadline();
        decided.or_else(|| late.then_some(Err(NetworkError::Stalled)))
    }

    fn connecting(&mut self, state: State, now: Instant) -> Option<Result<(), NetworkError>> {
        let by = self.exchange.peer;
        match state {
            State::SynSent | State::Closed if now >= self.deadline() => {
                Some(Err(NetworkError::NoAnswer { from: *by.ip() }))
            }
            State::Closed => Some(Err(NetworkError::Refused { by })),
            State::SynSent => None,
            _ => {
                self.phase = Phase::Open;
                None
            }
        }
    }

    fn open(&mut self, state: State) -> Option<Result<(), NetworkError>> {
        let has_all = self.received.bytes() >= self.exchange.receive;
        match state {
            State::Closed => Some(Err(NetworkError::Broken)),
            // The peer has announced its end; what it sent before has been read.
            State::CloseWait if !has_all => Some(Err(NetworkError::EndedEarly)),
            _ => {
                if has_all && self.sent.bytes() >= self.exchange.send {
                    self.station.socket::<Socket<'_>>(self.handle).close();
                    self.phase = Phase::Closing;
                }
                None
            }
        }
    }

    fn closing(&self, state: State, now: Instant) -> Option<Result<(), NetworkError>> {
        match state {
            // Both sides have ended.
            State::TimeWait => Some(Ok(())),
            State::Closed if self.unacknowledged == 0 => Some(Ok(())),
            State::Closed => Some(Err(NetworkError::Broken)),
            // Our end is acknowledged, with all before it; the peer's own need not come.
            State::FinWait2 if now >= self.moved_at + FAREWELL => Some(Ok(())),
            _ => None,
        }
    }

    fn deadline(&self) -> Instant {
        self.ends.min(self.moved_at + PATIENCE)
    }
}

impl Conversation for Transfer<'_> {
    type Outcome = Exchanged;

    #[inline(never)]
    fn step(&mut self, port: &dyn Port, now: Instant) -> Step<Self::Outcome> {
        let polled = self.station.poll(port, now);
        let Some(end) = self.advance(now) else {
            let look_again = self.deadline().min(now + FAREWELL);
            return self.station.next(polled, now, look_again);
        };
        if end.is_err() {
            // The peer is told, if it can be.
            self.station.socket::<Socket<'_>>(self.handle).abort();
            self.station.poll(port, now);
        }
        let take = core::mem::take;
        Step::Done(Exchanged { received: take(&mut self.received), sent: take(&mut self.sent), end })
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.station.close(self.handle);
    }
}

/// The longest time that so many bytes may need.
fn time_for(bytes: u64) -> Duration {
    // A century, which is as good as for ever, keeps the sum with a time within its bounds.
    Duration::from_secs((bytes / SLOWEST_RATE).min(100 * 366 * 86_400))
}
