//! The `edu` driver: claims the device, finds out how far its addresses reach, and lends it to probes.

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};

use super::DeviceRecord;
use super::edu::{Edu, EduError};
use crate::dma::{self, DmaError, ReachTrial};
use crate::platform::clock::{self, Deadline};
use crate::probe::Overreach;

/// The driver's name.
const DRIVER: &str = "edu";

/// Longest time for one transfer.
const TRANSFER: Duration = Duration::from_secs(2);

/// How often the device is looked at.
const TICK: Duration = Duration::from_millis(1);

/// An `edu` device that can be told to overreach.
pub struct EduProbe {
    record: &'static DeviceRecord,
    device: Edu,
    dma: dma::Device,
}

impl EduProbe {
    /// Claims the device, with the address width that it has at least.
    pub fn claim(record: &'static DeviceRecord, device: Edu) -> Result<Self, DmaError> {
        let dma = dma::Device::claim(record, DRIVER, ReachTrial::CERTAIN)?;
        Ok(Self { record, device, dma })
    }

    /// Finds out how many address bits each device sends: QEMU cuts them off where it was told to, and no
    /// register says where. Devices of different groups are tried side by side, each with one transfer within
    /// its own memory; those of one group share a domain, and so take turns.
    ///
    /// A device on which that fails keeps the width that is certain.
    pub fn measure_reach(probes: &[Self]) {
        let mut waiting: Vec<&Self> = probes.iter().collect();
        while !waiting.is_empty() {
            let (mut now, mut later): (Vec<&Self>, Vec<&Self>) = (Vec::new(), Vec::new());
            for probe in waiting {
                let turn = now.iter().all(|other| other.record.group != probe.record.group);
                if turn { now.push(probe) } else { later.push(probe) }
            }
            Self::measure_side_by_side(&now);
            waiting = later;
        }
    }

    fn measure_side_by_side(probes: &[&Self]) {
        let trials: Vec<_> = probes.iter().map(|probe| probe.start_trial()).collect();
        let deadline = Deadline::after(TRANSFER);
        while probes.iter().any(|probe| probe.device.is_busy()) && !deadline.expired() {
            clock::sleep(TICK);
        }
        for (probe, trial) in probes.iter().zip(trials) {
            let outcome = trial.and_then(|trial| trial.finish(&probe.dma));
            if let Err(error) = outcome {
                log::warn!("{}: the width of its addresses could not be measured: {error}", probe.record);
            }
        }
    }

    fn start_trial(&self) -> Result<ReachTrial, DmaError> {
        let trial = ReachTrial::new(&self.dma)?;
        // A device that does not start moves nothing, and the trial says so.
        if let Err(error) = self.device.start(Access::Write, trial.iova(), ReachTrial::BYTES) {
            log::warn!("{}: {error}", self.record);
        }
        Ok(trial)
    }
}

impl Overreach for EduProbe {
    fn record(&self) -> &'static DeviceRecord {
        self.record
    }

    fn dma(&self) -> &dma::Device {
        &self.dma
    }

    fn start(&self, access: Access, iova: Iova, bytes: u32) -> Result<(), EduError> {
        self.device.start(access, iova, bytes)
    }

    fn is_busy(&self) -> bool {
        self.device.is_busy()
    }
}
