//! The controller's own thread: it takes commands, moves data, and completes. Written from the specification (NVM
//! Express Base Specification 2.0) alone, and not from the driver.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use vfio_device::Port;

use super::card::News;
use super::trick::{TRICKS, Trick};
use crate::evil::deeds::{Account, Intruder};
use crate::evil::random::Random;
use crate::evil::sweep::PAGE;

/// Bytes of a block, and the most of one command.
const BLOCK: usize = 512;
const MOST_BYTES: usize = 1 << 20;
/// Opcodes of the admin queue.
const CREATE_SUBMISSION: u8 = 0x01;
const CREATE_COMPLETION: u8 = 0x05;
const IDENTIFY: u8 = 0x06;
/// Opcodes of other queues.
const READ: u8 = 0x02;

#[derive(Clone, Copy, Debug)]
struct Submission {
    base: u64,
    entries: u32,
    head: u32,
    completion: u16,
}

#[derive(Clone, Copy, Debug)]
struct Completion {
    base: u64,
    entries: u32,
    tail: u32,
    phase: bool,
    vector: u32,
}

/// A command's words.
#[derive(Clone, Copy, Debug)]
struct Command([u32; 16]);

impl Command {
    fn opcode(&self) -> u8 {
        self.0[0] as u8
    }

    fn id(&self) -> u16 {
        (self.0[0] >> 16) as u16
    }

    fn pointer(&self, word: usize) -> u64 {
        u64::from(self.0[word]) | u64::from(self.0[word + 1]) << 32
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
    submissions: HashMap<u16, Submission>,
    completions: HashMap<u16, Completion>,
    random: Random,
}

impl Firmware {
    pub(super) fn new(port: Port, news: Receiver<News>, trick: Trick, account: Account) -> Self {
        let (submissions, completions) = Default::default();
        let moody = trick == Trick::Moody;
        let intruder = Intruder::new(port.clone(), account.clone());
        let random = Random::new(7);
        Self { port, news, trick, moody, account, intruder, submissions, completions, random }
    }

