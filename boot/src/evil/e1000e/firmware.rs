//! The card's own thread: it sends, receives, writes descriptors back and interrupts. Written from the document (82574
//! "Receive Functionality", "Transmit Functionality") alone, and not from the driver.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vfio_device::Port;

use super::registers::{News, Registers, Ring, Way, cause};
use super::trick::Trick;
use crate::evil::deeds::{Account, Intruder};
use crate::evil::neighbour;
use crate::evil::random::Random;

/// Frames that wait inside the card for buffers.
const WAITING: usize = 128;
/// Bits of a transmit descriptor's second word: the frame ends, the device says when it is done, it is done.
const SENT_END: u64 = 1 << 24;
const SENT_REPORT: u64 = 1 << 27;
const DONE: u64 = 1 << 32;
/// The bit of a receive descriptor's second word that says that the frame ends.
const RECEIVED_END: u64 = 1 << 33;

/// The buffers for received frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffers {
    pub(super) ring: Ring,
    /// Bytes of each.
    bytes: usize,
    /// The descriptor that is filled next.
    head: u32,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub(super) ring: Ring,
    way: Way,
    /// The descriptor that is sent next.
    head: u32,
}

/// A receive descriptor that was filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// Where it stands.
    pub(super) place: u64,
    /// The buffer's address.
    pub(super) buffer: u64,
    /// What was written into its second word.
    pub(super) facts: u64,
}

/// The card behind its registers.
pub(super) struct Firmware {
    pub(super) port: Port,
    registers: Arc<Mutex<Registers>>,
    news: Receiver<News>,
    pub(super) trick: Trick,
    account: Account,
    pub(super) intruder: Intruder,
    pub(super) random: Random,
    pub(super) buffers: Option<Buffers>,
    pub(super) outgoing: Option<Outgoing>,
    /// The parts of a frame that were read so far.
    frame: Vec<u8>,
    /// Frames that came and have no buffer yet.
    waiting: VecDeque<Vec<u8>>,
    /// When it was last brought up, and how often.
    pub(super) up: Option<Instant>,
    pub(super) ups: usize,
}

impl Firmware {
    pub(super) fn new(
        port: Port,
        registers: Arc<Mutex<Registers>>,
        news: Receiver<News>,
        trick: Trick,
        account: Account,
    ) -> Self {
        let intruder = Intruder::new(port.clone(), account.clone());
        Self {
            port,
            registers,
            news,
            trick,
            account,
            intruder,
            random: Random::new(82_574),
            buffers: None,
            outgoing: None,
            frame: Vec::new(),
            waiting: VecDeque::new(),
            up: None,
            ups: 0,
        }
    }

