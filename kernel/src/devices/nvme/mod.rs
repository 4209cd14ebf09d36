//! The NVMe driver: an admin queue, one queue pair for blocks, one interrupt message.
//!
//! Requests run side by side, as many as the queue holds: [`Nvme::submit`] starts one, [`Nvme::collect`] notes what
//! the controller has completed, [`Nvme::take`] gives the buffer back. [`Disk`]'s calls, which wait, are made of
//! these.
//!
//! A controller that does not complete a command in time is reset, and every request that it had ends with an error.
//! Whatever it does after that, it can only do to memory that is mapped for it.

mod attack;
mod controller;
mod error;
mod identify;
mod namespace;
mod queue;
mod requests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use core::mem;

use dma_types::Iova;
use nvme::Nonsense;
use nvme::spec::command::{SubmissionEntry, Transfer};
use nvme::spec::registers::QueueId;

use self::attack::Attack;
use self::controller::{AdminQueues, Controller};
use self::queue::Queue;
use self::requests::{COMMAND_TIME, End, Held, Requests};
use super::{DeviceRecord, Disk, Driver, Function, Kind, Messages, Namespace, StartError};
use crate::devices::Overreach;
use crate::dma::{self, PageBuffer};
use crate::platform::clock::Deadline;
use crate::sync::{Mutex, rank};

pub use error::NvmeError;
pub use requests::{Io, Token};

/// The driver.
pub const KIND: Kind = Kind { name: DRIVER, serves, start };

const DRIVER: &str = "nvme";

/// Entries of the admin queues; commands go there one by one.
const ADMIN_ENTRIES: u16 = 8;

/// Entries of the queues for blocks, if the controller has so many: one stays free.
const IO_ENTRIES: u16 = nvme::MAX_COMMANDS + 1;

/// The queue pair for blocks.
const IO: QueueId = QueueId(1);

/// The interrupt message of both pairs.
const MESSAGE: u16 = 0;

/// A controller at work.
pub struct Nvme {
    record: &'static DeviceRecord,
    dma: dma::Device,
    controller: Controller,
    messages: Messages,
    admin: Mutex<Queue, rank::Driver>,
    requests: Mutex<Requests, rank::Requests>,
    working: Mutex<Condition, rank::Condition>,
    entries: u16,
    description: String,
    namespaces: Vec<Namespace>,
    /// Most bytes of one command.
    max_bytes: u64,
    has_compare: bool,
    attack: Option<Attack>,
}

/// Whether requests can be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// They can.
    Working,
    /// The device was cut off and has to be started again.
    CutOff,
    /// The controller did not come up again.
    Dead,
}

/// A request that has ended.
pub struct Ended {
    /// How.
    pub result: Result<(), NvmeError>,
    /// Its buffer, if it had one and the device cannot reach it any more.
    pub buffer: Option<PageBuffer>,
}

/// Every controller at work.
pub fn all() -> impl Iterator<Item = &'static Nvme> {
    super::drivers().filter_map(|driver| {
        let driver: &dyn Any = driver;
        driver.downcast_ref()
    })
}

fn serves(function: &pci::Function) -> bool {
    let pci::ClassCode { base, sub, interface } = function.class;
    (base, sub, interface) == (0x01, 0x08, 0x02)
}

fn start(function: &Function) -> Result<Box<dyn Driver>, StartError> {
    let controller = Controller::new(function, IO)?;
    // What firmware's driver left behind must not find a device that may reach memory.
    controller.reset()?;
    let dma = function.claim(DRIVER, Iova::new(u64::MAX))?;
    let messages = function.messages()?;
    let entries = controller.capabilities().max_queue_entries().min(u32::from(IO_ENTRIES)) as u16;
    let admin = Queue::new(&dma, QueueId::ADMIN, ADMIN_ENTRIES)?;
    let requests = Requests::new(&dma, Queue::new(&dma, IO, entries)?)?;
    let mut nvme = Nvme {
        record: function.record(),
        dma,
        controller,
        messages,
        admin: Mutex::new(admin),
        requests: Mutex::new(requests),
        working: Mutex::new(Condition::Working),
        entries,
        description: String::new(),
        namespaces: Vec::new(),
        max_bytes: requests::MAX_BYTES,
        has_compare: false,
        attack: None,
    };
    nvme.bring_up(&|iova| iova)?;
    nvme.identify()?;
    nvme.prepare_attack();
    Ok(Box::new(nvme))
}

