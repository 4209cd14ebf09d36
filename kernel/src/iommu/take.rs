//! Taking the units: default deny, unit by unit.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use coverage::Plan;
use vtd::BringUp;
use vtd::tables::{Coherence, RootTable};

use super::hardware::{FrameMemory, KernelClock, Window};
use super::{Found, IommuError, UNITS, Unit, records};
use crate::arch::apic;
use crate::arch::interrupts::{self, FAULT_VECTOR};

/// Makes every unit that answers enforce tables that permit nothing, and publishes all of them.
///
/// Bus mastering must be off everywhere but on bridges. A unit that cannot be taken is kept with the reason;
/// its devices must stay without bus mastering.
pub fn take(plan: &Plan, found: Vec<Found>) -> &'static [Unit] {
    // A fault interrupt must not arrive before the handler can find the unit.
    let units = interrupts::without_interrupts(|| {
        let units = plan.units.iter().zip(found).enumerate();
        UNITS.call_once(|| units.map(|(index, (planned, unit))| take_one(planned, index, unit)).collect())
    });
    for unit in units {
        match unit.is_enforcing() {
            true => log::info!("{unit}"),
            false => log::error!("{unit}; its devices stay without bus mastering"),
        }
        unit.report();
    }
    // Conditions that stood when the interrupt was unmasked raise none by themselves.
    records::poll();
    units
}

fn take_one(planned: &coverage::Unit, index: usize, found: Found) -> Unit {
    let mut unit = match found {
        Ok(unit) => unit,
        Err(failure) => return Unit::failed(planned, index, None, failure),
    };
    match bring_up(&mut unit) {
        Ok(roots) => Unit::enforcing(planned, index, unit, roots),
        // The hardware may go on using its queue, whose pages stay taken.
        Err(failure) => Unit::failed(planned, index, Some(&unit), failure),
    }
}

fn bring_up(unit: &mut vtd::Unit<Window>) -> Result<RootTable, String> {
    let coherence = Coherence::of_unit(unit.extended_capabilities());
    let roots = RootTable::new(&mut FrameMemory, coherence).map_err(|error| error.to_string())?;
    let apic::MsiMessage { address, data } = apic::msi_message(FAULT_VECTOR);
    let fault_message = vtd::MsiMessage { address, data };
    let config = BringUp { root: roots.address(), fault_message };
    match unit.bring_up(&config, &mut FrameMemory, &KernelClock) {
        Ok(_) => Ok(roots),
        // The unit may walk these tables from now on: their pages stay taken.
        Err(error) => Err(IommuError::from(error).to_string()),
    }
}
