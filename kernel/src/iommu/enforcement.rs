//! Enforcement asked again: at each claim, after each driver's start, when an invalidation failed, and by the timer.
//!
//! Whoever reaches a unit's registers can switch it off or lead it to other tables. Nothing is left to save then but
//! the evidence: the machine stops, with bus mastering off.

use core::fmt;
use core::time::Duration;

use spin::Once;
use vtd::EnforcementLost;

use super::units;
use crate::irq::timer;
use crate::platform::clock::Deadline;

/// How often the timer's interrupt asks.
const INTERVAL: Duration = Duration::from_millis(50);

/// A unit that enforced and does not any more.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Its index.
    pub unit: usize,
    /// What its registers say.
    pub what: EnforcementLost,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {} does not enforce any more: {}", self.unit, self.what)
    }
}

/// What ends the kernel when a unit is lost. It must not return, and may find any lock held.
pub type StopHook = fn(&Lost) -> !;

static STOP: Once<StopHook> = Once::new();

/// Says what ends the kernel, once; to be called before the units are taken.
pub fn set_stop_hook(hook: StopHook) {
    STOP.call_once(|| hook);
}

/// Asks every unit that was taken, and stops the kernel if one does not enforce any more. Reads at most three registers of
/// each unit; interrupt handlers may call it.
pub fn demand() {
    if let (Some(lost), Some(stop)) = (first_lost(), STOP.get()) {
        stop(&lost);
    }
}

fn first_lost() -> Option<Lost> {
    units().iter().find_map(|unit| {
        let what = unit.ask()?.err()?;
        Some(Lost { unit: unit.index, what })
    })
}

/// Has the timer's interrupt ask from now on, whatever the kernel does.
pub fn watch() {
    if !timer::is_available() {
        log::warn!(
            "no timer: the units are asked at claims and driver starts alone whether they still enforce"
        );
        return;
    }
    look_again();
}

fn look_again() {
    demand();
    timer::set_alarm(Deadline::after(INTERVAL), look_again);
}

/// Tells whether there are units and every one of them enforces now. Takes no lock that may be held, so the stop path
/// may ask.
pub fn everywhere() -> bool {
    let units = units();
    !units.is_empty() && units.iter().all(super::Unit::is_enforcing)
}
