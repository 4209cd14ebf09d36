//! How fast a counter runs: it is read around the start and around the end of a span of known length.
//!
//! A virtual machine's processor waits for its turn now and then, and both counter and span go on meanwhile. Where that
//! falls between two reads, they lie far apart: the measurement knows how wrong it may be, and is made again.
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
    /// The last that was surely before its end.
    pub before_end: u64,
    /// After its end.
    pub after_end: u64,
}

impl Reads {
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

/// Measures until a measurement is good, and gives the best one of [`TRIES`] where none is; `None` if the span does
/// not end, or was never seen under way.
pub fn measure(mut once: impl FnMut() -> Option<Reads>) -> Option<Reads> {
    let mut best: Option<Reads> = None;
    for _ in 0..TRIES {
        let Some(next) = once() else { break };
        if next.saw_it_run() && best.is_none_or(|best| next.error() < best.error()) {
            best = Some(next);
        }
        if best.is_some_and(|best| best.is_good()) {
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

#[cfg(test)]
mod tests {
    use core::num::NonZeroU64;

    use super::{Reads, SLOWEST_HERTZ, TRIES, measure, time_stamp_rate};

    /// Counts of a span, and between two reads that nothing comes between.
    const SPAN: u64 = 1_000_000;
    const STEP: u64 = 1_000;

    /// A span that begins at a time, with the processor held up once for so long at a read: the first two are those
    /// around its start.
    fn held_up(begin: u64, at_read: u64, wait: u64) -> Reads {
        let start = begin + STEP / 2;
        let (mut now, mut read) = (begin, 0);
        let mut next = || {
            now += if read == at_read { wait } else { 0 };
            read += 1;
            let seen = now;
            now += STEP;
            seen
        };
        let (before_start, after_start) = (next(), next());
        let mut before_end = after_start;
        loop {
            let now = next();
            if now >= start + SPAN {
                return Reads { before_start, after_start, before_end, after_end: now };
            }
            before_end = now;
        }
    }

    #[track_caller]
    fn assert_near(reads: &Reads) {
        assert!(reads.counts().abs_diff(SPAN) <= SPAN / 100, "{reads:?}");
    }

    #[test]
    fn an_undisturbed_span_is_measured_once() {
        let mut tries = 0;
        let reads = measure(|| {
            tries += 1;
            Some(held_up(0, u64::MAX, 0))
        });
        assert_near(&reads.expect("a span"));
        assert_eq!(tries, 1);
    }

    #[test]
    fn the_error_covers_every_wait() {
        let reads = SPAN / STEP;
        for at_read in 1..reads + 2 {
            for wait in [0, STEP, SPAN / 10, SPAN, 20 * SPAN] {
                let reads = held_up(7, at_read, wait);
                assert!(reads.counts().abs_diff(SPAN) <= reads.error(), "{at_read} {wait}: {reads:?}");
            }
        }
    }

    /// A processor that waits around every span but one.
    #[test]
    fn the_one_span_without_a_wait_counts() {
        let end = SPAN / STEP;
        for lucky in 0..TRIES {
            for at_read in [1, end, end + 1] {
                let mut tries = 0..;
                let reads = measure(|| {
                    let wait = if tries.next() == Some(lucky) { 0 } else { 30 * SPAN };
                    Some(held_up(5, at_read, wait))
                });
                assert_near(&reads.expect("a span"));
            }
        }
    }

    #[test]
    fn a_wait_within_the_span_does_no_harm() {
        assert_near(&measure(|| Some(held_up(0, 500, SPAN / 4))).expect("a span"));
    }

    #[test]
    fn a_timer_that_stands_still_gives_nothing() {
        assert_eq!(measure(|| None), None);
    }

    /// Where no timer is, a port reads as ones, and the count seems done at the first look.
    #[test]
    fn a_span_that_was_never_under_way_gives_nothing() {
        let floating =
            |now| Reads { before_start: now, after_start: now + 9, before_end: now + 9, after_end: now + 18 };
        assert_eq!(measure(|| Some(floating(3))), None);
        // A processor that was held up over the first look tries again.
        let mut tries = 0;
        let reads = measure(|| {
            tries += 1;
            Some(if tries == 1 { floating(3) } else { held_up(0, u64::MAX, 0) })
        });
        assert_near(&reads.expect("a span"));
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
        assert!(measure(|| Some(all)).is_some() && measure(|| Some(wide)).is_some());
        assert_eq!(measure(|| Some(back)), None);
    }
}
