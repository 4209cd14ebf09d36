//! The controller's own thread: it takes commands, moves data, and completes. Written from the specification (NVM
//! Express Base Specification 2.0) alone, and not from the driver.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use vfio_device::Port;

use super::card::News;
use super::command::{
    BLOCK, CREATE_COMPLETION, CREATE_SUBMISSION, Command, ENTRY_BYTES, GET_LOG, IDENTIFY, READ,
};
use super::identity;
use super::trick::{Step, TRICKS, Trick};
use crate::evil::deeds::{Account, Intruder};
use crate::evil::random::Random;
use crate::evil::sweep::PAGE;

#[derive(Clone, Copy, Debug)]
struct Submission {
    base: u64,
    entries: u32,
    head: u32,
    completion: u16,
}

impl Submission {
    fn new(base: u64, entries: u32, completion: u16) -> Self {
        Self { base, entries, head: 0, completion }
    }
}

#[derive(Clone, Copy, Debug)]
struct Completion {
    base: u64,
    entries: u32,
    tail: u32,
    phase: bool,
    vector: u32,
}

impl Completion {
    fn new(base: u64, entries: u32, vector: u32) -> Self {
        Self { base, entries, tail: 0, phase: true, vector }
    }

    /// Takes the next place: its address, and the phase that it is to have.
    fn advance(&mut self) -> (u64, bool) {
        let place = (self.base + u64::from(self.tail) * 16, self.phase);
        self.tail += 1;
        if self.tail >= self.entries {
            self.tail = 0;
            self.phase = !self.phase;
        }
        place
    }
}

/// The controller behind its registers.
pub(super) struct Firmware {
    port: Port,
    news: Receiver<News>,
    trick: Trick,
    /// Another trick at every command.
    moody: bool,
    account: Account,
    intruder: Intruder,
    /// Set where it has come to the step at which it falls silent.
    stopped: Arc<AtomicBool>,
    submissions: HashMap<u16, Submission>,
    completions: HashMap<u16, Completion>,
    /// Commands of other queues than the first so far.
    transfers: usize,
    random: Random,
}

impl Firmware {
    pub(super) fn new(
        port: Port,
        news: Receiver<News>,
        trick: Trick,
        account: Account,
        stopped: Arc<AtomicBool>,
    ) -> Self {
        Self {
            intruder: Intruder::new(port.clone(), account.clone()),
            port,
            news,
            trick,
            moody: trick == Trick::Moody,
            account,
            stopped,
            submissions: HashMap::new(),
            completions: HashMap::new(),
            transfers: 0,
            random: Random::new(7),
        }
    }

