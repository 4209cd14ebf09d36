//! A unit that stopped answering: its devices lose bus mastering, and nothing of it is given out any more.

use dma_types::Iova;

use super::{check, some_device};
use crate::devices::{self, Role};
use crate::dma;
use crate::iommu;
use crate::platform::pci as bus;

const NAME: &str = "silent-unit";

/// Changes the machine for good.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    check(NAME, fall_silent(device.record()));
}

fn fall_silent(record: &'static devices::DeviceRecord) -> Result<(), &'static str> {
    let unit = iommu::unit_of(record).ok_or("the device has no unit")?;
    if !bus::masters(record.bdf) {
        return Err("the device did not master the bus before");
    }
    unit.fall_silent();
    let behind =
        || devices::all().iter().filter(|other| other.unit == record.unit && other.role == Role::Endpoint);
    match () {
        () if unit.is_enforcing() => Err("the unit counts as one that enforces"),
        () if behind().any(|other| bus::masters(other.bdf)) => Err("a device behind it masters the bus"),
        () if dma::release(record).is_ok() || bus::masters(record.bdf) => Err("a device was let back"),
        () if dma::Device::claim(record, devices::SELF_TEST, Iova::new(u64::MAX)).is_ok() => {
            Err("a device was given out")
        }
        () => Ok(()),
    }
}
