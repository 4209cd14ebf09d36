//! The timer of the local APIC, which wakes a halted processor.

use core::cell::Cell;
use core::num::NonZeroU64;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use ::calibration::{Reads, timer_rate};
use arrayvec::ArrayVec;
use exceptions::TrapFrame;
use spin::Once;

use super::apic::{self, LVT_MASKED, Register};
use super::{TIMER_VECTOR, vectors};
use crate::platform::clock::{self, Deadline};
use crate::sync::{IrqLock, rank};

/// In the timer's local vector entry: again and again.
const PERIODIC: u32 = 1 << 17;
/// Divide configuration for one count in 16 bus clocks.
const DIVIDE_BY_16: u32 = 3;
/// How long counts are compared with the clock to learn their rate: long beside a look at them.
const CALIBRATION: Duration = Duration::from_micros(200);
/// Looks at the timer in that time at most: more than a register can answer.
const MOST_LOOKS: u32 = 1 << 20;
/// Counts between two interrupts of a periodic timer at least: fewer would leave no time for anything else.
const SHORTEST_PERIOD: u32 = 100;

/// Counts a nanosecond, in parts of 2^32, once they were measured.
static RATE: Once<NonZeroU64> = Once::new();
/// What is taken for it until then: 8 MHz, slower than timers are, so that a rest ends rather too early than too late, and
/// far above nothing, so that none ends at once.
const ASSUMED_RATE: NonZeroU64 = NonZeroU64::new((8 << 32) / 1000).unwrap();
/// How often it is measured at most.
const MOST_CALIBRATIONS: u32 = 8;
static CALIBRATIONS: AtomicU32 = AtomicU32::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
/// Whether interrupts come again and again by themselves.
static IS_PERIODIC: AtomicBool = AtomicBool::new(false);

/// What is to be done at a time, whatever else the timer is armed for.
#[derive(Clone, Copy)]
struct Alarm {
    at: Deadline,
    ring: fn(),
}

/// Alarms that may be set at once.
const MOST_ALARMS: usize = 8;

static ALARMS: IrqLock<ArrayVec<Alarm, MOST_ALARMS>, rank::Alarms> = IrqLock::new(ArrayVec::new_const());

/// Gets the timer's interrupts counted; none comes until it is armed. From here on the clock rests by it.
pub(super) fn start() {
    if is_available() {
        clock::wake_by(arm);
    }
    vectors::register(TIMER_VECTOR, on_tick);
}

/// Timer interrupts since the start.
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// Tells whether the timer can wake a halted processor.
pub fn is_available() -> bool {
    apic::is_present()
}

/// Raises one interrupt after about this long, or earlier if an alarm is set; replaces what was armed before.
///
/// To sleep until then, [`clock::wait_until`] is the way.
pub fn arm(after: Duration) {
    run(next_alarm().map_or(after, |alarm| alarm.min(after)), Mode::Once);
}

/// Has something done in the timer's interrupt at a time, or soon after, once; replaces the time at which the same was
/// to be done. What is done then may set its own alarm again, takes no lock but an [`IrqLock`], and is short.
pub fn set_alarm(at: Deadline, ring: fn()) {
    let mut alarms = ALARMS.lock();
    alarms.retain(|alarm| !ptr::fn_addr_eq(alarm.ring, ring));
    if alarms.try_push(Alarm { at, ring }).is_err() {
        log::error!("more than {MOST_ALARMS} alarms are set at once; one does not ring");
    }
    drop(alarms);
    if !IS_PERIODIC.load(Ordering::Relaxed) {
        rearm_for_alarm();
    }
}

/// Raises an interrupt about this often, until [`stop`] or [`arm`].
pub fn start_periodic(interval: Duration) {
    run(interval, Mode::Periodic);
}

/// Raises no more interrupts but an alarm's.
pub fn stop() {
    IS_PERIODIC.store(false, Ordering::Relaxed);
    apic::write(Register::LVT_TIMER, LVT_MASKED);
    apic::write(Register::INITIAL_COUNT, 0);
    rearm_for_alarm();
}

/// How often the timer rings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Once,
    Periodic,
}

fn run(duration: Duration, mode: Mode) {
    IS_PERIODIC.store(mode == Mode::Periodic, Ordering::Relaxed);
    let bits = if mode == Mode::Periodic { PERIODIC } else { 0 };
    let rate = rate().get();
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let counts = (u128::from(nanoseconds) * u128::from(rate)) >> 32;
    // Zero would stop the timer; a wait too long for the counter ends early, which its callers allow for.
    let least = if mode == Mode::Periodic { SHORTEST_PERIOD } else { 1 };
    if mode == Mode::Periodic {
        // What is left of the last count, which may be a single one, would repeat until the new one is written.
        apic::write(Register::INITIAL_COUNT, 0);
    }
    apic::write(Register::LVT_TIMER, bits | u32::from(TIMER_VECTOR));
    apic::write(Register::INITIAL_COUNT, u32::try_from(counts).unwrap_or(u32::MAX).max(least));
}

/// The timer's rate, measured if it was not yet. A measurement that a busy host spoilt is made again next time.
fn rate() -> NonZeroU64 {
    if let Some(rate) = RATE.get() {
        return *rate;
    }
    if CALIBRATIONS.fetch_add(1, Ordering::Relaxed) >= MOST_CALIBRATIONS {
        return *RATE.call_once(|| ASSUMED_RATE);
    }
    calibrate().map_or(ASSUMED_RATE, |rate| *RATE.call_once(|| rate))
}

/// Compares the timer with the clock; `None` if it does not count, or not at a rate that can be.
fn calibrate() -> Option<NonZeroU64> {
    apic::write(Register::LVT_TIMER, LVT_MASKED);
    apic::write(Register::DIVIDE, DIVIDE_BY_16);
    let (reads, counts) = ::calibration::measure(compare)?;
    timer_rate(counts, reads.counts())
}

/// The clock's reads around some of the timer's counts, and how many those are.
fn compare() -> Option<(Reads, u32)> {
    let (counts, over) = (Cell::new(0), Cell::new(Deadline::at_ns(0)));
    let start = || {
        apic::write(Register::INITIAL_COUNT, u32::MAX);
        over.set(Deadline::after(CALIBRATION));
    };
    let is_over = || {
        counts.set(u32::MAX - apic::read(Register::CURRENT_COUNT));
        over.get().expired()
    };
    Reads::around(clock::now_ns, start, is_over, MOST_LOOKS).map(|reads| (reads, counts.get()))
}

fn on_tick(_frame: &TrapFrame) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    // Each at most once: one that sets itself again for a time already past rings at the next tick.
    let mut due = ArrayVec::<fn(), MOST_ALARMS>::new();
    ALARMS.lock().retain(|alarm| {
        let rings = alarm.at.expired() && due.try_push(alarm.ring).is_ok();
        !rings
    });
    due.iter().for_each(|ring| ring());
    if !IS_PERIODIC.load(Ordering::Relaxed) {
        rearm_for_alarm();
    }
}

/// How long it is until the next alarm; `None` if none is set.
fn next_alarm() -> Option<Duration> {
    ALARMS.lock().iter().map(|alarm| alarm.at.remaining()).min()
}

/// What the timer was armed for has come, or is no longer wanted; alarms are.
fn rearm_for_alarm() {
    if let Some(remaining) = next_alarm() {
        run(remaining, Mode::Once);
    }
}
