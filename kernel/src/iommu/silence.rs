//! A unit that does not answer: nothing can be taken from its devices any more, so they lose bus mastering.

use ::iommu::{RemappingUnit, group};
use coverage::Shortfall;

use super::Unit;
use crate::devices::{self, Role};
use crate::protection;
use crate::sync::InterruptsOff;

impl Unit {
    /// Cuts off everything behind a unit that did not confirm an invalidation in time. It goes on translating what it did,
    /// and is asked nothing any more; its devices get no domain. There is no way back.
    ///
    /// Called with interrupts off, by the fault handler too. Allocates nothing, and does its work once.
    pub fn fall_silent(&self) {
        if !self.note_silence() {
            return;
        }
        protection::give_up(Shortfall::UnitSilent { unit: self.index });
        let behind = || {
            let all = devices::all().iter();
            all.filter(|record| record.unit == Some(self.index) && record.role == Role::Endpoint)
        };
        group::take_everything(behind(), || {
            // What it does not remember it blocks from now on; each entry says that this is not confirmed.
            if let Some(controller) = self.lock_control(&InterruptsOff::new()).as_mut() {
                let sources = behind().flat_map(|record| &record.aliases);
                sources.for_each(|source| controller.unit_mut().block_unconfirmed(*source));
            }
        });
    }
}
