//! How a unit stands now, by what its hardware says, and how that is told.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use coverage::Shortfall;
use report::{Event, Hex, InterruptRemapping, InvalidationKind, UnitKind, UnitState};
use vtd::spec::second_stage::TableLevels;
use vtd::{EnforcementLost, InvalidationPath};

use super::Unit;
use super::unit::{UnitFacts, UnitWindow};
use crate::platform::clock;
use crate::{journal, protection};

/// What is said of a unit that did not answer.
const SILENT: &str = "it did not confirm an invalidation in time; its devices are cut off";

impl Unit {
    /// Tells whether it was brought up; whether it still enforces is for [`is_enforcing`](Self::is_enforcing) to say.
    pub const fn was_taken(&self) -> bool {
        self.failure.is_none()
    }

    /// Asks the hardware whether it still enforces; `None` if it could not be taken. Reads at most three registers.
    pub fn ask(&self) -> Option<Result<(), EnforcementLost>> {
        // Held only where a second bring-up was interrupted by a stop, which then counts as none.
        let port = (*self.port.try_lock()?)?;
        Some(port.ask())
    }

    /// Asks the hardware whether it translates by our tables now. One that does not confirm invalidations does not
    /// count: what it remembers of them nobody knows.
    pub fn is_enforcing(&self) -> bool {
        !self.is_silent() && self.ask().is_some_and(|answer| answer.is_ok())
    }

    /// Tells whether it once did not confirm an invalidation in time.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Notes that it did not confirm; false if that was known.
    pub(super) fn note_silence(&self) -> bool {
        !self.silent.swap(true, Ordering::Relaxed)
    }

    /// Takes note that it was brought up once more.
    pub(super) fn note_bring_up(&self, unit: &vtd::Unit<UnitWindow>) {
        *self.port.lock() = unit.enforcement_port();
    }

    /// Says what becomes of its devices' interrupts where they are not remapped.
    pub(super) fn tell_of_interrupts(&self) {
        let state = self.interrupts;
        if !self.was_taken() || state.word() == InterruptRemapping::On {
            return;
        }
        if state.word() == InterruptRemapping::Failed {
            protection::give_up(Shortfall::InterruptsNotRemapped { unit: self.index });
        }
        let means = match state.withholds_devices() {
            true => "its devices stay blocked",
            false => "a device behind it that masters the bus may raise any interrupt",
        };
        log::warn!("unit {}: {state}; {means}", self.index);
    }

    /// Writes its line into the report, with the stable names of what was found about it.
    pub fn report(&self, findings: impl IntoIterator<Item = &'static str>) {
        let version = self.facts.map(|facts| facts.version_text());
        let findings: Vec<_> = findings.into_iter().map(report::Text::from).collect();
        let raw = |bits: fn(&UnitFacts) -> u64| Hex(self.facts.as_ref().map_or(0, bits));
        let invalidation = self
            .read(|active| match active.unit().invalidation_path() {
                InvalidationPath::Queue => Some(InvalidationKind::Queued),
                InvalidationPath::Registers => Some(InvalidationKind::Registers),
                InvalidationPath::None | InvalidationPath::Dead => None,
            })
            .flatten();
        let (state, lost) = match self.ask() {
            Some(Ok(())) if self.is_silent() => (UnitState::Failed, Some(SILENT.to_string())),
            Some(Ok(())) => (UnitState::Enforcing, None),
            Some(Err(lost)) => (UnitState::Failed, Some(lost.to_string())),
            None => (UnitState::Failed, None),
        };
        journal::emit(&Event::Unit(report::Unit {
            t: clock::now_ns(),
            index: self.index as u32,
            kind: UnitKind::VtD,
            segment: self.segment.0,
            base: Hex(self.base.as_u64()),
            version: version.unwrap_or_default().into(),
            capabilities: raw(|facts| facts.capabilities.0),
            extended_capabilities: raw(|facts| facts.extended.0),
            levels: self.facts.and_then(|facts| facts.levels).map(TableLevels::count),
            fault_records: self.facts.map_or(0, |facts| facts.capabilities.fault_records() as u32),
            invalidation,
            state,
            detail: lost.as_deref().or(self.failure.as_deref()).map(Into::into),
            findings: findings.as_slice().into(),
            interrupt_remapping: self.interrupts.word(),
            x2apic: self.interrupts.is_extended(),
        }));
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts.as_ref().map(UnitFacts::version_text).unwrap_or_else(|| "?".to_string());
        write!(f, "unit {} at {}, segment {:04x}, version {facts}: ", self.index, self.base, self.segment.0)?;
        match (&self.failure, self.ask()) {
            (Some(failure), _) => write!(f, "FAILED, {failure}"),
            (None, Some(Err(lost))) => write!(f, "LOST, {lost}"),
            (None, _) if self.is_silent() => write!(f, "SILENT, {SILENT}"),
            (None, _) => write!(f, "enforcing, {} address bits, {}", self.width(), self.interrupts),
        }
    }
}
