//! The timer of the local APIC, which wakes a halted processor.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use exceptions::TrapFrame;
use spin::Once;

use super::apic::{self, LVT_MASKED, Register};
use super::interrupts::{self, TIMER_VECTOR};
use super::register_probe;
use crate::platform::clock;

/// In the timer's local vector entry: again and again.
const PERIODIC: u32 = 1 << 17;
/// Divide configuration for one count in 16 bus clocks.
const DIVIDE_BY_16: u32 = 3;
/// How long counts are compared with the clock to learn their rate.
const CALIBRATION: Duration = Duration::from_micros(50);

/// Counts a second, in parts of 2^32 per nanosecond.
static RATE: Once<u64> = Once::new();
static TICKS: AtomicU64 = AtomicU64::new(0);

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

/// Raises one interrupt after about this long; replaces what was armed before.
pub fn arm(after: Duration) {
    run(after, 0);
}

/// Raises an interrupt about this often, until [`stop`] or [`arm`].
pub fn start_periodic(interval: Duration) {
    run(interval, PERIODIC);
}

/// Raises no more interrupts.
pub fn stop() {
    apic::write(Register::LVT_TIMER, LVT_MASKED);
    apic::write(Register::INITIAL_COUNT, 0);
}

fn run(duration: Duration, mode: u32) {
    let rate = *RATE.call_once(calibrate);
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let counts = (u128::from(nanoseconds) * u128::from(rate)) >> 32;
    apic::write(Register::LVT_TIMER, mode | u32::from(TIMER_VECTOR));
    // Zero would stop the timer; a wait too long for the counter ends early, which its callers allow for.
    apic::write(Register::INITIAL_COUNT, u32::try_from(counts).unwrap_or(u32::MAX).max(1));
}

/// Compares the timer with the clock.
fn calibrate() -> u64 {
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
}