    /// Works until the registers are gone.
    pub(super) fn run(mut self) {
        loop {
            match self.news.recv_timeout(Duration::from_millis(50)) {
                Ok(News::Enabled { submission, submission_entries, completion, completion_entries }) => {
                    self.forget();
                    self.submissions.insert(0, Submission::new(submission, submission_entries, 0));
                    self.completions.insert(0, Completion::new(completion, completion_entries, 0));
                    self.intruder.remember([submission, completion]);
                }
                Ok(news @ (News::Disabled | News::Reset)) => {
                    if matches!(news, News::Disabled) {
                        self.stop_at(Step::Reset);
                    }
                    self.forget();
                    if self.trick == Trick::WriteAfterReset {
                        self.intruder.write_what_was_taken_back();
                    }
                }
                Ok(News::Tail { queue, tail }) => self.work(queue, tail),
                Err(RecvTimeoutError::Timeout) => self.be_idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Falls silent for good if this is the step for that; tells whether it has.
    fn stop_at(&self, step: Step) -> bool {
        let stops = self.trick == Trick::StopsAt(step);
        if stops {
            self.stopped.store(true, Ordering::Relaxed);
        }
        stops
    }

    fn be_idle(&mut self) {
        if matches!(self.trick, Trick::LateWrite | Trick::WriteAfterReset) {
            self.intruder.write_what_was_taken_back();
        }
    }

    fn forget(&mut self) {
        self.submissions.clear();
        self.completions.clear();
    }

    /// Takes the commands up to a queue's new tail.
    fn work(&mut self, queue: u16, tail: u32) {
        while let Some(submission) = self.submissions.get(&queue).copied() {
            if submission.head == tail || tail >= submission.entries || self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let at = submission.base + u64::from(submission.head) * ENTRY_BYTES as u64;
            let Ok(entry) = self.port.read(at, ENTRY_BYTES) else { return };
            let next = Submission { head: (submission.head + 1) % submission.entries, ..submission };
            self.submissions.insert(queue, next);
            self.serve(queue, next, &Command::decode(&entry));
        }
    }

    fn serve(&mut self, queue: u16, submission: Submission, command: &Command) {
        if self.moody && queue != 0 {
            self.change_mood();
        }
        if step(queue, command, self.transfers).is_some_and(|step| self.stop_at(step)) {
            return;
        }
        self.transfers += usize::from(queue != 0);
        if self.trick == Trick::EarlyCompletion && queue != 0 {
            self.complete(queue, submission, command, 0);
            std::thread::sleep(Duration::from_millis(20));
            // By then the buffer may have been taken back.
            for page in command.pages(&self.port, command.data_bytes()) {
                self.intruder.write(page);
            }
            return;
        }
        if queue == 0 {
            self.admin(command);
        } else {
            self.block(command);
        }
        let status = if self.trick == Trick::EveryCommandFails && queue != 0 { 6 } else { 0 };
        if self.trick != Trick::Silence || queue == 0 {
            self.complete(queue, submission, command, status);
        }
        self.misbehave(command);
    }

    fn change_mood(&mut self) {
        let quick: Vec<Trick> =
            TRICKS.iter().map(|(trick, _)| *trick).filter(|trick| !trick.tries_patience()).collect();
        let choice = self.random.below(quick.len() as u64) as usize;
        self.trick = quick.get(choice).copied().unwrap_or(Trick::None);
    }

    /// Runs an admin command. Features are as they were asked for, with one pair of queues.
    fn admin(&mut self, command: &Command) {
        let [id, entries] = [command.0[10] & 0xffff, (command.0[10] >> 16) + 1];
        let id = id as u16;
        let base = command.pointer(6);
        match command.opcode() {
            CREATE_COMPLETION => {
                self.completions.insert(id, Completion::new(base, entries, command.0[11] >> 16));
                self.intruder.remember([base]);
            }
            CREATE_SUBMISSION => {
                let completion = (command.0[11] >> 16) as u16;
                self.submissions.insert(id, Submission::new(base, entries, completion));
                self.intruder.remember([base]);
            }
            IDENTIFY => {
                let data = identity::answer(command.0[10] as u8, self.trick, &mut self.random);
                self.send(command, &data);
            }
            // Logs are empty.
            GET_LOG => self.send(command, &[0; 512]),
            _ => (),
        }
    }

    /// Runs a command of another queue: every block reads as its number.
    fn block(&mut self, command: &Command) {
        if command.opcode() != READ {
            return;
        }
        let first = command.pointer(10);
        let blocks = command.data_bytes() / BLOCK;
        let data: Vec<u8> =
            (0..blocks as u64).flat_map(|block| (first + block).to_le_bytes().repeat(BLOCK / 8)).collect();
        self.send(command, &data);
    }

    /// Writes data to where a command wants it.
    fn send(&mut self, command: &Command, data: &[u8]) {
        let mut rest = data;
        for page in command.pages(&self.port, data.len()) {
            let room = (PAGE - page % PAGE) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            // What the kernel does not let it write is the kernel's business.
            let _ = self.port.write(page, now);
            self.intruder.remember([page]);
            rest = later;
        }
    }

    fn complete(&mut self, queue: u16, submission: Submission, command: &Command, status: u16) {
        let trick = if queue != 0 { self.trick } else { Trick::None };
        let id = match trick {
            Trick::ForeignId => command.id() ^ 0x20,
            Trick::IdOfNobody => u16::MAX,
            _ => command.id(),
        };
        let head = if trick == Trick::QueueHeadOutside { u32::from(u16::MAX) } else { submission.head };
        let from = if trick == Trick::UnknownQueue { 77 } else { u32::from(queue) };
        let times = match trick {
            Trick::DoubleCompletion => 2,
            Trick::CompletionFlood => {
                self.completions.get(&submission.completion).map_or(1, |queue| queue.entries)
            }
            _ => 1,
        };
        for _ in 0..times {
            let Some(completion) = self.completions.get_mut(&submission.completion) else { return };
            let vector = completion.vector;
            let (at, phase) = completion.advance();
            let phase = u32::from(phase) ^ u32::from(trick == Trick::WrongPhase);
            let words = [0, 0, head | from << 16, u32::from(id) | phase << 16 | u32::from(status) << 17];
            let entry: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            if self.port.write(at, &entry).is_err() {
                return;
            }
            // A machine without the interrupt polls.
            let _ = self.port.raise(vector);
        }
        self.account.note_completed();
    }

    /// What is done beside every command.
    fn misbehave(&mut self, command: &Command) {
        match self.trick {
            Trick::InterruptStorm => (0..10_000).for_each(|_| {
                let _ = self.port.raise(0);
            }),
            Trick::LateWrite | Trick::WriteAfterReset => self.intruder.write_what_was_taken_back(),
            Trick::PastTheEnd => {
                for page in command.pages(&self.port, command.data_bytes()) {
                    self.intruder.write_behind(page);
                }
            }
            Trick::AgainstTheDirection => self.intruder.write_against_the_direction(),
            Trick::ChangesAfterCheck => {
                let page = command.pointer(6);
                for _ in 0..200 {
                    let noise = self.random.next().to_le_bytes();
                    let _ = self.port.write(page + self.random.below(500) * 8, &noise);
                }
            }
            Trick::EverythingElse => {
                for _ in 0..200 {
                    let bits = self.random.below(52) + 12;
                    let page = self.random.next() >> (64 - bits) & !(PAGE - 1);
                    self.intruder.write(page);
                }
            }
            _ => (),
        }
    }
}

/// The step of a driver's work that a command is, after so many transfers of blocks: the first is the driver's own.
fn step(queue: u16, command: &Command, transfers: usize) -> Option<Step> {
    match (queue, command.opcode()) {
        (0, CREATE_COMPLETION | CREATE_SUBMISSION) => Some(Step::QueueCreation),
        (0, IDENTIFY) => Some(Step::Identify),
        (1.., READ) if transfers > 0 => Some(Step::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_first_read_is_no_step() {
        let command = |opcode: u8| {
            let mut entry = [0; 64];
            entry[0] = opcode;
            Command::decode(&entry)
        };
        assert_eq!(step(0, &command(IDENTIFY), 0), Some(Step::Identify));
        assert_eq!(step(0, &command(CREATE_COMPLETION), 0), Some(Step::QueueCreation));
        assert_eq!(step(0, &command(GET_LOG), 9), None);
        assert_eq!((step(1, &command(READ), 0), step(1, &command(READ), 1)), (None, Some(Step::Read)));
    }
}
