//! What a device's interrupt costs that is claimed and released: a vector, and the entry that names it.

use alloc::vec::Vec;

use super::{median, tell};
use crate::devices::DeviceRecord;
use crate::iommu::{self, IommuError};
use crate::irq::owners;
use crate::platform::clock;

/// How often it is measured.
const ROUNDS: usize = 1000;

/// A message that no driver uses.
const MESSAGE: u16 = u16::MAX;

/// Measures and reports; nothing where interrupts are not remapped.
pub(super) fn run(device: &DeviceRecord) -> Result<(), IommuError> {
    let Some(unit) = iommu::unit_of(device).filter(|unit| unit.remaps_interrupts()) else { return Ok(()) };
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = clock::timestamp();
        let Ok(vector) = owners::give(device.bdf, MESSAGE) else { return Ok(()) };
        let entries = unit.give_interrupts(device, &[owners::route(&vector)]);
        let withdrawn = entries.and_then(|entries| unit.withdraw_interrupts(entries));
        owners::give_back(vector);
        withdrawn?;
        times.push(clock::ns_at(clock::timestamp()) - clock::ns_at(start));
    }
    tell("irq_claim_release", median(times), ROUNDS as u64);
    Ok(())
}
