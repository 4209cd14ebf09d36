//! Whether a device reaches what firmware reserved for it: the positive side of its isolation.

use core::time::Duration;

use dma_types::{Access, Iova};

use super::{check, copying_devices, skip, transfer};
use crate::devices::Overreach;
use crate::dma::{FromDevice, PageBuffer};
use crate::iommu::regions;
use crate::journal;
use crate::memory::direct;
use crate::platform::clock;

const NAME: &str = "regions";

/// What the landing buffer holds before.
const FILL: u8 = 0xc3;

/// Lets each capable device with a region read from it, and store what it read in a buffer of its own. Nothing
/// is written to the region.
pub(super) fn run() {
    let mut with_region = copying_devices().filter_map(|device| {
        let region = regions::of_group(device.record().group).next()?;
        device.dma().is_open().then_some((device, region.pages.start()))
    });
    let Some((device, base)) = with_region.next() else {
        return skip(NAME, "no device here that can be told what to read has a region of firmware's");
    };
    check(NAME, reads(device, Iova::new(base.as_u64())));
}

fn reads(device: &'static dyn Overreach, region: Iova) -> Result<(), &'static str> {
    let mut landing = PageBuffer::new(0).map_err(|_| "no memory")?;
    landing.bytes_mut().fill(FILL);
    let mut expected = alloc::vec![0; device.skill().bytes(Access::Read) as usize];
    let memory = dma_types::PhysAddr::new(region.as_u64());
    direct::read(memory, &mut expected).map_err(|_| "the region is not memory")?;
    let faults = journal::faults();
    let landing =
        device.dma().map::<FromDevice, _>(landing, "region test").map_err(|_| "no room for a buffer")?;
    transfer(device, Access::Read, region)?;
    transfer(device, Access::Write, landing.iova())?;
    // The device is done before a fault's interrupt would have arrived.
    clock::sleep(Duration::from_millis(5));
    let landing = landing.unmap().map_err(|_| "the buffer could not be taken back")?;
    if journal::faults() != faults {
        return Err("a request of the device was blocked");
    }
    match landing.bytes().get(..expected.len()) == Some(&expected[..]) {
        true => Ok(()),
        false => Err("the device did not get what stands in its region"),
    }
}