    /// Works until the registers are gone.
    pub(super) fn run(mut self) {
        loop {
            match self.news.recv_timeout(Duration::from_millis(50)) {
                Ok(News::Enabled { submission, submission_entries, completion, completion_entries }) => {
                    let (head, tail, vector) = (0, 0, 0);
                    self.forget();
                    self.submissions.insert(
                        0,
                        Submission { base: submission, entries: submission_entries, head, completion: 0 },
                    );
                    self.completions.insert(
                        0,
                        Completion {
                            base: completion,
                            entries: completion_entries,
                            tail,
                            phase: true,
                            vector,
                        },
                    );
                    self.intruder.remember([submission, completion]);
                }
                Ok(News::Disabled) => {
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

    fn forget(&mut self) {
        self.submissions.clear();
        self.completions.clear();
    }

    fn be_idle(&mut self) {
        if matches!(self.trick, Trick::LateWrite | Trick::WriteAfterReset) {
            self.intruder.write_what_was_taken_back();
        }
    }

    /// Takes the commands up to a queue's new tail.
    fn work(&mut self, queue: u16, tail: u32) {
        while let Some(submission) = self.submissions.get(&queue).copied() {
            if submission.head == tail || tail >= submission.entries {
                return;
            }
            let Ok(bytes) = self.port.read(submission.base + u64::from(submission.head) * 64, 64) else {
                return;
            };
            let mut words = [0; 16];
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            let next = Submission { head: (submission.head + 1) % submission.entries, ..submission };
            self.submissions.insert(queue, next);
            self.serve(queue, next, Command(words));
        }
    }

    fn serve(&mut self, queue: u16, submission: Submission, command: Command) {
        if self.moody && queue != 0 {
            let quick: Vec<Trick> =
                TRICKS.iter().map(|(trick, _)| *trick).filter(|trick| !trick.tries_patience()).collect();
            let choice = self.random.below(quick.len() as u64) as usize;
            self.trick = quick.get(choice).copied().unwrap_or(Trick::None);
        }
        if self.trick == Trick::EarlyCompletion && queue != 0 {
            self.complete(queue, submission, command, 0, 0);
            std::thread::sleep(Duration::from_millis(20));
            // By then the buffer may have been taken back.
            for page in self.pages(&command, self.data_bytes(&command)) {
                self.intruder.write(page);
            }
            return;
        }
        let (result, status) = if queue == 0 { self.admin(&command) } else { self.block(&command) };
        let status = if self.trick == Trick::EveryCommandFails && queue != 0 { 6 } else { status };
        if self.trick != Trick::Silence || queue == 0 {
            self.complete(queue, submission, command, result, status);
        }
        self.misbehave(&command);
    }

    /// Runs an admin command: its result and status.
    fn admin(&mut self, command: &Command) -> (u32, u16) {
        let [id, entries] = [command.0[10] & 0xffff, (command.0[10] >> 16) + 1];
        let id = id as u16;
        let base = command.pointer(6);
        match command.opcode() {
            CREATE_COMPLETION => {
                let vector = command.0[11] >> 16;
                self.completions.insert(id, Completion { base, entries, tail: 0, phase: true, vector });
            }
            CREATE_SUBMISSION => {
                let completion = (command.0[11] >> 16) as u16;
                self.submissions.insert(id, Submission { base, entries, head: 0, completion });
            }
            IDENTIFY => {
                let data = self.identity((command.0[10] & 0xff) as u8);
                self.send(command, &data);
            }
            // Logs are empty; features are as they were asked for, with one pair of queues.
            0x02 => self.send(command, &[0; 512]),
            _ => (),
        }
        if matches!(command.opcode(), CREATE_COMPLETION | CREATE_SUBMISSION) {
            self.intruder.remember([base]);
        }
        (0, 0)
    }

    /// What the controller says of itself.
    fn identity(&mut self, kind: u8) -> Vec<u8> {
        let mut data = vec![0; 4096];
        let mut put = |offset: usize, bytes: &[u8]| data[offset..offset + bytes.len()].copy_from_slice(bytes);
        match kind {
            // A namespace: size, capacity, use; one format of blocks of 512 bytes.
            0 => {
                let blocks: u64 = if self.trick == Trick::HugeNamespace { u64::MAX } else { 2048 };
                for offset in [0, 8, 16] {
                    put(offset, &blocks.to_le_bytes());
                }
                let shift = if self.trick == Trick::OddBlocks { 63 } else { 9 };
                put(128, &[0, 0, shift, 0]);
            }
            1 => {
                put(4, b"EVIL                ");
                put(24, b"a disk of no good                       ");
                put(64, b"1.0     ");
                // Transfers of up to 2^5 pages, entries of 64 and 16 bytes, one namespace.
                put(77, &[5]);
                put(80, &0x0001_0400_u32.to_le_bytes());
                put(512, &[0x66, 0x44]);
                put(516, &1_u32.to_le_bytes());
            }
            2 if self.trick == Trick::EndlessNamespaces => {
                for (index, place) in data.as_chunks_mut().0.iter_mut().enumerate() {
                    *place = (1024 - index as u32).to_le_bytes();
                }
            }
            2 => put(0, &1_u32.to_le_bytes()),
            _ => (),
        }
        if self.trick == Trick::GarbageIdentity {
            data.iter_mut().for_each(|byte| *byte = self.random.next() as u8);
        }
        data
    }

    /// Runs a command of another queue: every block reads as its number.
    fn block(&mut self, command: &Command) -> (u32, u16) {
        if command.opcode() == READ {
            let first = command.pointer(10);
            let blocks = self.data_bytes(command) / BLOCK;
            let data: Vec<u8> = (0..blocks as u64)
                .flat_map(|block| (first + block).to_le_bytes().repeat(BLOCK / 8))
                .collect();
            self.send(command, &data);
        }
        (0, 0)
    }

    fn data_bytes(&self, command: &Command) -> usize {
        (((command.0[12] & 0xffff) as usize + 1) * BLOCK).min(MOST_BYTES)
    }

    /// Writes data to where a command wants it.
    fn send(&mut self, command: &Command, data: &[u8]) {
        let mut rest = data;
        for page in self.pages(command, data.len()) {
            let room = (PAGE - page % PAGE) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            // What the kernel does not let it write is the kernel's business.
            let _ = self.port.write(page, now);
            self.intruder.remember([page]);
            rest = later;
        }
    }

    /// The places of a command's data: its pointers, and its list's where two are not enough.
    fn pages(&self, command: &Command, bytes: usize) -> Vec<u64> {
        let [first, second] = [command.pointer(6), command.pointer(8)];
        let rest = bytes.saturating_sub((PAGE - first % PAGE) as usize).div_ceil(PAGE as usize);
        let mut pages = vec![first];
        match rest {
            0 => (),
            1 => pages.push(second),
            _ => {
                let list = self.port.read(second, rest.min(512) * 8).unwrap_or_default();
                pages.extend(list.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
        }
        pages
    }

    fn complete(&mut self, queue: u16, submission: Submission, command: Command, result: u32, status: u16) {
        let blocks = queue != 0;
        let trick = if blocks { self.trick } else { Trick::None };
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
            let phase = u32::from(completion.phase) ^ u32::from(trick == Trick::WrongPhase);
            let words = [result, 0, head | from << 16, u32::from(id) | phase << 16 | u32::from(status) << 17];
            let at = completion.base + u64::from(completion.tail) * 16;
            let vector = completion.vector;
            completion.tail += 1;
            if completion.tail >= completion.entries {
                completion.tail = 0;
                completion.phase = !completion.phase;
            }
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
                for page in self.pages(command, self.data_bytes(command)) {
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
