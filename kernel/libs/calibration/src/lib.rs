//! How fast a counter runs: it is read around the start and around the end of a span of known length.
//!
//! A virtual machine's processor waits for its turn now and then, and both counter and span go on meanwhile. Where that
//! falls between two reads, they lie far apart: the measurement knows how wrong it may be, and is made again.
#![no_std]
#![forbid(unsafe_code)]

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

    fn is_good(&self) -> bool {
        self.error().saturating_mul(GOOD) <= self.counts()
    }
}

/// Measures until a measurement is good, and gives the best one of [`TRIES`] where none is; `None` if the span does
/// not end.
pub fn measure(mut once: impl FnMut() -> Option<Reads>) -> Option<Reads> {
    let mut best = once()?;
    for _ in 1..TRIES {
        if best.is_good() {
            break;
        }
        let Some(next) = once() else { break };
        if next.error() < best.error() {
            best = next;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::{Reads, TRIES, measure};

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

    #[test]
    fn nothing_overflows() {
        let all = Reads { before_start: 0, after_start: u64::MAX, before_end: 0, after_end: u64::MAX };
        let back = Reads { before_start: 9, after_start: 3, before_end: 2, after_end: 1 };
        for reads in [all, back] {
            assert!(measure(|| Some(reads)).is_some());
        }
    }
}
