//! A network card (virtio "Network Device").

use super::Trick;
use super::card::Kind;
use crate::evil::neighbour::{self, Lease};
use crate::evil::random::Random;

/// The queue of frames that arrive, and the one of commands.
pub(super) const RECEIVE: u16 = 0;
const CONTROL: u16 = 2;
/// Bytes before each frame, and of the longest frame.
const HEADER: usize = 12;
const LONGEST: usize = 1514;
/// The card's address.
const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 0xe7, 0x11, 0x01];
/// What a command is answered with.
const OK: u8 = 0;

/// Features: the card has an address and tells its link's state; commands, the address among them; a limit of frames.
const MTU: u64 = 1 << 3;
const FEATURES: u64 = 1 << 5 | 1 << 16 | 1 << 17 | 1 << 23;

/// The card behind its queues.
#[derive(Debug)]
pub(super) struct Nic {
    trick: Trick,
    random: Random,
}

impl Nic {
    pub(super) fn new(trick: Trick) -> Self {
        Self { trick, random: Random::new(17) }
    }

    /// What its registers say.
    pub(super) fn kind(trick: Trick) -> Kind {
        let address = match trick {
            Trick::NoAddress => [0; 6],
            Trick::GroupAddress => [0xff; 6],
            _ => ADDRESS,
        };
        let is_up = trick != Trick::FramesWithoutLink;
        let mut config = address.to_vec();
        // Link, pairs of queues, limit.
        config.extend([u8::from(is_up), 0, 1, 0, 0, 0]);
        let limit = if trick == Trick::AbsurdMtu { MTU } else { 0 };
        Kind { device: 0x1041, class: 0x02_0000, features: FEATURES | limit, queues: 3, config }
    }

    /// Serves what came by another queue than that of arriving frames: what the driver gets, and what arrives for it.
    pub(super) fn serve(&mut self, queue: u16, asked: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        if queue == CONTROL {
            return (vec![OK], Vec::new());
        }
        let lease = if self.trick == Trick::HostileLease { Lease::Hostile } else { Lease::Good };
        let frame = asked.get(HEADER..).unwrap_or_default();
        let arrives = match self.trick {
            Trick::FramesOfChance => (0..8).map(|_| self.noise(LONGEST)).collect(),
            _ => Vec::new(),
        };
        let answers = neighbour::answer(frame, lease).into_iter().chain(arrives);
        (Vec::new(), answers.map(|frame| self.with_header(&frame)).collect())
    }

    /// A frame that nobody has sent, where the card has such.
    pub(super) fn unasked(&mut self) -> Option<Vec<u8>> {
        if !matches!(self.trick, Trick::FrameFlood | Trick::FramesWithoutLink) {
            return None;
        }
        let frame = self.noise(64);
        Some(self.with_header(&frame))
    }

    fn with_header(&mut self, frame: &[u8]) -> Vec<u8> {
        let header = match self.trick {
            Trick::GarbageHeader => self.noise(HEADER),
            // One buffer, which only cards say that can use several.
            _ => vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        };
        let mut bytes = [&header, frame].concat();
        match self.trick {
            Trick::FrameTooLong => bytes.resize(4096, 0x5a),
            Trick::FrameBelowHeader => bytes.truncate(HEADER / 2),
            Trick::EmptyFrames => bytes.truncate(HEADER),
            _ => (),
        }
        bytes
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.random.next() as u8).collect()
    }
}
