//! The block device told to overreach, with the one request that touches no medium: that it tell its name.
//!
//! To read, it is given the target as its request's header: it answers with its name only if a request for
//! that stands there. No buffer of such a request is one that the device reads, so that whatever stands at the
//! target, nothing can be written to the medium. To write, it is given the target as the place for its name.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use ::virtio::block::{self, IDENTIFIER, Request, Status};
use dma_types::{Access, Iova};

use super::super::chain::Part;
use super::{Answer, BlkDriver, State};
use crate::devices::{DeviceRecord, DiskError, Overreach};
use crate::dma::{self, DmaError};
use crate::platform::clock::Deadline;
use ::attack::{Progress, Skill, StartRefused};

/// Longest time for an attack's request.
const STRIKE: Duration = Duration::from_secs(5);

/// What stands in a buffer before the device writes its name there, two values of it.
const FILLS: [u8; 2] = [0xa5, 0x5a];

/// An attack's request that is under way.
pub struct Strike {
    access: Access,
    deadline: Deadline,
}

impl Overreach for BlkDriver {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn skill(&self) -> Skill {
        Skill::Recognises { key: Request::Identify.header().to_vec(), stamp: self.identity.clone() }
    }

    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused> {
        let aim = |bytes| Part::aim(access, iova, bytes);
        match access {
            Access::Read => self.begin(access, || Ok((aim(block::HEADER), self.answer_page(FILLS[0])?))),
            Access::Write => {
                self.begin(access, || Ok((self.header(Request::Identify)?, aim(self.identity.len()))))
            }
            other => Err(StartRefused::Access(other)),
        }
    }

    /// It tells its name to memory of its own.
    fn interrupt(&self) -> Result<(), StartRefused> {
        let whole = || Ok((self.header(Request::Identify)?, self.answer_page(FILLS[0])?));
        self.begin(Access::Write, whole)
    }

    fn poll(&self) -> Progress {
        let mut state = self.state.lock();
        let State { device, strike, .. } = &mut *state;
        let Some(Strike { access, deadline }) = strike else { return Progress::Done };
        if !device.has_finished(block::QUEUE) && device.works() && !deadline.expired() {
            return Progress::Busy;
        }
        let is_read = *access == Access::Read;
        *strike = None;
        // A device that broke, or that does not answer, is started again by whoever needs it next.
        let answer = match device.pop(block::QUEUE) {
            Ok(Some(finished)) => Answer::of(finished).ok(),
            Ok(None) | Err(_) => {
                device.stop();
                None
            }
        };
        let named = answer.is_some_and(|answer| self.is_named(&answer));
        match (is_read, named) {
            (false, _) => Progress::Done,
            (true, true) => Progress::Recognised,
            (true, false) => Progress::NotRecognised,
        }
    }
}

impl BlkDriver {
    /// Begins a request of header and data.
    fn begin(
        &self,
        access: Access,
        parts: impl FnOnce() -> Result<(Part, Part), DmaError>,
    ) -> Result<(), StartRefused> {
        if self.state.lock().strike.is_some() {
            return Err(StartRefused::Busy);
        }
        let dead = |error: DiskError| {
            log::warn!("{}: {error}", self.record);
            StartRefused::Dead
        };
        let mut state = self.ready().map_err(dead)?;
        let submitted = parts()
            .map_err(DiskError::from)
            .and_then(|(header, data)| self.submit(&mut state.device, header, Some(data)));
        submitted.map_err(dead)?;
        state.strike = Some(Strike { access, deadline: Deadline::after(STRIKE) });
        Ok(())
    }

    /// A page for the device's name, filled with what its name is not.
    fn answer_page(&self, fill: u8) -> Result<Part, DmaError> {
        Part::to_write(&self.dma, &[fill; IDENTIFIER], "virtio-blk name")
    }

    /// Tells whether the device has answered with its name.
    fn is_named(&self, answer: &Answer) -> bool {
        let page = answer.data.as_ref();
        answer.status == Status::OK && page.is_some_and(|page| page.bytes().starts_with(&self.identity))
    }

    /// Finds out what the device writes when it tells its name; nothing if that is no use to an attack.
    ///
    /// A device may write less than a name's full length, so what it leaves is told from what it writes by
    /// asking twice.
    pub(super) fn learn_identity(&self) -> Vec<u8> {
        let Ok(mut state) = self.ready() else { return Vec::new() };
        if state.device.offered() & block::ZONED != 0 {
            // There a header alone can change the medium.
            return Vec::new();
        }
        let mut ask = |fill| -> Result<Box<[u8]>, DiskError> {
            let data = self.answer_page(fill)?;
            let page = self.transfer(&mut state, Request::Identify, data)?;
            Ok(page.bytes()[..IDENTIFIER].into())
        };
        match FILLS.map(&mut ask) {
            [Ok(first), Ok(second)] => {
                let both = first.iter().zip(&second).take_while(|(first, second)| first == second);
                both.map(|(byte, _)| *byte).collect()
            }
            [first, second] => {
                let error = first.err().or(second.err());
                error.inspect(|error| log::info!("{}: the disk has no name: {error}", self.record));
                Vec::new()
            }
        }
    }
}
