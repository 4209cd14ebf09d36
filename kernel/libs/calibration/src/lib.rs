//! How fast a counter runs: it is read around the start and around the end of a span of known length.
//!
//! A virtual machine's processor waits for its turn now and then, and both counter and span go on meanwhile. Where that
//! falls between two reads, they lie far apart: the measurement knows how wrong it may be, and is made again.
//!
//! # Example
//! ```
//! use calibration::{Reads, measure, time_stamp_rate};
//!
//! // A counter of 1 GHz against a span of a millisecond; the first try was interrupted at its end.
//! let mut ends = [1_450_000, 1_000_040].into_iter();
//! let reads = |after_end| Reads { before_start: 0, after_start: 40, before_end: 1_000_000, after_end };
//! let (best, ()) = measure(|| Some((reads(ends.next()?), ()))).expect("the span ends");
//! assert_eq!(best.counts(), 1_000_000);
//! assert_eq!(time_stamp_rate(best.counts() * 1000).map(|rate| rate.get()), Some(1_000_000_000));
//! ```
#![no_std]
#![forbid(unsafe_code)]

use core::num::NonZeroU64;

/// Times a span is measured at most: on a busy host, one of these is left alone.
pub const TRIES: usize = 16;

/// A measurement is good enough where its error is at most this part of it.
const GOOD: u64 = 128;

/// A counter's reads around the start and the end of a span. Each is later than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Before the span starts.
    pub before_start: u64,
    /// After it has started.
    pub after_start: u64,
    /// The last that was surely before its end: read before the look that still saw it run, since the processor may be held
    /// up right after a look as well.
    pub before_end: u64,
    /// After its end.
    pub after_end: u64,
}

impl Reads {
    /// Reads a counter around a span: `start` begins it, and `is_over` is asked until it is, or so many times that it never
    /// will be.
    pub fn around(
        mut counter: impl FnMut() -> u64,
        start: impl FnOnce(),
        mut is_over: impl FnMut() -> bool,
        most_looks: u32,
    ) -> Option<Self> {
        let before_start = counter();
        start();
        let after_start = counter();
        let mut before_end = after_start;
        for _ in 0..most_looks {
            let before_look = counter();
            if is_over() {
                return Some(Self { before_start, after_start, before_end, after_end: counter() });
            }
            before_end = before_look;
        }
        None
    }

    /// What the counter counted during the span: from the middle of the first two reads to that of the last two.
    pub fn counts(&self) -> u64 {
        let late = self.after_end.saturating_sub(self.after_start);
        let early = self.before_end.saturating_sub(self.before_start);
        late.saturating_add(early) / 2
    }

    /// How many of [`counts`](Self::counts) may be too many or too few.
    pub fn error(&self) -> u64 {
        let start = self.after_start.saturating_sub(self.before_start);
        let end = self.after_end.saturating_sub(self.before_end);
        start.saturating_add(end) / 2
    }

    /// Whether the span was seen under way. One that is over at the first look may never have begun: nothing is there
    /// that counts, and its output floats.
    const fn saw_it_run(&self) -> bool {
        self.before_end > self.after_start
    }

    fn is_good(&self) -> bool {
        self.error().saturating_mul(GOOD) <= self.counts()
    }
}

/// Measures until a measurement is good, and gives the best one of [`TRIES`] where none is, with what else was found by
/// it; `None` if the span does not end, or was never seen under way.
pub fn measure<T: Copy>(mut once: impl FnMut() -> Option<(Reads, T)>) -> Option<(Reads, T)> {
    let mut best: Option<(Reads, T)> = None;
    for _ in 0..TRIES {
        let Some(next) = once() else { break };
        if next.0.saw_it_run() && best.is_none_or(|best| next.0.error() < best.0.error()) {
            best = Some(next);
        }
        if best.is_some_and(|(best, _)| best.is_good()) {
            break;
        }
    }
    best
}

/// Counts a second below which no processor's time-stamp counter runs: what is slower was not measured.
const SLOWEST_HERTZ: u64 = 100_000_000;

/// The rate of a time-stamp counter; `None` if none runs so slowly, whoever says it.
pub const fn time_stamp_rate(hertz: u64) -> Option<NonZeroU64> {
    if hertz < SLOWEST_HERTZ { None } else { NonZeroU64::new(hertz) }
}

/// Counts a millisecond between which a local APIC's timer runs that counts every 16th clock of its bus: from one that
/// is as slow as the first were, to one of 16 GHz. What lies beyond was not measured.
const TIMER_COUNTS_A_MS: core::ops::RangeInclusive<u64> = 500..=1_000_000;