/// Requests, one by one or many at a time.
impl Nvme {
    /// Requests that can be under way at once.
    pub fn depth(&self) -> u16 {
        self.entries - 1
    }

    /// What it stores.
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// Starts a transfer between blocks and the start of a buffer, which is mapped for it.
    ///
    /// # Errors
    /// If the buffer is too small or cannot be mapped, or there is no room. The buffer is freed then.
    #[track_caller]
    pub fn submit(&self, io: &Io, buffer: PageBuffer) -> Result<Token, NvmeError> {
        if io.bytes() > buffer.len() {
            return Err(NvmeError::TooLong { bytes: io.bytes() });
        }
        let held = self.lend(io.transfer, buffer)?;
        let at = held.iova();
        self.start(io, at, held)
    }

    /// Starts a transfer between blocks and an address, whatever the device may do there.
    ///
    /// # Errors
    /// If there is no room, or a command cannot describe it.
    pub fn submit_at(&self, io: &Io, at: Iova) -> Result<Token, NvmeError> {
        self.start(io, at, Held::Nothing)
    }

    /// Maps a buffer in the direction of a transfer.
    #[track_caller]
    #[inline(always)]
    fn lend(&self, transfer: Transfer, buffer: PageBuffer) -> Result<Held, dma::DmaError> {
        Ok(match transfer {
            Transfer::Read => Held::Filled(self.dma.map(buffer, "nvme read")?),
            Transfer::Write | Transfer::Compare => Held::Read(self.dma.map(buffer, "nvme write")?),
        })
    }

    #[inline(always)]
    fn start(&self, io: &Io, at: Iova, held: Held) -> Result<Token, NvmeError> {
        self.check_condition()?;
        if io.bytes() > self.max_bytes {
            return Err(NvmeError::TooLong { bytes: io.bytes() });
        }
        self.requests.lock().start(&self.controller, io, at, held)
    }

    #[inline(always)]
    fn check_condition(&self) -> Result<(), NvmeError> {
        match *self.working.lock() {
            Condition::Working if self.dma.is_open() => Ok(()),
            Condition::Dead => Err(NvmeError::Gone),
            Condition::Working | Condition::CutOff => Err(NvmeError::CutOff),
        }
    }

    /// Tells whether the controller has completed something that was not collected yet.
    fn has_news(&self) -> bool {
        self.requests.lock().has_news()
    }

    /// Notes the next completion, and gives the request that it ended. A controller that completes nonsense without end
    /// is given up.
    pub fn collect(&self) -> Option<Token> {
        let collected = self.requests.lock().collect(&self.controller);
        collected.unwrap_or_else(|nonsense| {
            self.give_up(&nonsense);
            None
        })
    }

    /// Takes a request that has ended; its buffer is unmapped.
    #[track_caller]
    pub fn take(&self, token: Token) -> Option<Ended> {
        let (held, result) = self.requests.lock().take(token)?;
        Some(match held.give_back() {
            Ok(buffer) => Ended { result, buffer },
            Err(error) => Ended { result: result.and(Err(error.into())), buffer: None },
        })
    }

    /// Waits until the controller has completed something; false if it has not by the deadline.
    pub fn wait_for_news(&self, deadline: Deadline) -> bool {
        self.messages.wait_until(deadline, || self.has_news())
    }

    /// Collects completions and takes a request if it has ended; one whose time is up costs the controller a
    /// reset. To be called again and again.
    #[track_caller]
    pub fn poll(&self, token: Token) -> Option<Ended> {
        while self.collect().is_some() {}
        let deadline = self.requests.lock().deadline(token);
        if deadline.is_some() && !self.dma.is_open() {
            self.cut_off();
        } else if deadline.is_some_and(Deadline::expired) {
            self.recover();
        }
        self.take(token)
    }

