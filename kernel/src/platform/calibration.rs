//! The rate of the time-stamp counter.
//!
//! The processor or the hypervisor may say it. Otherwise it is measured against channel 2 of the 8254 interval
//! timer, which counts at 1.193182 MHz on every PC that has one: the channel counts down, and the counter is read around
//! the write that starts it and around the read that sees it done (8254 data sheet, "Mode 0"). Where there is none, a
//! rate is assumed until the ACPI tables name the power management timer.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the ports of the interval timer")]

use core::cell::{Cell, RefCell};
use core::fmt;
use core::num::NonZeroU64;

use ::calibration::{Reads, time_stamp_rate};
use x86_64::instructions::port::Port;

use super::acpi::PmTimer;
use crate::arch::cpu::{self, Features};

/// Ticks of the interval timer a second, in parts of three: 1193181 + 2/3.
const PIT_THIRDS_HERTZ: u64 = 3_579_545;
/// Ticks that are measured: half a millisecond.
const PIT_TICKS: u16 = 597;
/// Ticks of the power management timer a second; ACPI "Power Management Timer".
const PM_HERTZ: u64 = 3_579_545;
/// Ticks of it that are measured: half a millisecond.
const PM_TICKS: u16 = 1790;
/// Polls of the timer's output until it is taken for stopped: more than a port can answer meanwhile.
const MAX_POLLS: u32 = 200_000;
/// What is assumed where nothing can be found out: fast, so that a wait is rather too long than too short.
const ASSUMED_HERTZ: NonZeroU64 = NonZeroU64::new(5_000_000_000).unwrap();
/// Rates come in whole megahertz where the error is below half of one.
const MEGAHERTZ: u64 = 1_000_000;

/// Where a rate is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The processor says it.
    Processor,
    /// The hypervisor says it.
    Hypervisor,
    /// It was measured against the interval timer.
    IntervalTimer,
    /// It was measured against the power management timer.
    PowerManagementTimer,
    /// Nothing says it.
    Assumed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processor => "as the processor says",
            Self::Hypervisor => "as the hypervisor says",
            Self::IntervalTimer => "measured against the interval timer",
            Self::PowerManagementTimer => "measured against the power management timer",
            Self::Assumed => "assumed, since nothing tells",
        })
    }
}

/// The rate of the time-stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Counts a second.
    pub hertz: NonZeroU64,
    /// Where it is from.
    pub source: Source,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let khz = self.hertz.get() / 1000;
        write!(f, "{}.{:03} MHz, {}", khz / 1000, khz % 1000, self.source)
    }
}

/// Finds the rate out, before any table is read.
pub(super) fn find_rate() -> Rate {
    let found = |hertz, source| Some(Rate { hertz: time_stamp_rate(hertz)?, source });
    None.or_else(|| found(processor_hertz()?, Source::Processor))
        .or_else(|| found(hypervisor_hertz()?, Source::Hypervisor))
        .or_else(|| found(measured_hertz(PIT_SPAN, count_down)?, Source::IntervalTimer))
        .unwrap_or(Rate { hertz: ASSUMED_HERTZ, source: Source::Assumed })
}

/// Finds the rate out with the power management timer; `None` if that does not count.
pub(super) fn rate_by(timer: PmTimer) -> Option<Rate> {
    let hertz = measured_hertz(PM_SPAN, || wait_for_ticks(timer))?;
    Some(Rate { hertz: time_stamp_rate(hertz)?, source: Source::PowerManagementTimer })
}

/// SDM "CPUID—CPU Identification", leaf 0x15; where that lacks the crystal's rate, leaf 0x16.
fn processor_hertz() -> Option<u64> {
    let ratio = cpu::basic(0x15)?;
    if ratio.eax == 0 || ratio.ebx == 0 {
        return None;
    }
    if ratio.ecx != 0 {
        return Some(u64::from(ratio.ecx) * u64::from(ratio.ebx) / u64::from(ratio.eax));
    }
    // The base frequency, in megahertz, is the counter's.
    Some(u64::from(cpu::basic(0x16)?.eax & 0xffff) * MEGAHERTZ)
}

