//! Time since the boot loader jumped to the kernel, and deadlines.
//!
//! The clock is the processor's time-stamp counter. Its rate becomes a multiplier once, so that reading the
//! clock takes a multiplication and a shift.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use spin::Once;

use mmio_regs::Clock;

use super::acpi::PmTimer;
use super::calibration::{self, Rate, Source};
use super::serial;
use crate::arch::cpu;
use crate::sync::{InterruptsOff, interrupts_are_on};

/// Nanoseconds of a second.
const NS_PER_SECOND: u128 = 1_000_000_000;

/// Time stamp at the kernel's entry.
static ENTRY: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds of one count, in parts of 2^32.
static NS_PER_COUNT: AtomicU64 = AtomicU64::new(0);

/// Whether nothing told the rate.
static IS_ASSUMED: AtomicBool = AtomicBool::new(false);

/// The kernel's clock, for what waits in a library.
#[derive(Clone, Copy, Debug)]
pub struct KernelClock;

impl Clock for KernelClock {
    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }
}

/// What raises an interrupt after about a time, once something does.
static WAKER: Once<fn(Duration)> = Once::new();

/// Lets the processor halt while it waits, since `wake_after` ends the halt by an interrupt after about that time.
pub(crate) fn wake_by(wake_after: fn(Duration)) {
    WAKER.call_once(|| wake_after);
}

/// The time at which the kernel was entered.
#[derive(Clone, Copy, Debug)]
pub struct EntryTime(u64);

impl EntryTime {
    /// Takes the present time for it; to be called first of all.
    pub fn read() -> Self {
        Self(cpu::time_stamp())
    }
}

/// Finds the rate of the time-stamp counter and starts the clock; takes at most a millisecond.
pub(crate) fn start(entry: EntryTime) -> Rate {
    ENTRY.store(entry.0, Ordering::Relaxed);
    let rate = calibration::find_rate();
    NS_PER_COUNT.store(ns_per_count(rate), Ordering::Relaxed);
    IS_ASSUMED.store(rate.source == Source::Assumed, Ordering::Release);
    rate
}

/// Takes the rate from the power management timer, where it had to be assumed; the clock goes on from what it shows.
/// To be called before anything waits: the timer that ends a sleep is measured against the clock.
pub(crate) fn correct_by(timer: Option<PmTimer>) {
    if !IS_ASSUMED.load(Ordering::Acquire) {
        return;
    }
    let Some(rate) = timer.and_then(calibration::rate_by) else {
        log::warn!("the clock goes by an assumed rate, since no timer was found to count");
        return;
    };
    log::info!("time-stamp counter at {rate}");
    // No handler sees one word of the two changed; other processors are not started yet.
    let _off = InterruptsOff::new();
    let (now, ns_per_count) = (timestamp(), ns_per_count(rate));
    let counts =
        (u128::from(in_ns(now.wrapping_sub(ENTRY.load(Ordering::Relaxed)))) << 32) / u128::from(ns_per_count);
    ENTRY.store(now.wrapping_sub(u64::try_from(counts).unwrap_or(u64::MAX)), Ordering::Relaxed);
    NS_PER_COUNT.store(ns_per_count, Ordering::Relaxed);
    IS_ASSUMED.store(false, Ordering::Release);
}

/// Nanoseconds of one count at a rate, in parts of 2^32; never zero.
fn ns_per_count(rate: Rate) -> u64 {
    u64::try_from((NS_PER_SECOND << 32) / u128::from(rate.hertz.get())).unwrap_or(u64::MAX).max(1)
}

/// The time-stamp counter as it is: what is cheapest to note. [`ns_at`] makes a time of it.
pub fn timestamp() -> u64 {
    cpu::time_stamp()
}

/// Nanoseconds from the kernel's entry to a time stamp; 0 for an earlier one.
pub fn ns_at(timestamp: u64) -> u64 {
    let counts = timestamp.saturating_sub(ENTRY.load(Ordering::Relaxed));
    in_ns(counts)
}

/// Nanoseconds since the kernel's entry; never goes back.
#[inline]
pub fn now_ns() -> u64 {
    // The counter never shows less than at the entry.
    in_ns(timestamp().wrapping_sub(ENTRY.load(Ordering::Relaxed)))
}

#[inline]
fn in_ns(counts: u64) -> u64 {
    ((u128::from(counts) * u128::from(NS_PER_COUNT.load(Ordering::Relaxed))) >> 32) as u64
}

/// A time in the future, to bound a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    ns: u64,
}

impl Deadline {
    /// So long from now.
    pub fn after(duration: Duration) -> Self {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self { ns: now_ns().saturating_add(ns) }
    }

    /// So many nanoseconds after the kernel's entry.
    pub const fn at_ns(ns: u64) -> Self {
        Self { ns }
    }

    /// Tells whether it has come.
    pub fn expired(self) -> bool {
        now_ns() >= self.ns
    }

    /// What is left until it; nothing once it has come.
    pub fn remaining(self) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(now_ns()))
    }
}

/// Waits, with the processor halted between interrupts; see [`wait_until`].
pub fn sleep_until(deadline: Deadline) {
    wait_until(deadline, || false);
}

/// Waits for a duration; see [`wait_until`].
pub fn sleep(duration: Duration) {
    sleep_until(Deadline::after(duration));
}

/// Waits until `done` says so; it is asked first of all, and after every interrupt. Tells whether it did before
/// the deadline.
///
/// This is the one place where the kernel lets the processor rest, and what waits for a port is sent meanwhile. `done` is
/// asked, and the timer armed, with interrupts off until the halt: one that comes in between is taken by the halt, and
/// ends it. Where interrupts are off, or there is no timer, it waits without halting.
pub fn wait_until(deadline: Deadline, mut done: impl FnMut() -> bool) -> bool {
    let interruptible = interrupts_are_on();
    let waker = WAKER.get().filter(|_| interruptible);
    loop {
        let nap = if interruptible && serial::send_some() { serial::NAP } else { Duration::MAX };
        if waker.is_some() {
            x86_64::instructions::interrupts::disable();
        }
        let over = done();
        if over || deadline.expired() {
            if waker.is_some() {
                x86_64::instructions::interrupts::enable();
            }
            return over;
        }
        if let Some(wake_after) = waker {
            wake_after(deadline.remaining().min(nap));
            x86_64::instructions::interrupts::enable_and_hlt();
        } else {
            core::hint::spin_loop();
        }
    }
}
