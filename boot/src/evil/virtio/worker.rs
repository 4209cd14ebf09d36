//! The device's own thread: it takes requests from its queues, has them served, and gives them back.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use vfio_device::{DmaError, Port};

use super::Trick;
use super::card::{News, VirtioCard};
use super::disk::Disk;
use super::nic::{Nic, RECEIVE};
use super::ring::{Chain, Place, Queue};
use crate::evil::deeds::{Account, Intruder};
use crate::evil::liar::Liar;
use crate::evil::random::Random;
use crate::evil::sweep::PAGE;

/// How long the device waits for news before it does something by itself.
const IDLE: Duration = Duration::from_millis(50);
/// How long a driver has to take back what was completed too early.
const EARLY: Duration = Duration::from_millis(20);
/// Interrupts of a storm.
const STORM: usize = 10_000;
/// How often something is changed that was checked before.
const CHANGES: usize = 100;

/// What stands behind the queues.
#[derive(Debug)]
pub(super) enum Function {
    Disk(Disk),
    Nic(Nic),
}

/// The device behind its registers.
#[derive(Debug)]
pub(super) struct Worker {
    port: Port,
    news: Receiver<News>,
    /// Once the machine is gone it is gone too, and with it who sends the news.
    card: Weak<Mutex<Liar<VirtioCard>>>,
    function: Function,
    trick: Trick,
    account: Account,
    intruder: Intruder,
    queues: Vec<Option<Queue>>,
    /// Requests that are given back late.
    held: Vec<(usize, Chain)>,
    random: Random,
}

impl Worker {
    pub(super) fn new(
        port: Port,
        news: Receiver<News>,
        card: Weak<Mutex<Liar<VirtioCard>>>,
        function: Function,
        trick: Trick,
        account: Account,
    ) -> Self {
        let intruder = Intruder::new(port.clone(), account.clone());
        let (queues, held, random) = (Vec::new(), Vec::new(), Random::new(19));
        Self { port, news, card, function, trick, account, intruder, queues, held, random }
    }