/// The leaf that hypervisors have agreed on, in kilohertz.
fn hypervisor_hertz() -> Option<u64> {
    Some(u64::from(cpu::hypervisor(0x4000_0010)?.eax) * 1000)
}

/// Ticks of a timer, and how fast it ticks.
#[derive(Clone, Copy)]
struct Ticks {
    count: u16,
    /// Ticks a second, in parts of three.
    thirds_hertz: u64,
}

const PIT_SPAN: Ticks = Ticks { count: PIT_TICKS, thirds_hertz: PIT_THIRDS_HERTZ };
const PM_SPAN: Ticks = Ticks { count: PM_TICKS, thirds_hertz: 3 * PM_HERTZ };

/// Measures over so many ticks, and rounds to megahertz where the measurement is that exact.
fn measured_hertz(span: Ticks, mut once: impl FnMut() -> Option<Reads>) -> Option<u64> {
    let in_hertz = |counts: u64| counts.saturating_mul(span.thirds_hertz) / (3 * u64::from(span.count));
    let (reads, ()) = ::calibration::measure(|| Some((once()?, ())))?;
    let (hertz, error) = (in_hertz(reads.counts()), in_hertz(reads.error()));
    let rounded = (hertz + MEGAHERTZ / 2) / MEGAHERTZ * MEGAHERTZ;
    // A real timer also waits for its next tick before it starts.
    let is_exact = cpu::has(Features::HYPERVISOR) && error < MEGAHERTZ / 4;
    Some(if is_exact && rounded > 0 { rounded } else { hertz })
}

/// Waits until the power management timer has ticked [`PM_TICKS`] times; `None` if it does not.
fn wait_for_ticks(timer: PmTimer) -> Option<Reads> {
    let mask = if timer.bits >= 32 { u32::MAX } else { (1 << timer.bits) - 1 };
    let count = || {
        // SAFETY: the ACPI tables name the port; reading has no effect.
        let count = unsafe { Port::<u32>::new(timer.port).read() };
        count & mask
    };
    let start = Cell::new(0);
    let passed = || count().wrapping_sub(start.get()) & mask;
    Reads::around(cpu::time_stamp, || start.set(count()), || passed() >= u32::from(PM_TICKS), MAX_POLLS)
}

/// Lets the channel count down once; `None` if it does not.
fn count_down() -> Option<Reads> {
    let channel = RefCell::new(SpeakerChannel::open());
    let [low, high] = PIT_TICKS.to_le_bytes();
    channel.borrow_mut().load(low);
    let start = || channel.borrow_mut().load(high);
    Reads::around(cpu::time_stamp, start, || channel.borrow_mut().output(), MAX_POLLS)
}

/// Channel 2 of the interval timer, whose output can be read back and otherwise drives the speaker.
struct SpeakerChannel {
    data: Port<u8>,
    gate: Port<u8>,
    gate_before: u8,
}

impl SpeakerChannel {
    /// Opens the gate with the speaker off, and sets the channel to count down once.
    fn open() -> Self {
        let mut gate = Port::new(0x61);
        // SAFETY: a standard port of every PC; reading has no effect.
        let gate_before: u8 = unsafe { gate.read() };
        // SAFETY: bit 0 opens the gate, bit 1 would be the speaker, the others stay.
        unsafe { gate.write(gate_before & !2 | 1) };
        // Channel 2, low byte then high byte, mode 0, binary.
        // SAFETY: only this channel's mode changes, which nothing else uses.
        unsafe { Port::<u8>::new(0x43).write(0b1011_0000) };
        Self { data: Port::new(0x42), gate, gate_before }
    }

    /// Writes a byte of the count; it starts with the second.
    fn load(&mut self, byte: u8) {
        // SAFETY: the channel's own count.
        unsafe { self.data.write(byte) };
    }

    /// Tells whether it has counted down.
    fn output(&mut self) -> bool {
        // SAFETY: reading has no effect.
        unsafe { self.gate.read() & 1 << 5 != 0 }
    }
}

impl Drop for SpeakerChannel {
    fn drop(&mut self) {
        // SAFETY: puts back what was there.
        unsafe { self.gate.write(self.gate_before) };
    }
}
