//! One device is cut off and let back again and again, while an NVMe controller works beside it.
//!
//! Every transfer of the controller must end well, with the right bytes.

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};
use nvme::spec::command::Transfer;
use options::Policy;
use report::{DeviceState, Outcome};

use super::{copying_devices, skip};
use crate::devices::nvme::{self as driver, Io, Nvme, Token};
use crate::devices::{self, Disk, Namespace};
use crate::dma::{PageBuffer, inspect};
use crate::platform::clock::Deadline;
use crate::probe::Overreach;
use crate::{diagnosis, journal, println};

const NAME: &str = "bystander";

/// Times that the device is cut off and let back.
const ROUNDS: usize = 10;

/// Requests of the controller under way at once.
const DEPTH: usize = 16;

/// Pages of each, as a power of two.
const EXPONENT: u8 = 2;

/// Longest time from a device's start to its being cut off.
const ROUND: Duration = Duration::from_secs(5);

pub(super) fn run() {
    let Some(nvme) = driver::all().find(|nvme| Overreach::dma(*nvme).is_open()) else {
        return skip(NAME, "no NVMe controller has a driver");
    };
    let Some(culprit) = copying_devices().next() else {
        return skip(NAME, "no other device here can be told to overreach");
    };
    let (result, detail) = match disturb(nvme, culprit) {
        Ok(transfers) => (Outcome::Pass, alloc::format!("{ROUNDS} times, {transfers} transfers beside it")),
        Err(why) => (Outcome::Fail, alloc::format!("{why}")),
    };
    println!("{NAME}: {detail}");
    journal::check(NAME, result, Some(&detail));
}

/// Lets the device overreach until it has been cut off so many times, with the controller busy all along. Gives the
/// number of transfers.
fn disturb(nvme: &Nvme, culprit: &'static dyn Overreach) -> Result<usize, &'static str> {
    let mut work = Work::new(nvme)?;
    let canary = PageBuffer::new(0).map_err(|_| "no memory")?;
    let target = Iova::new(inspect::buffer(&canary).as_u64());
    let record = culprit.record();
    record.set_policy(Policy::Contain);
    for _ in 0..ROUNDS {
        culprit.start(Access::Write, target).map_err(|_| "the other device did not start")?;
        let deadline = Deadline::after(ROUND);
        while record.state() != DeviceState::Quarantined {
            work.go_on()?;
            if deadline.expired() {
                return Err("the other device was not cut off");
            }
        }
        work.go_on()?;
        devices::release(record).map_err(|_| "the other device could not be released")?;
        work.go_on()?;
    }
    record.set_policy(diagnosis::policy());
    let untouched = canary.bytes().iter().all(|byte| *byte == 0);
    if untouched { work.finish() } else { Err("the other device reached memory") }
}

/// Reads of the medium, many at a time.
struct Work<'a> {
    nvme: &'a Nvme,
    namespace: Namespace,
    /// What stands at the medium's beginning.
    reference: PageBuffer,
    flying: Vec<Token>,
    done: usize,
}

impl<'a> Work<'a> {
    fn new(nvme: &'a Nvme) -> Result<Self, &'static str> {
        const NO_MEDIUM: &str = "the medium could not be read";
        let namespace = *nvme.namespaces().first().ok_or(NO_MEDIUM)?;
        let buffer = PageBuffer::new(EXPONENT).map_err(|_| "no memory")?;
        let blocks = (buffer.len() / u64::from(namespace.block_bytes)) as u32;
        let reference = nvme.read(namespace.id, 0, buffer, blocks).map_err(|_| NO_MEDIUM)?;
        let mut work = Self { nvme, namespace, reference, flying: Vec::new(), done: 0 };
        for _ in 0..DEPTH.min(usize::from(nvme.depth())) {
            work.begin(PageBuffer::new(EXPONENT).map_err(|_| "no memory")?)?;
        }
        Ok(work)
    }

    fn begin(&mut self, mut buffer: PageBuffer) -> Result<(), &'static str> {
        // Not what the medium holds.
        buffer.bytes_mut().iter_mut().zip(self.reference.bytes()).for_each(|(byte, read)| *byte = !read);
        let blocks = (buffer.len() / u64::from(self.namespace.block_bytes)) as u32;
        let io = Io { transfer: Transfer::Read, namespace: self.namespace, block: 0, blocks };
        self.flying.push(self.nvme.submit(&io, buffer).map_err(|_| "a transfer did not start")?);
        Ok(())
    }

    /// Takes what has ended and starts as much again.
    fn go_on(&mut self) -> Result<(), &'static str> {
        for _ in 0..self.flying.len() {
            let token = self.flying.remove(0);
            match self.nvme.poll(token) {
                None => self.flying.push(token),
                Some(ended) => {
                    let buffer = self.check(ended)?;
                    self.begin(buffer)?;
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, ended: driver::Ended) -> Result<PageBuffer, &'static str> {
        ended.result.map_err(|_| "a transfer failed beside it")?;
        let buffer = ended.buffer.ok_or("a buffer did not come back")?;
        self.done += 1;
        if buffer.bytes() == self.reference.bytes() {
            Ok(buffer)
        } else {
            Err("a transfer brought other bytes")
        }
    }

    /// Waits for what is under way.
    fn finish(mut self) -> Result<usize, &'static str> {
        for token in core::mem::take(&mut self.flying) {
            let ended = self.nvme.wait(token);
            self.check(ended)?;
        }
        Ok(self.done)
    }
}
