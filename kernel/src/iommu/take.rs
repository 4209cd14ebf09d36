//! Taking the units: default deny, unit by unit.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use coverage::{MessageSource, Plan, Platform};
use dma_types::{Iova, MsiMessage, SourceId};
use interrupts::message;
use options::Interrupts;
use vtd::{ActiveUnit, NotEnabled};

use super::interrupts::InterruptState;
use super::unit::UnitWindow;
use super::{Found, IommuError, UNITS, Unit, find};
use crate::arch::FAULT_VECTOR;
use crate::irq::apic;
use crate::memory::mmio::Mmio;
use crate::memory::tables::FrameMemory;
use crate::platform::clock::KernelClock;
use crate::sync::InterruptsOff;

/// Makes every unit that answers enforce tables that permit nothing, and publishes all of them.
///
/// Conditions that stood when the fault interrupt was unmasked raise none by themselves: whoever calls this looks for them
/// afterwards. Bus mastering must be off everywhere but on bridges. A unit that cannot be taken is kept with the reason;
/// its devices must stay without bus mastering. Interrupts are remapped before any device may send one, as `interrupts`
/// says.
///
/// `findings` gives the stable names of what was found about each unit, for the report.
pub fn take<F: IntoIterator<Item = &'static str>>(
    plan: &Plan,
    found: Vec<Found>,
    interrupts: Interrupts,
    findings: impl Fn(usize) -> F,
) -> &'static [Unit] {
    // A fault interrupt must not arrive before the handler can find the unit.
    let off = InterruptsOff::new();
    let units = plan.units.iter().zip(found).enumerate();
    let take = |(index, (planned, unit))| take_one(planned, index, unit, (plan.platform, interrupts));
    let units = UNITS.call_once(|| units.map(take).collect());
    drop(off);
    for (planned, unit) in plan.units.iter().zip(units) {
        match unit.is_enforcing() {
            true => log::info!("{unit}"),
            false => log::error!("{unit}; its devices stay without bus mastering"),
        }
        unit.tell_of_interrupts();
        if unit.remaps_interrupts() {
            planned.controllers.iter().for_each(|source| tell_of_controller(unit, source));
        }
        unit.report(findings(unit.index));
    }
    units
}

/// Says what becomes of the messages of an interrupt controller, which has no entry as long as nobody needs it.
fn tell_of_controller(unit: &Unit, MessageSource { controller, id }: &MessageSource) {
    match id {
        Some(id) => log::debug!("unit {}: {controller} sends as {id}, and has no entry", unit.index),
        None => log::warn!("unit {}: the table's path to {controller} leads nowhere", unit.index),
    }
}

fn take_one(
    planned: &coverage::Unit,
    index: usize,
    found: Found,
    (platform, interrupts): (Platform, Interrupts),
) -> Unit {
    let none = InterruptState::of_failed_unit(interrupts);
    let unit = match found {
        Ok(unit) => unit,
        Err(failure) => return Unit::failed(planned, index, None, failure, none),
    };
    match ActiveUnit::enable(unit, fault_message(), FrameMemory, KernelClock) {
        Ok(mut active) => {
            let interrupts = InterruptState::settle(&mut active, platform, interrupts);
            Unit::taken(planned, index, active, interrupts)
        }
        // The hardware may go on using its queue, whose pages stay taken.
        Err(NotEnabled { unit, error }) => Unit::failed(planned, index, Some(&unit), error.to_string(), none),
    }
}

/// The message by which a unit tells of faults.
fn fault_message() -> MsiMessage {
    message::of_unit(apic::id(), FAULT_VECTOR)
}

/// What was found on taking a unit that enforced already.
pub struct Retaken {
    /// Translation was found on.
    pub translation_was_on: bool,
    /// The unit said that it translates before and after, by our tables.
    pub enforced_throughout: bool,
    /// Fault records that were waiting: who, and which page.
    pub stale: Vec<(SourceId, Iova)>,
}

impl Unit {
    /// Probes the unit and brings it up once more from the start, with new tables that permit nothing, while
    /// it goes on translating by the old ones until the new ones count.
    ///
    /// Every requester is blocked when this returns; domains are not touched.
    ///
    /// # Errors
    /// If the unit does not answer or refuses; what it then enforces is at least as strict as before.
    pub fn take_again(&self) -> Result<Retaken, IommuError> {
        let window = Mmio::of_platform(self.base, self.register_bytes).map_err(IommuError::Window)?;
        let fresh = vtd::Unit::<UnitWindow>::probe(Box::leak(Box::new(window)))?;
        let translation_was_on = fresh.firmware_state().translation;
        let waiting = find::drain_stale(&fresh).into_iter();
        let stale = waiting.map(|record| (record.source(), record.page().unwrap_or_default())).collect();
        let off = InterruptsOff::new();
        let mut control = self.lock_control(&off);
        let controller = control.as_mut().ok_or(IommuError::NotEnforcing { unit: self.index })?;
        let before = controller.unit().unit().is_enforcing();
        let fresh = ActiveUnit::enable(fresh, fault_message(), FrameMemory, KernelClock)
            .map_err(|NotEnabled { error, .. }| error)?;
        let enforced_throughout = before && fresh.unit().is_enforcing();
        let replaced = controller.unit_mut().replace(fresh);
        self.note_bring_up(controller.unit().unit());
        drop(control);
        replaced?;
        Ok(Retaken { translation_was_on, enforced_throughout, stale })
    }
}
