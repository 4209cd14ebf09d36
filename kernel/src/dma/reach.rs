//! Finding out how many address bits a device sends, within memory that it may use.

use diagnosis::Site;
use dma_types::{Iova, PAGE_SIZE, Permissions, PhysAddr};

use super::device::Device;
use super::{DmaError, Domain, PageBuffer};
use crate::memory::arc::Arc;

/// Address bits that every device sends.
const FEWEST_BITS: u32 = 28;

/// Widths that the trial tells apart; a device with the last one is taken for one without limit.
const MOST_BITS: u32 = 39;

/// The lowest of the addresses tried.
const LOW: u64 = 1 << 20;

/// Addresses tried: the full one, and what is left of it for each width.
const ALIASES: u32 = MOST_BITS - FEWEST_BITS + 1;

/// A device is told an address with every tried bit set; each place where it would end up with fewer bits
/// is mapped to a page of its own. The page that changes tells the width.
///
/// Nothing faults: whatever the width, the device stays within its own memory.
pub struct ReachTrial {
    domain: Arc<Domain>,
    /// Gone only if the device may still reach them: then for good.
    pages: Option<PageBuffer>,
    start: PhysAddr,
    mapped: u32,
}

/// Tells whether a trial runs in the domain of a device, which is then no place for another.
pub fn trial_runs(device: &Device) -> bool {
    device.is_live(address(0))
}

impl ReachTrial {
    /// The highest address that every device can send.
    pub const CERTAIN: Iova = Iova::new((1 << FEWEST_BITS) - 1);

    /// Bytes that the device is to write.
    pub const BYTES: u32 = 64;

    /// What the pages hold before: not what a device writes that holds zeros.
    const FILL: u8 = 0xa5;

    /// Prepares the trial of a device that nothing was mapped for yet.
    ///
    /// # Errors
    /// If there is no memory, or another trial runs in the same domain.
    pub fn new(device: &Device) -> Result<Self, DmaError> {
        let domain = device.domain();
        let widest = u32::from(domain.space().unit().width()).min(MOST_BITS);
        let mut pages = PageBuffer::new(ALIASES.next_power_of_two().ilog2() as u8)?;
        pages.bytes_mut().fill(Self::FILL);
        let mut trial = Self { domain, start: pages.phys(), pages: Some(pages), mapped: 0 };
        while FEWEST_BITS + trial.mapped <= widest {
            let alias = trial.mapped;
            trial.domain.space().map(address(alias), trial.page(alias), PAGE_SIZE, Permissions::WRITE)?;
            trial.mapped += 1;
        }
        Ok(trial)
    }

    /// The address to let the device write to.
    pub fn iova(&self) -> Iova {
        address(self.mapped.saturating_sub(1))
    }

    /// Ends the trial once the device is idle, and gives it a window as wide as it can use.
    ///
    /// # Errors
    /// If the unit refuses, or no page changed: the device wrote nothing.
    #[track_caller]
    pub fn finish(self, device: &Device) -> Result<(), DmaError> {
        let widest = self.mapped.saturating_sub(1);
        let pages = self.pages.iter().flat_map(|pages| pages.bytes().chunks(PAGE_SIZE as usize));
        let changed = pages
            .zip(0..self.mapped)
            .find_map(|(page, alias)| page.first().is_some_and(|byte| *byte != Self::FILL).then_some(alias));
        drop(self);
        let alias = changed.ok_or(DmaError::NothingWritten)?;
        let highest = if alias == widest { u64::MAX } else { (1 << (FEWEST_BITS + alias)) - 1 };
        device.widen(Iova::new(highest), Site::caller())
    }

    fn page(&self, alias: u32) -> PhysAddr {
        PhysAddr::new(self.start.as_u64() + u64::from(alias) * PAGE_SIZE)
    }
}

impl Drop for ReachTrial {
    fn drop(&mut self) {
        for alias in 0..self.mapped {
            if let Err(error) = self.domain.space().unmap(address(alias), PAGE_SIZE) {
                log::error!("a page of the width trial stays mapped: {error}");
                core::mem::forget(self.pages.take());
            }
        }
    }
}

/// Where a device ends up that sends this many bits above the fewest.
fn address(alias: u32) -> Iova {
    let bits = (1 << (FEWEST_BITS + alias)) - (1 << FEWEST_BITS);
    Iova::new(LOW | bits)
}
