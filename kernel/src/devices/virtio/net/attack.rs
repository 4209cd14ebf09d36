//! The network device told to overreach, with commands: no frame is sent.
//!
//! To read, it is given the target as a command. If the command that stands there sets its address, it has
//! that address then, which its configuration shows; it gets its own back before the attack is over. To write,
//! it is told to take the address it has, and given the target as the place for its acknowledgement.

use alloc::vec;
use core::time::Duration;

use ::virtio::net::{self, Acknowledgement};
use dma_types::{Access, Iova};

use super::super::chain::{Chain, Part};
use super::super::queue::Finished;
use super::{NetDriver, State};
use crate::devices::{DeviceRecord, Overreach};
use crate::dma::{self, DmaError};
use crate::platform::clock::Deadline;
use ::attack::{Progress, Skill, StartRefused};

/// Longest time for an attack's command.
const STRIKE: Duration = Duration::from_secs(5);

/// The address that the device gets for a moment: locally administered, nobody's.
const OTHER_ADDRESS: [u8; 6] = [0x02, b'i', b'v', b't', 0xa5, 0x5a];

/// An attack's command that is under way.
pub struct Strike {
    stage: Stage,
    deadline: Deadline,
}

/// What the device is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It reads a command from the target.
    Read,
    /// It has read the right one, and gets its address back.
    Restore,
    /// It writes its acknowledgement to the target.
    Write,
}

impl Overreach for NetDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn skill(&self) -> Skill {
        Skill::Recognises {
            key: net::set_address(OTHER_ADDRESS).to_vec(),
            stamp: vec![Acknowledgement::OK.0],
        }
    }

    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused> {
        let aim = |bytes| Part::aim(access, iova, bytes);
        match access {
            Access::Read => {
                self.begin(Stage::Read, || Ok([aim(net::SET_ADDRESS), acknowledgement(&self.dma)?]))
            }
            Access::Write => self.begin(Stage::Write, || Ok([self.own_address()?, aim(1)])),
            other => Err(StartRefused::Access(other)),
        }
    }

    /// It takes the address that it has, and says so to memory of its own.
    fn interrupt(&self) -> Result<(), StartRefused> {
        self.begin(Stage::Write, || Ok([self.own_address()?, acknowledgement(&self.dma)?]))
    }

    fn poll(&self) -> Progress {
        let mut state = self.state.lock();
        let State { device, strike, .. } = &mut *state;
        let Some(Strike { stage, deadline }) = strike else { return Progress::Done };
        if !device.has_finished(net::CONTROL) && device.works() && !deadline.expired() {
            return Progress::Busy;
        }
        let stage = *stage;
        let finished = state.pop(net::CONTROL);
        state.strike = None;
        let Some(finished) = finished else {
            // It broke over the command, or does not answer.
            state.revive(&self.dma);
            return if stage == Stage::Write { Progress::Done } else { Progress::NotRecognised };
        };
        let answer = acknowledged(finished);
        match stage {
            Stage::Write => Progress::Done,
            Stage::Restore => Progress::Recognised,
            Stage::Read => self.judge(&mut state, answer),
        }
    }
}

impl NetDriver {
    /// Begins a command of two parts.
    fn begin(
        &self,
        stage: Stage,
        parts: impl FnOnce() -> Result<[Part; 2], DmaError>,
    ) -> Result<(), StartRefused> {
        let mut state = self.state.lock();
        if state.strike.is_some() {
            return Err(StartRefused::Busy);
        }
        if !state.device.works() {
            state.revive(&self.dma);
        }
        let chain = Chain::from_iter(parts().map_err(|_| StartRefused::Dead)?);
        state.device.submit(net::CONTROL, chain).map_err(|error| {
            log::warn!("{}: {error}", self.record);
            StartRefused::Dead
        })?;
        state.strike = Some(Strike { stage, deadline: Deadline::after(STRIKE) });
        Ok(())
    }

    /// What came of a command that was read from the target.
    fn judge(&self, state: &mut State, answer: Acknowledgement) -> Progress {
        if answer != Acknowledgement::OK {
            return Progress::NotRecognised;
        }
        if state.address().ok() == Some(OTHER_ADDRESS) && self.restore(state).is_some() {
            return Progress::Busy;
        }
        // Another command stood there, and a reset undoes it.
        state.revive(&self.dma);
        Progress::NotRecognised
    }

    /// Begins to give the device its address back.
    fn restore(&self, state: &mut State) -> Option<()> {
        let chain = Chain::from_iter([self.own_address().ok()?, acknowledgement(&self.dma).ok()?]);
        state.device.submit(net::CONTROL, chain).ok()?;
        state.strike = Some(Strike { stage: Stage::Restore, deadline: Deadline::after(STRIKE) });
        Some(())
    }

    /// The command to take the address that the device has.
    fn own_address(&self) -> Result<Part, DmaError> {
        Part::to_read(&self.dma, &net::set_address(self.address), "virtio-net command")
    }
}

/// A place of its own for the device's acknowledgement.
fn acknowledgement(dma: &dma::Device) -> Result<Part, DmaError> {
    Part::to_write(dma, &[Acknowledgement::NONE.0], "virtio-net acknowledgement")
}

/// Takes a command's buffers back and reads what the device wrote last.
fn acknowledged(finished: Finished) -> Acknowledgement {
    let page = finished.end().ok().and_then(|mut pages| pages.pop()?);
    page.map_or(Acknowledgement::NONE, |page| Acknowledgement(page.bytes()[0]))
}
