//! Finding out how many address bits a device sends, within memory that it may use.
#![expect(unsafe_code, reason = "UNSAFETY: maps pages past the books")]

use alloc::vec::Vec;

use diagnosis::Site;
use dma_types::{Iova, PAGE_SIZE, Permissions};
use iova::WidthTrial;

use super::device::Device;
use super::mapping::give_up;
use super::{DmaError, Domain, PageBuffer};
use crate::memory::arc::Arc;

/// Tells whether a trial runs in the domain of a device, which is then no place for another.
pub fn trial_runs(device: &Device) -> bool {
    WidthTrial::below(device.domain().unit().width()).places().all(|place| device.is_live(place))
}

/// A device writes to an address of which it may send only a part; each place where it could end up is mapped
/// to a page of its own. The page that changes tells the width.
pub struct ReachTrial {
    domain: Arc<Domain>,
    trial: WidthTrial,
    /// The page behind each place, in their order; as many as are mapped.
    pages: Vec<PageBuffer>,
}

impl ReachTrial {
    /// The highest address that every device can send.
    pub const CERTAIN: Iova = WidthTrial::CERTAIN;

    /// Bytes that the device is to write.
    pub const BYTES: u32 = 64;

    /// What the pages hold before: not what a device writes that holds zeros.
    const FILL: u8 = 0xa5;

    /// Prepares the trial of a device that nothing was mapped for yet.
    ///
    /// # Errors
    /// If there is no memory, another trial runs in the same domain, or firmware's regions lie in the way.
    pub fn new(device: &Device) -> Result<Self, DmaError> {
        let domain = device.domain();
        let trial = WidthTrial::below(domain.unit().width());
        let mut prepared = Self { domain, trial, pages: Vec::new() };
        for place in trial.places() {
            let mut page = PageBuffer::new(0)?;
            page.bytes_mut().fill(Self::FILL);
            prepared.pages.try_reserve(1)?;
            // SAFETY: the page is kept until it is unmapped, or for good where it may still be reached.
            match unsafe { prepared.domain.space().map(place, page.phys(), PAGE_SIZE, Permissions::WRITE) } {
                Ok(()) => prepared.pages.push(page),
                Err(error) if error.may_be_reached() => return Err(give_up(page, error.into())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(prepared)
    }

    /// The address to let the device write to.
    pub fn iova(&self) -> Iova {
        self.trial.told()
    }

    /// Ends the trial once the device is idle, and gives it a window as wide as it can use.
    ///
    /// # Errors
    /// If the unit refuses, or no page changed: the device wrote nothing.
    #[track_caller]
    pub fn finish(self, device: &Device) -> Result<(), DmaError> {
        let is_changed = |page: &PageBuffer| page.bytes().first().is_some_and(|byte| *byte != Self::FILL);
        let changed = (0..).zip(&self.pages).find_map(|(place, page)| is_changed(page).then_some(place));
        let highest = changed.map(|place| self.trial.highest(place));
        drop(self);
        device.widen(highest.ok_or(DmaError::NothingWritten)?, Site::caller())
    }
}

/// A page that could not be unmapped is given up for good, since the device may still reach it.
impl Drop for ReachTrial {
    fn drop(&mut self) {
        for (place, page) in self.trial.places().zip(self.pages.drain(..)) {
            if let Err(error) = self.domain.space().unmap(place, PAGE_SIZE) {
                log::error!("a page of the width trial stays mapped: {error}");
                core::mem::forget(page);
            }
        }
    }
}