    /// Works until the registers are gone.
    pub(super) fn run(mut self) {
        loop {
            let done = match self.news.recv_timeout(IDLE) {
                Ok(News::Ready(places)) => self.begin(places),
                Ok(News::Reset) => self.reset(),
                Ok(News::Notified(queue)) => self.work(queue),
                Err(RecvTimeoutError::Timeout) => self.be_idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What it is told to do and may not do breaks it.
            if let Err(DmaError::Refused(_)) = done {
                self.on_card(VirtioCard::want_reset);
                self.raise(1);
            }
        }
    }

    fn begin(&mut self, places: Vec<Option<Place>>) -> Result<(), DmaError> {
        for place in places.iter().flatten() {
            self.intruder
                .remember([place.descriptors, place.driver, place.device].map(|at| at & !(PAGE - 1)));
        }
        self.queues = places.into_iter().map(|place| place.map(Queue::new)).collect();
        Ok(())
    }

    fn reset(&mut self) -> Result<(), DmaError> {
        let queues = std::mem::take(&mut self.queues);
        self.on_card(VirtioCard::end_reset);
        if self.trick == Trick::WriteAfterReset {
            self.intruder.write_what_was_taken_back();
        }
        // What was held back is given back now, into rings that are gone.
        for (queue, chain) in std::mem::take(&mut self.held) {
            chain.pieces().for_each(|piece| self.intruder.write(piece.address));
            if let Some(Some(queue)) = queues.get(queue) {
                self.intruder.write(queue.place.device);
            }
        }
        Ok(())
    }

    fn be_idle(&mut self) -> Result<(), DmaError> {
        match self.trick {
            Trick::LateWrite | Trick::WriteAfterReset | Trick::WritesOn => {
                self.intruder.write_what_was_taken_back();
            }
            Trick::InterruptsWhileIdle => self.raise(STORM / 10),
            _ => (),
        }
        self.feed_unasked()
    }

    /// Takes and serves what is new in a queue; frames that arrive wait for their buffers, not the other way round.
    fn work(&mut self, queue: u16) -> Result<(), DmaError> {
        if matches!(self.function, Function::Nic(_)) && queue == RECEIVE {
            return self.feed_unasked();
        }
        while let Some(chain) = self.take(queue)? {
            let asked = chain.gather(&self.port)?;
            let (answer, frames, greeting) = match &mut self.function {
                Function::Disk(disk) => {
                    (disk.serve(&asked, chain.room()), Vec::new(), Disk::is_greeting(&asked))
                }
                Function::Nic(nic) => {
                    let (answer, frames) = nic.serve(queue, &asked);
                    (answer, frames, false)
                }
            };
            let trick = if greeting { Trick::None } else { self.trick };
            self.finish(queue, &chain, &answer, trick)?;
            for frame in frames {
                self.feed(&frame)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, queue: u16) -> Result<Option<Chain>, DmaError> {
        let Some(Some(ring)) = self.queues.get_mut(usize::from(queue)) else { return Ok(None) };
        let chain = ring.take(&self.port)?;
        let pages = chain.iter().flat_map(Chain::pieces).map(|piece| piece.address & !(PAGE - 1));
        self.intruder.remember(pages);
        Ok(chain)
    }

    /// Puts a frame into the next buffer for one; without any it is lost.
    fn feed(&mut self, frame: &[u8]) -> Result<bool, DmaError> {
        let Some(chain) = self.take(RECEIVE)? else { return Ok(false) };
        self.finish(RECEIVE, &chain, frame, self.trick)?;
        Ok(true)
    }

    /// Puts frames that nobody sent into every buffer there is, and no more than a queue's of them at a time.
    fn feed_unasked(&mut self) -> Result<(), DmaError> {
        for _ in 0..64 {
            let Function::Nic(nic) = &mut self.function else { break };
            let Some(frame) = nic.unasked() else { break };
            if !self.feed(&frame)? {
                break;
            }
        }
        Ok(())
    }

    /// Writes a request's answer, gives the request back, and does what is done beside that.
    fn finish(&mut self, queue: u16, chain: &Chain, answer: &[u8], trick: Trick) -> Result<(), DmaError> {
        match trick {
            Trick::Silence => return Ok(()),
            Trick::CompletesAfterReset => {
                self.held.push((usize::from(queue), chain.clone()));
                self.on_card(VirtioCard::want_reset);
                self.raise(1);
                return Ok(());
            }
            Trick::EarlyCompletion => {
                self.give_back(queue, chain, answer.len(), trick)?;
                std::thread::sleep(EARLY);
                // By then the buffers may have been taken back.
                chain.written.iter().for_each(|piece| self.intruder.write(piece.address));
                return Ok(());
            }
            _ => (),
        }
        chain.scatter(&self.port, answer)?;
        self.give_back(queue, chain, answer.len(), trick)?;
        self.misbehave(queue, chain, trick);
        Ok(())
    }

    /// Gives a request back, as it is or as a lie.
    fn give_back(&mut self, queue: u16, chain: &Chain, bytes: usize, trick: Trick) -> Result<(), DmaError> {
        let Some(Some(ring)) = self.queues.get_mut(usize::from(queue)) else { return Ok(()) };
        let size = ring.place.size;
        let id = match trick {
            Trick::IdBeyondQueue => u32::from(size),
            Trick::IdOfOnes => u32::MAX,
            Trick::IdOfNobody => u32::from(chain.head ^ (size / 2)),
            _ => u32::from(chain.head),
        };
        let length = match trick {
            Trick::LengthTooLong => chain.room() as u32 + PAGE as u32,
            Trick::LengthZero => 0,
            Trick::LengthOfOnes => u32::MAX,
            _ => u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        match trick {
            Trick::IndexAhead | Trick::IndexBack => {
                let step = if trick == Trick::IndexAhead { 1000 } else { u16::MAX };
                ring.write_entry(&self.port, id, length)?;
                ring.show_index(&self.port, ring.used.wrapping_add(step))?;
            }
            Trick::IdTwice => {
                ring.give_back(&self.port, id, length)?;
                ring.give_back(&self.port, id, length)?;
            }
            _ => ring.give_back(&self.port, id, length)?,
        }
        self.account.note_completed();
        self.raise(1);
        Ok(())
    }

    /// What is done beside every request.
    fn misbehave(&mut self, queue: u16, chain: &Chain, trick: Trick) {
        let Some(Some(Queue { place, .. })) = self.queues.get(usize::from(queue)) else { return };
        let (place, size) = (*place, u64::from(place.size));
        match trick {
            Trick::InterruptStorm => self.raise(STORM),
            Trick::LateWrite | Trick::WritesOn => self.intruder.write_what_was_taken_back(),
            Trick::WriteAfterReset => self.on_card(VirtioCard::want_reset),
            Trick::WritesRings => {
                for at in 0..size {
                    self.intruder.write(place.descriptors + 16 * at);
                    self.intruder.write(place.driver + 2 * at);
                }
            }
            Trick::ReadsPastRings => {
                for page in 1..=16 {
                    let bytes = page * PAGE;
                    [place.descriptors, place.driver, place.device]
                        .iter()
                        .for_each(|at| self.intruder.read(at.wrapping_add(bytes)));
                }
            }
            Trick::AgainstTheDirection => self.intruder.write_against_the_direction(),
            Trick::PastTheEnd => {
                for piece in chain.pieces() {
                    let end = piece.address + piece.bytes as u64;
                    self.intruder.write_behind(end - 1);
                    self.intruder.read(((end - 1) | (PAGE - 1)).wrapping_add(1));
                }
            }
            Trick::EverythingElse => {
                for _ in 0..2 * CHANGES {
                    let bits = self.random.below(52) + 12;
                    self.intruder.write(self.random.next() >> (64 - bits) & !(PAGE - 1));
                }
            }
            Trick::ChangesAfterCheck => self.change(place, chain),
            _ => (),
        }
    }

    /// Writes other bytes all over what it may write and the driver may be looking at.
    fn change(&mut self, place: Place, chain: &Chain) {
        let deadline = Instant::now() + EARLY;
        let ring = (place.device, 4 + 8 * usize::from(place.size));
        let buffers = chain.written.iter().map(|piece| (piece.address, piece.bytes));
        let places: Vec<(u64, usize)> = std::iter::once(ring).chain(buffers).collect();
        for _ in 0..CHANGES {
            let (start, bytes) = places[self.random.below(places.len() as u64) as usize];
            let at = start + self.random.below((bytes as u64 / 8).max(1)) * 8;
            let noise = self.random.next().to_le_bytes();
            // It may have been taken back meanwhile, and something else stands there.
            if self.port.with_books(|books| books.at(at).is_some_and(|may| may.writes())) {
                let _ = self.port.write(at, &noise);
            }
            if Instant::now() > deadline {
                break;
            }
        }
    }

    /// Raises the interrupt so many times; a machine without it polls.
    fn raise(&self, times: usize) {
        (0..times).for_each(|_| {
            let _ = self.port.raise(0);
        });
    }

    fn on_card(&self, change: impl FnOnce(&mut VirtioCard)) {
        if let Some(card) = self.card.upgrade() {
            change(&mut card.lock().unwrap_or_else(PoisonError::into_inner).inner);
        }
    }
}