    /// Works until the registers are gone.
    pub(super) fn run(mut self) {
        loop {
            match self.news.recv_timeout(Duration::from_millis(50)) {
                Ok(news) => {
                    self.deal_with(news);
                    self.registers().note_dealt_with();
                }
                Err(RecvTimeoutError::Timeout) => self.be_idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn deal_with(&mut self, news: News) {
        match news {
            News::Reset => {
                (self.buffers, self.outgoing) = (None, None);
                self.frame.clear();
                self.waiting.clear();
                self.misbehave_after_reset();
            }
            News::Buffers(ring, bytes) => {
                if self.buffers.is_none() {
                    self.up = Some(Instant::now());
                    self.ups += 1;
                }
                let head = self.buffers.map_or(0, |buffers| buffers.head);
                self.buffers = Some(Buffers { ring, bytes, head });
                self.intruder.remember([ring.base]);
                self.fill_buffers();
            }
            News::Frames(ring, way) => {
                let head = self.outgoing.map_or(0, |outgoing| outgoing.head);
                self.outgoing = Some(Outgoing { ring, way, head });
                self.intruder.remember([ring.base]);
                self.send_frames();
            }
            News::Message => self.send_message(),
        }
    }

    /// Sends what there is to send.
    fn send_frames(&mut self) {
        while let Some(Outgoing { ring, way, head }) = self.outgoing {
            let has_work = head != ring.tail && head < ring.entries && self.trick != Trick::NeverSends;
            if !has_work || self.registers().is_to_rest() {
                return;
            }
            let Some([address, facts]) = self.read_descriptor(ring.place(head)) else { return };
            let report = |firmware: &Self| {
                if facts & SENT_REPORT != 0 {
                    firmware.write_word(ring.place(head) + 8, facts | DONE);
                }
            };
            if self.trick == Trick::SentBeforeRead {
                report(self);
                self.interrupt(cause::SENT);
                std::thread::sleep(Duration::from_millis(20));
                // By then the buffer may have been taken back.
                self.intruder.read(address);
            }
            let bytes = usize::from(facts as u16);
            // A part that cannot be read is left out.
            self.frame.extend(self.port.read(address, bytes).unwrap_or_default());
            self.intruder.remember([address]);
            report(self);
            self.outgoing = Some(Outgoing { ring, way, head: ring.after(head) });
            self.registers().set_transmit_head(ring.after(head));
            self.interrupt(cause::SENT);
            self.misbehave_over_sent(ring);
            if facts & SENT_END != 0 {
                self.account.note_completed();
                let frame = std::mem::take(&mut self.frame);
                match way {
                    Way::Loopback => self.receive(frame),
                    Way::Network => {
                        let answer = neighbour::answer(&frame, self.lease());
                        answer.into_iter().for_each(|answer| self.receive(answer));
                    }
                }
            }
        }
    }

    /// Takes a frame in.
    pub(super) fn receive(&mut self, frame: Vec<u8>) {
        for _ in 0..self.times() {
            if self.waiting.len() >= WAITING {
                self.interrupt(cause::OVERRUN);
                return;
            }
            self.waiting.push_back(frame.clone());
        }
        self.fill_buffers();
    }

    /// Puts what waits into buffers, as long as there are any.
    fn fill_buffers(&mut self) {
        while let (Some(Buffers { ring, bytes, head }), Some(frame)) =
            (self.buffers, self.waiting.pop_front())
        {
            let pieces: Vec<&[u8]> = frame.chunks(bytes).collect();
            let room = (ring.tail + ring.entries).saturating_sub(head).checked_rem(ring.entries).unwrap_or(0);
            if (room as usize) < pieces.len() || self.registers().is_to_rest() {
                self.waiting.push_front(frame);
                return;
            }
            for (number, piece) in pieces.iter().enumerate() {
                self.fill(piece, number + 1 == pieces.len());
            }
            self.account.note_completed();
            self.interrupt(cause::RECEIVED);
        }
    }

    /// Fills the next buffer.
    fn fill(&mut self, piece: &[u8], ends: bool) {
        let Some(Buffers { ring, bytes, head }) = self.buffers else { return };
        self.buffers = Some(Buffers { ring, bytes, head: ring.after(head) });
        let slot = self.slot_for(ring, head);
        let Some([buffer, _]) = self.read_descriptor(ring.place(slot)) else { return };
        // What the kernel does not let it write is the kernel's business.
        let _ = self.port.write(buffer, piece);
        let end = if ends { RECEIVED_END } else { 0 };
        let facts = self.described(piece.len() as u64 | DONE | end);
        self.write_word(ring.place(slot) + 8, facts);
        self.intruder.remember([buffer]);
        self.registers().set_receive_head(ring.after(head));
        self.misbehave_over_received(ring, Filled { place: ring.place(slot), buffer, facts });
    }

    fn read_descriptor(&self, place: u64) -> Option<[u64; 2]> {
        let bytes = self.port.read(place, 16).ok()?;
        let (words, _) = bytes.as_chunks();
        Some([u64::from_le_bytes(*words.first()?), u64::from_le_bytes(*words.get(1)?)])
    }

    pub(super) fn write_word(&self, place: u64, word: u64) {
        // As with frames.
        let _ = self.port.write(place, &word.to_le_bytes());
    }

    /// Notes a cause, and sends a message if the driver wants one.
    pub(super) fn interrupt(&self, causes: u32) {
        let wanted = self.registers().raise(causes);
        if wanted {
            self.send_message();
        }
    }

    fn send_message(&self) {
        if self.trick != Trick::NoMessages {
            // A machine without the message polls.
            let _ = self.port.raise(0);
        }
    }

    fn registers(&self) -> MutexGuard<'_, Registers> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
