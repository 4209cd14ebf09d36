//! Whether calls are checked, and what happens when one breaks a rule: the machine stops.
//!
//! The rules and what the types forbid already stand in the library `verifier`. Off, which is the default, costs one
//! relaxed load where a check could be made.
//!
//! What only a domain's books know is said of the domain: a device is released with memory outstanding if it is the
//! last of its group with a driver and something is left. A device that is dropped instead of released is not checked:
//! there the order of a driver's fields decides, and the domain goes with its last buffer anyway.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use diagnosis::Site;
use dma_types::Iova;
use iova::IovaRange;
use options::Switch;
use report::{Event, Function, Hex, Violation};
use spin::Once;
use verifier::{Misuse, Rule};

use super::Domain;
use super::guard::Damage;
use crate::devices::{self, DeviceRecord};
use crate::journal;
use crate::platform::clock;
use crate::text::Text;

static ON: AtomicBool = AtomicBool::new(false);
static CHECKS: AtomicU64 = AtomicU64::new(0);
/// How often [`reset`] was called: ledgers that saw fewer forget what was given back.
static RESETS: AtomicU64 = AtomicU64::new(0);

/// Parameter 2 of guard damage: padding behind the buffer.
const PADDING_BEHIND: u64 = 5;

/// A device, and the driver that used it, also after it has given the device up.
#[derive(Clone, Copy)]
pub(super) struct Culprit {
    pub(super) record: &'static DeviceRecord,
    pub(super) driver: Option<&'static str>,
}

impl Culprit {
    /// A device and its present driver.
    pub(super) fn of(record: &'static DeviceRecord) -> Self {
        Self { record, driver: record.driver() }
    }
}

/// Tells whether calls are checked.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Says whether calls are checked from now on.
pub fn set(switch: Switch) {
    ON.store(switch == Switch::On, Ordering::Relaxed);
}

/// Checks made since start or [`reset`].
pub fn checks() -> u64 {
    CHECKS.load(Ordering::Relaxed)
}

/// Counts checks anew, and forgets what was given back.
pub fn reset() {
    CHECKS.store(0, Ordering::Relaxed);
    RESETS.fetch_add(1, Ordering::Relaxed);
}

/// How often it was reset.
pub(super) fn resets() -> u64 {
    RESETS.load(Ordering::Relaxed)
}

/// What ends the kernel after a misuse, by the device of that name. It must not return.
pub type StopHook = fn(&Violation<'_>, Rule, &str) -> !;

static STOP: Once<StopHook> = Once::new();

/// Says what ends the kernel, once; to be called before calls are checked.
pub fn set_stop_hook(hook: StopHook) {
    STOP.call_once(|| hook);
}

/// Checks a call, if calls are checked; does not return from one that breaks a rule.
pub(super) fn check(who: Culprit, site: Site, judge: impl FnOnce() -> Result<(), Misuse>) {
    if !is_on() {
        return;
    }
    CHECKS.fetch_add(1, Ordering::Relaxed);
    if let (Err(misuse), Some(stop)) = (judge(), STOP.get()) {
        stop_over(&who, &misuse, site, *stop);
    }
}

/// Judges the release of a device: if it is the last of its group that has a driver, nothing may be left in the domain.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn check_release(record: &DeviceRecord, domain: &Domain) -> Result<(), Misuse> {
    let shares = |other: &&DeviceRecord| other.group == record.group && other.bdf != record.bdf;
    if devices::all().iter().filter(shares).any(|other| other.driver().is_some()) {
        return Ok(());
    }
    let books = domain.lock_books();
    let left = books.book().live_mappings();
    // Firmware's regions come last.
    let Some(first) = books.book().live().next().filter(|_| left > 0).map(|owner| owner.mapping) else {
        return Ok(());
    };
    let parameters = [record.object(), left, first.start.as_u64()];
    Err(Misuse::new(Rule::MappingsLeft, parameters).against(first.mapped.site))
}

/// Where the devices see ranges, if calls are checked and there is memory to remember them.
pub(super) fn starts(ranges: &[IovaRange]) -> Vec<Iova> {
    let mut starts = Vec::new();
    if is_on() && starts.try_reserve_exact(ranges.len()).is_ok() {
        starts.extend(ranges.iter().map(IovaRange::start));
    }
    starts
}

/// Stops over a device that wrote behind the end of its buffer; `start` is where it saw the buffer, which was unmapped
/// just now.
#[cold]
pub(super) fn check_guard(domain: &Domain, start: Iova, damage: Damage, site: Site) {
    let members = || devices::all().iter().filter(|record| record.group == domain.group());
    // The driver may have given the device up before the buffer.
    let driven = members().find(|record| record.driver().is_some());
    let Some(record) = driven.or_else(|| members().next()) else { return };
    check(Culprit::of(record), site, || {
        let at = start.as_u64().saturating_add(damage.offset as u64);
        let misuse = Misuse::new(Rule::GuardDamaged, [PADDING_BEHIND, start.as_u64(), at]);
        // It was unmapped just now, so the books still know who had mapped it.
        let lent = domain.lock_books().book().last_owner(start).map(|owner| owner.mapping.mapped.site);
        Err(lent.map_or(misuse, |lent| misuse.against(lent)))
    });
}

/// Reports a misuse and stops.
#[cold]
fn stop_over(who: &Culprit, misuse: &Misuse, site: Site, stop: StopHook) -> ! {
    let Culprit { record, driver } = *who;
    let [p2, p3, p4] = misuse.parameters.map(Hex);
    let site = Text::<128>::of(&site);
    let other_site = misuse.other_site.map(|site| Text::<128>::of(&site));
    let violation = Violation {
        t: clock::now_ns(),
        rule: misuse.rule.name().into(),
        p1: Hex(misuse.rule.code()),
        p2,
        p3,
        p4,
        bdf: Function(record.bdf),
        driver: driver.map(Into::into),
        site: site.as_str().into(),
        other_site: other_site.as_ref().map(|site| site.as_str().into()),
    };
    journal::emit(&Event::Violation(violation.clone()));
    stop(&violation, misuse.rule, &record.name)
}