    /// Waits until a request has ended.
    #[track_caller]
    pub fn wait(&self, token: Token) -> Ended {
        loop {
            if let Some(ended) = self.poll(token) {
                return ended;
            }
            let Some(deadline) = self.requests.lock().deadline(token) else {
                // Somebody else has taken it, which no caller of this does.
                return Ended { result: Err(NvmeError::Reset), buffer: None };
            };
            self.messages.wait_until(deadline, || self.has_news() || !self.dma.is_open());
        }
    }
}

/// Starting, and starting again.
impl Nvme {
    /// Resets the controller, then enables it and creates the queue pair for blocks.
    ///
    /// `as_sent` makes of an address in the domain the one that the device must send to get there: the same, unless
    /// it is not translated.
    fn bring_up(&self, as_sent: &dyn Fn(Iova) -> Iova) -> Result<(), NvmeError> {
        self.controller.reset()?;
        let admin = {
            let mut admin = self.admin.lock();
            admin.restart(as_sent);
            let (submission, completion) = (admin.submission().base, admin.completion().base);
            AdminQueues { submission, completion, entries: ADMIN_ENTRIES }
        };
        let (submission, completion) = {
            let mut requests = self.requests.lock();
            requests.end_all(End::Reset);
            requests.restart(as_sent);
            (requests.queue().submission(), requests.queue().completion())
        };
        self.controller.enable(admin)?;
        self.admin_command(SubmissionEntry::set_queue_pairs(1))?;
        self.admin_command(SubmissionEntry::create_completion_queue(completion, MESSAGE))?;
        self.admin_command(SubmissionEntry::create_submission_queue(submission, IO))?;
        *self.working.lock() = Condition::Working;
        Ok(())
    }

    /// Runs a command on the admin queue to its end, and gives what it returned.
    fn admin_command(&self, entry: SubmissionEntry) -> Result<u32, NvmeError> {
        let begun = self.admin.lock().begin().ok_or(NvmeError::Busy)?;
        self.admin.lock().submit(&self.controller, begun, entry);
        let deadline = Deadline::after(COMMAND_TIME);
        loop {
            let news = || self.admin.lock().has_news() || !self.dma.is_open();
            if !self.messages.wait_until(deadline, news) {
                return Err(NvmeError::Timeout);
            }
            let mut admin = self.admin.lock();
            if let Some(finished) = admin.next(&self.controller)? {
                admin.release(finished.id);
                if finished.id == begun.0 {
                    let ended = finished.status.is_success().then_some(finished.result);
                    return ended.ok_or(NvmeError::Status(finished.status));
                }
            }
            if !self.dma.is_open() {
                return Err(NvmeError::CutOff);
            }
        }
    }

    /// Starts the controller again, with other numbers for its addresses: for measuring it without translation.
    pub fn restart_with(&self, as_sent: &dyn Fn(Iova) -> Iova) -> Result<(), NvmeError> {
        let started = self.bring_up(as_sent);
        if started.is_err() {
            *self.working.lock() = Condition::Dead;
        }
        started
    }

    /// Resets a controller that cannot be worked with, for good; what it had ends with an error.
    fn give_up(&self, why: &Nonsense) {
        if mem::replace(&mut *self.working.lock(), Condition::Dead) == Condition::Dead {
            return;
        }
        log::error!("{}: {why}; it is reset and not used any more", self.record);
        if let Err(error) = self.controller.reset() {
            log::error!("{}: {error}", self.record);
        }
        self.requests.lock().end_all(End::Reset);
    }

    /// Resets a controller that did not answer; what it had ends with an error.
    fn recover(&self) {
        log::warn!("{}: the controller did not answer in time and is reset", self.record);
        self.requests.lock().end_all(End::Timeout);
        if let Err(error) = self.bring_up(&|iova| iova) {
            log::error!("{}: the controller does not work any more: {error}", self.record);
            *self.working.lock() = Condition::Dead;
        }
    }
}

impl Driver for Nvme {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn overreach(&self) -> Option<&dyn Overreach> {
        self.attack.is_some().then_some(self)
    }

    fn disk(&self) -> Option<&dyn Disk> {
        Some(self)
    }

    fn cut_off(&self) {
        *self.working.lock() = Condition::CutOff;
        self.requests.lock().end_all(End::CutOff);
    }

    fn restart(&self) -> Result<(), StartError> {
        self.restart_with(&|iova| iova)?;
        Ok(())
    }
}
