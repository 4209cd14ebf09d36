//! Notices interrupt messages that come too often.
//!
//! Time is cut into windows of 100 ms, as for the handling of faults. Each message costs the processor about a tenth of
//! what a fault does, and whatever it was doing waits: so a window may see as many messages as a second may see faults.
//! A driver that got what it waited for has heeded the messages so far: an honest device is asked for more than it sends,
//! however fast it is.

use crate::Timestamp;
use crate::budget::WINDOW;
use crate::storm::Threshold;

/// Messages that an honest device may send in a window with nobody waiting for it: frames that come in unasked, until
/// its ring is full.
const HONEST: u32 = 300;

/// When there are too many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLimit {
    /// Messages are never limited.
    Off,
    /// At more than so many in a window that nobody heeded.
    PerWindow(u32),
}

/// What a message is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Few enough that the device may go on.
    Bearable,
    /// More than the window may see.
    TooMany {
        /// The end of the window.
        until: Timestamp,
    },
}

/// The messages of one sender in the present window.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageCount {
    /// The number of the window, counted from kernel entry.
    window: u64,
    count: u32,
}

impl MessageLimit {
    /// As strict with messages as a threshold is with faults, but never stricter than an honest device needs.
    pub fn like(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Off => Self::Off,
            Threshold::PerSecond(faults) => Self::PerWindow(faults.max(HONEST)),
        }
    }
}

impl MessageCount {
    /// Of a sender that has sent nothing.
    pub const fn new() -> Self {
        Self { window: 0, count: 0 }
    }

    /// Counts a message that arrived at that time, and judges whether they are too many.
    pub fn note(&mut self, at: Timestamp, limit: MessageLimit) -> Pressure {
        let window = at.as_nanos() / WINDOW;
        if window > self.window {
            (self.window, self.count) = (window, 0);
        }
        self.count = self.count.saturating_add(1);
        match limit {
            MessageLimit::PerWindow(most) if self.count > most => {
                let end = self.window.saturating_add(1).saturating_mul(WINDOW);
                Pressure::TooMany { until: Timestamp::from_nanos(end) }
            }
            _ => Pressure::Bearable,
        }
    }

    /// Takes note that somebody waited for the messages so far.
    pub const fn heed(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: MessageLimit = MessageLimit::PerWindow(3);

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn more_than_a_window_may_see_are_too_many() {
        let mut count = MessageCount::new();
        for n in 0..3 {
            assert_eq!(count.note(at(n), LIMIT), Pressure::Bearable);
        }
        for n in 3..10 {
            assert_eq!(count.note(at(n), LIMIT), Pressure::TooMany { until: at(WINDOW) });
        }
        assert_eq!(count.note(at(WINDOW), LIMIT), Pressure::Bearable);
        // Time that seems to go back counts in the latest window.
        for _ in 0..2 {
            assert_eq!(count.note(at(0), LIMIT), Pressure::Bearable);
        }
        assert_eq!(count.note(at(0), LIMIT), Pressure::TooMany { until: at(2 * WINDOW) });
    }

    #[test]
    fn heeded_messages_are_none_too_many() {
        let mut count = MessageCount::new();
        for n in 0..1000 {
            assert_eq!(count.note(at(n), LIMIT), Pressure::Bearable);
            count.heed();
        }
    }

    #[test]
    fn switched_off_there_are_never_too_many() {
        let mut count = MessageCount::new();
        let limit = MessageLimit::like(Threshold::Off);
        assert!((0..1000).all(|n| count.note(at(n), limit) == Pressure::Bearable));
    }

    #[test]
    fn no_threshold_is_too_strict_for_an_honest_device() {
        assert_eq!(MessageLimit::like(Threshold::PerSecond(0)), MessageLimit::PerWindow(HONEST));
        assert_eq!(MessageLimit::like(Threshold::PerSecond(1000)), MessageLimit::PerWindow(1000));
        let mut last = MessageCount { window: u64::MAX / WINDOW, count: u32::MAX };
        assert_eq!(last.note(at(u64::MAX), LIMIT), Pressure::TooMany { until: at(u64::MAX) });
    }
}
