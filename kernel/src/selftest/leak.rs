//! Whether a leak would be seen: the same attacks, with the target exposed on purpose.

use alloc::vec::Vec;

use dma_types::Access;
use options::Target;

use super::{check, some_device};
use crate::attack::{Order, Sabotage, run_attacks};
use crate::devices;
use crate::devices::Overreach;
use crate::iommu::{self, Unit};
use ::attack::Judgement;

const NAME: &str = "leak-detector";

/// Those whose interrupts their unit remaps.
fn remapped(devices: &[&'static dyn Overreach]) -> Vec<&'static dyn Overreach> {
    let remaps = |device: &&&'static dyn Overreach| {
        iommu::unit_of(device.record()).is_some_and(Unit::remaps_interrupts)
    };
    devices.iter().filter(remaps).copied().collect()
}

/// Reading and writing must both come out as leaked: at a page of nobody's with every device that can be told to
/// overreach, beside a buffer with one that copies; and an interrupt of another where interrupts are remapped.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    let all: Vec<_> = devices::capable().filter(|device| device.dma().is_open()).collect();
    let order =
        |target, access| Order { sabotage: Sabotage::MapTarget, ..Order::of_self_test(access, target) };
    let judge = |(devices, target): (&[&'static dyn Overreach], _)| {
        let both = [Access::Read, Access::Write].map(|access| run_attacks(devices, order(target, access)));
        both.into_iter().flatten()
    };
    let aims = [(all.as_slice(), Target::Canary), (&[device], Target::Neighbour)];
    let mut judgements: Vec<_> = aims.into_iter().flat_map(judge).collect();
    judgements.extend(run_attacks(&remapped(&all), order(Target::Interrupt, Access::Write)));
    let seen = judgements.iter().all(|judgement| *judgement == Judgement::Leaked);
    check(NAME, if seen { Ok(()) } else { Err("a device that could reach the target was not caught") });
}
