//! The `edu` driver: claims the device, finds out how far its addresses reach, and lends it to attacks.

mod device;

use alloc::boxed::Box;
use core::time::Duration;

use dma_types::{Access, Iova};

use self::device::Edu;
use super::{DeviceRecord, Driver, Function, Kind, Messages, Requests, Settling, StartError};
use crate::devices::Overreach;
use crate::dma::{self, DmaError, ReachTrial};
use crate::platform::clock::Deadline;
use crate::sync::{Mutex, rank};
use ::attack::{Progress, Skill, StartRefused};

/// The driver.
pub const KIND: Kind = Kind { name: DRIVER, serves, start };

const DRIVER: &str = "edu";

/// Bytes that it moves for an attack.
const ATTACK_BYTES: u32 = 64;

/// Longest time for one transfer.
const TRANSFER: Duration = Duration::from_secs(10);

/// An `edu` device that can be told to overreach.
struct EduDriver {
    record: &'static DeviceRecord,
    device: Edu,
    dma: dma::Device,
    /// It works without, where no vector is free.
    messages: Option<Messages>,
    width: Mutex<Width, rank::Driver>,
}

/// What is known of the address bits that the device sends. QEMU cuts them off where it was told to, and no
/// register says where, so they are measured with one transfer within memory of the device's own.
enum Width {
    /// Nothing.
    Unknown,
    /// The transfer runs.
    Trial(ReachTrial, Deadline),
    /// All that can be.
    Settled,
}

fn serves(function: &pci::Function) -> bool {
    (function.vendor, function.device) == device::ID
}

fn start(function: &Function) -> Result<Box<dyn Driver>, StartError> {
    let registers = function.window(0, device::WINDOW)?;
    let device = Edu::new(registers).map_err(|error| StartError::Device(Box::new(error)))?;
    let dma = function.claim(DRIVER, ReachTrial::CERTAIN)?;
    let record = function.record();
    let told = |error: &StartError| log::warn!("{record}: it has no interrupt: {error}");
    let messages = function.messages().inspect_err(told).ok();
    Ok(Box::new(EduDriver { record, device, dma, messages, width: Mutex::new(Width::Unknown) }))
}

impl Driver for EduDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn overreach(&self) -> Option<&dyn Overreach> {
        Some(self)
    }

    fn requests(&self) -> Requests {
        self.device.requests()
    }

    /// Measures the width. Devices of one group share a domain and so take turns; all others are measured side
    /// by side. One on which that fails keeps the width that is certain.
    fn settle(&self) -> Settling {
        let mut width = self.width.lock();
        let next = match core::mem::replace(&mut *width, Width::Settled) {
            Width::Unknown if dma::trial_runs(&self.dma) => Width::Unknown,
            Width::Unknown => self.begin_trial(),
            Width::Trial(trial, deadline) if self.device.is_busy() && !deadline.expired() => {
                Width::Trial(trial, deadline)
            }
            Width::Trial(trial, _) => {
                self.note(trial.finish(&self.dma));
                Width::Settled
            }
            Width::Settled => Width::Settled,
        };
        *width = next;
        match *width {
            Width::Settled => Settling::Done,
            Width::Unknown | Width::Trial(..) => Settling::Going,
        }
    }

    /// It has no state that would have to be made anew but its message.
    fn restart(&self) -> Result<(), StartError> {
        self.messages.as_ref().map_or(Ok(()), Messages::program)
    }
}

impl EduDriver {
    fn begin_trial(&self) -> Width {
        let trial = ReachTrial::new(&self.dma);
        let started = trial
            .as_ref()
            .ok()
            .map(|trial| self.device.start(Access::Write, trial.iova(), ReachTrial::BYTES));
        if let Some(Err(error)) = started {
            // A device that does not start moves nothing, and the trial says so.
            log::warn!("{}: {error}", self.record);
        }
        match trial {
            Ok(trial) => Width::Trial(trial, Deadline::after(TRANSFER)),
            Err(error) => {
                self.note(Err(error));
                Width::Settled
            }
        }
    }

    fn note(&self, outcome: Result<(), DmaError>) {
        if let Err(error) = outcome {
            log::warn!("{}: the width of its addresses could not be measured: {error}", self.record);
        }
    }
}

impl Overreach for EduDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn skill(&self) -> Skill {
        Skill::Copies { bytes: ATTACK_BYTES }
    }

    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused> {
        Ok(self.device.start(access, iova, ATTACK_BYTES)?)
    }

    fn poll(&self) -> Progress {
        if self.device.is_busy() { Progress::Busy } else { Progress::Done }
    }

    fn interrupt(&self) -> Result<(), StartRefused> {
        if self.messages.is_none() {
            return Err(StartRefused::Access(Access::Interrupt));
        }
        self.device.interrupt();
        Ok(())
    }
}