/// Counts a nanosecond, in parts of 2^32, of a timer that counted so often in so many nanoseconds; `None` if no timer runs
/// at such a rate: it did not count, or whoever measured was held up.
pub fn timer_rate(counts: u32, nanoseconds: u64) -> Option<NonZeroU64> {
    let a_ms = u64::from(counts).saturating_mul(1_000_000).checked_div(nanoseconds)?;
    if !TIMER_COUNTS_A_MS.contains(&a_ms) {
        return None;
    }
    NonZeroU64::new((u64::from(counts) << 32) / nanoseconds)
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::num::NonZeroU64;

    use super::{Reads, SLOWEST_HERTZ, TRIES, measure, time_stamp_rate, timer_rate};

    #[test]
    fn a_timer_that_did_not_count_has_no_rate() {
        // 62.5 MHz for 200 microseconds.
        let rate = timer_rate(12_500, 200_000).expect("a rate").get();
        assert_eq!((200_000 * u128::from(rate)) >> 32, 12_500);
        for (counts, nanoseconds) in
            [(0, 200_000), (12_500, 0), (1, 200_000), (u32::MAX, 200_000), (99, 200_000)]
        {
            assert_eq!(timer_rate(counts, nanoseconds), None, "{counts} in {nanoseconds}");
        }
    }

    /// Counts of a span, and between two reads that nothing comes between.
    const SPAN: u64 = 1_000_000;
    const STEP: u64 = 1_000;

    /// A span that begins at a time, with the processor held up once for so long, before an action: reads of the counter,
    /// the start, and looks whether the span is over are one each.
    fn held_up(begin: u64, before_action: u64, wait: u64) -> Reads {
        let (now, action) = (Cell::new(begin), Cell::new(0));
        let act = || {
            let held = if action.get() == before_action { wait } else { 0 };
            let at = now.get() + held + STEP / 2;
            now.set(at + STEP / 2);
            action.set(action.get() + 1);
            at
        };
        let started = Cell::new(0);
        let reads = Reads::around(act, || started.set(act()), || act() >= started.get() + SPAN, u32::MAX);
        reads.expect("an end")
    }

    /// Actions until the end of a span in which nothing happens: three around the start, then two for each look.
    const ACTIONS: u64 = SPAN / STEP + 6;

    #[track_caller]
    fn assert_near(reads: &Reads) {
        assert!(reads.counts().abs_diff(SPAN) <= SPAN / 100, "{reads:?}");
    }

    #[test]
    fn an_undisturbed_span_is_measured_once() {
        let mut tries = 0;
        let measured = measure(|| {
            tries += 1;
            Some((held_up(0, u64::MAX, 0), tries))
        });
        let (reads, of_try) = measured.expect("a span");
        assert_near(&reads);
        assert_eq!((tries, of_try), (1, 1));
    }

    #[test]
    fn the_error_covers_every_wait() {
        for action in 0..ACTIONS {
            for wait in [0, STEP, SPAN / 10, SPAN, 20 * SPAN] {
                let reads = held_up(7, action, wait);
                assert!(reads.counts().abs_diff(SPAN) <= reads.error(), "{action} {wait}: {reads:?}");
            }
        }
    }

    /// A processor that waits in every span but one, for longer than the span lasts.
    #[test]
    fn the_one_span_without_a_wait_counts() {
        for lucky in [0, TRIES / 2, TRIES - 1] {
            for action in (1..ACTIONS).step_by(41).chain(ACTIONS - 6..ACTIONS) {
                let mut tries = 0..;
                let measured = measure(|| {
                    let wait = if tries.next() == Some(lucky) { 0 } else { 30 * SPAN };
                    Some((held_up(5, action, wait), ()))
                });
                assert_near(&measured.expect("a span").0);
            }
        }
    }

    #[test]
    fn a_wait_within_the_span_does_no_harm() {
        assert_near(&measure(|| Some((held_up(0, 500, SPAN / 4), ()))).expect("a span").0);
    }

    #[test]
    fn a_timer_that_stands_still_gives_nothing() {
        assert_eq!(measure::<()>(|| None), None);
        let mut looks = 0;
        let never = Reads::around(
            || 0,
            || (),
            || {
                looks += 1;
                false
            },
            5,
        );
        assert_eq!((never, looks), (None, 5));
    }

    /// Where no timer is, a port reads as ones, and the count seems done at the first look.
    #[test]
    fn a_span_that_was_never_under_way_gives_nothing() {
        let floating =
            |now| Reads { before_start: now, after_start: now + 9, before_end: now + 9, after_end: now + 18 };
        assert_eq!(measure(|| Some((floating(3), ()))), None);
        // A processor that was held up over the first look tries again.
        let mut tries = 0;
        let reads = measure(|| {
            tries += 1;
            Some((if tries == 1 { floating(3) } else { held_up(0, u64::MAX, 0) }, ()))
        });
        assert_near(&reads.expect("a span").0);
    }

    #[test]
    fn no_time_stamp_counter_is_slow() {
        // As seen without an interval timer.
        assert_eq!(time_stamp_rate(363_000), None);
        assert_eq!(time_stamp_rate(0), None);
        assert_eq!(time_stamp_rate(SLOWEST_HERTZ).map(NonZeroU64::get), Some(SLOWEST_HERTZ));
    }

    #[test]
    fn nothing_overflows() {
        let all = Reads { before_start: 0, after_start: 0, before_end: u64::MAX, after_end: u64::MAX };
        let wide =
            Reads { before_start: 0, after_start: u64::MAX - 1, before_end: u64::MAX, after_end: u64::MAX };
        let back = Reads { before_start: 9, after_start: 3, before_end: 2, after_end: 1 };
        let once = |reads| measure(|| Some((reads, ())));
        assert!(once(all).is_some() && once(wide).is_some());
        assert_eq!(once(back), None);
    }
}
