//! The timer of the local APIC, which wakes a halted processor.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use exceptions::TrapFrame;
use spin::Once;

use super::apic::{self, LVT_MASKED, Register};
use super::interrupts::{self, IrqLock, TIMER_VECTOR};
use super::register_probe;
use crate::platform::clock::{self, Deadline};

/// In the timer's local vector entry: again and again.
const PERIODIC: u32 = 1 << 17;
/// Divide configuration for one count in 16 bus clocks.
const DIVIDE_BY_16: u32 = 3;
/// How long counts are compared with the clock to learn their rate.
const CALIBRATION: Duration = Duration::from_micros(50);
/// How often.
const CALIBRATIONS: usize = 3;

/// Counts a second, in parts of 2^32 per nanosecond.
static RATE: Once<u64> = Once::new();
static TICKS: AtomicU64 = AtomicU64::new(0);
/// Whether interrupts come again and again by themselves.
static IS_PERIODIC: AtomicBool = AtomicBool::new(false);

/// What is to be done at a time, whatever else the timer is armed for.
struct Alarm {
    at: Deadline,
    ring: fn(),
}

static ALARM: IrqLock<Option<Alarm>> = IrqLock::new(None);

/// Gets the timer's interrupts counted; none comes until it is armed.
pub fn start() {
    if let Err(error) = interrupts::register(TIMER_VECTOR, on_tick) {
        log::error!("no timer: {error}");
    }
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
pub fn arm(after: Duration) {
    let alarm = ALARM.lock().as_ref().map(|alarm| alarm.at.remaining());
    run(alarm.map_or(after, |alarm| alarm.min(after)), Mode::Once);
}

/// Has something done in the timer's interrupt at a time, or soon after; replaces what was to be done before.
pub fn set_alarm(at: Deadline, ring: fn()) {
    *ALARM.lock() = Some(Alarm { at, ring });
    if !IS_PERIODIC.load(Ordering::Relaxed) {
        arm(at.remaining());
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
    let rate = *RATE.call_once(calibrate);
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let counts = (u128::from(nanoseconds) * u128::from(rate)) >> 32;
    apic::write(Register::LVT_TIMER, bits | u32::from(TIMER_VECTOR));
    // Zero would stop the timer; a wait too long for the counter ends early, which its callers allow for.
    apic::write(Register::INITIAL_COUNT, u32::try_from(counts).unwrap_or(u32::MAX).max(1));
}

/// Compares the timer with the clock. A processor that is held up between looking at the one and at the other takes
/// the timer for faster than it is, so the slowest of a few counts.
fn calibrate() -> u64 {
    (0..CALIBRATIONS).map(|_| compare()).min().unwrap_or(0)
}

fn compare() -> u64 {
    let span = CALIBRATION.as_nanos() as u64;
    apic::write(Register::LVT_TIMER, LVT_MASKED);
    apic::write(Register::DIVIDE, DIVIDE_BY_16);
    apic::write(Register::INITIAL_COUNT, u32::MAX);
    let start = clock::now_ns();
    let mut end = start;
    while end - start < span {
        core::hint::spin_loop();
        end = clock::now_ns();
    }
    let counts = u64::from(u32::MAX - apic::read(Register::CURRENT_COUNT));
    (counts << 32) / (end - start)
}

fn on_tick(_frame: &TrapFrame) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    register_probe::note_tick();
    let due = ALARM.lock().take_if(|alarm| alarm.at.expired());
    match due {
        Some(alarm) => (alarm.ring)(),
        None if !IS_PERIODIC.load(Ordering::Relaxed) => rearm_for_alarm(),
        None => {}
    }
}

/// What the timer was armed for has come; an alarm has not.
fn rearm_for_alarm() {
    let remaining = ALARM.lock().as_ref().map(|alarm| alarm.at.remaining());
    if let Some(remaining) = remaining {
        run(remaining, Mode::Once);
    }
}
