//! Taking a unit over that translates already, as firmware or an earlier kernel may leave it.

use dma_types::{Access, Iova};
use options::Target;

use super::{check, some_device, transfer};
use crate::attack::{Order, run_attacks};
use crate::devices::Overreach;
use crate::dma::{self, PageBuffer, inspect};
use crate::iommu::{self, Retaken, Unit};
use ::attack::Judgement;

const NAME: &str = "takeover";

/// What the canary holds.
const FILL: u8 = 0x3c;

/// Leaves translation on with a fault record pending, then runs probing and bring-up of the unit again from
/// the start.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    let Some(unit) = iommu::unit_of(device.record()) else { return };
    check(NAME, take_over(device, unit));
}

fn take_over(device: &'static dyn Overreach, unit: &'static Unit) -> Result<(), &'static str> {
    let mut canary = PageBuffer::new(0).map_err(|_| "no memory")?;
    canary.bytes_mut().fill(FILL);
    let page = Iova::new(inspect::buffer(&canary).as_u64());
    leave_a_record(device, unit, page)?;

    let evidence = unit.take_again().map_err(|_| "the unit could not be taken again")?;
    let Retaken { translation_was_on, enforced_throughout, stale } = evidence;
    // Every requester is blocked by the new tables until its domain is entered in them.
    dma::rejoin().map_err(|_| "a device could not get its domain back")?;
    let record = (device.record().requester.source, page);
    match () {
        () if !translation_was_on => Err("translation was found off"),
        () if !enforced_throughout => Err("the unit did not enforce at every step"),
        () if !stale.contains(&record) => Err("the pending record was not found"),
        () if canary.bytes().iter().any(|byte| *byte != FILL) => Err("the device reached the canary"),
        () => works_as_before(device),
    }
}

/// Lets the device overreach while the fault interrupt is masked.
fn leave_a_record(
    device: &'static dyn Overreach,
    unit: &'static Unit,
    page: Iova,
) -> Result<(), &'static str> {
    let port = unit.faults.as_ref().ok_or("the unit has no fault records")?;
    port.mask_fault_event();
    transfer(device, Access::Write, page)
}

/// The device reaches its own memory and is blocked elsewhere.
fn works_as_before(device: &'static dyn Overreach) -> Result<(), &'static str> {
    let order = Order::of_self_test(Access::Write, Target::Canary);
    let blocked = |judgement: &Judgement| matches!(judgement, Judgement::Blocked { .. });
    match run_attacks(&[device], order).iter().all(blocked) {
        true => Ok(()),
        false => Err("the device does not work as before"),
    }
}
