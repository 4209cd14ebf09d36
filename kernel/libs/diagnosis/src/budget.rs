//! How much of the processor's time the handling of faults may take.
//!
//! Time is cut into windows of 100 ms. In each, fault handling may use a twenty-fifth; then the fault interrupt has to
//! be masked for the rest of the window. So any 100 ms, however they lie across two windows, see at most two shares,
//! and what the last faults before the two masks took beyond them: less than a tenth, as long as explaining a fault
//! takes less than a millisecond.
//!
//! The clock runs on while a virtual machine's processor waits for its turn, so a long time alone is no sign of
//! a storm: a few faults in a window are always handled at once.

use crate::{Timestamp, Window};

/// Nanoseconds of a window.
pub const WINDOW: u64 = 100_000_000;

/// Nanoseconds of a window that fault handling may use.
pub const SHARE: u64 = WINDOW / 25;

/// Two shares, and a millisecond beyond each, are no more than a tenth.
const _: () = assert!(2 * (SHARE + 1_000_000) <= WINDOW / 10);

/// Faults of one window that are handled whatever they take.
pub const FEW: u32 = 8;

/// What is left of the present window's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Some of the window's time is left.
    Left,
    /// Nothing: the fault interrupt has to be masked until then.
    Spent {
        /// The end of the window.
        until: Timestamp,
    },
}

/// The account of one machine's fault handling.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The number of the present window, counted from kernel entry.
    window: u64,
    spent: u64,
    faults: u32,
    meter: Meter,
}

/// What fault handling has really taken.
#[derive(Clone, Copy, Debug)]
struct Meter {
    /// Nanoseconds in each of the last slices of a window's length.
    slices: [u64; SLICES],
    /// The number of the latest slice, counted from kernel entry.
    latest: u64,
    most: u64,
}

/// Slices of a window's length that are told apart.
const SLICES: usize = 10;

impl Budget {
    /// A budget of which nothing is used yet.
    pub const fn new() -> Self {
        Self { window: 0, spent: 0, faults: 0, meter: Meter { slices: [0; SLICES], latest: 0, most: 0 } }
    }

    /// Notes the present time, and tells how the windows before it ended, oldest first: the last in which
    /// something was spent, then one without, if there was any.
    pub fn advance(&mut self, now: Timestamp) -> impl Iterator<Item = Window> + use<> {
        let window = now.as_nanos() / WINDOW;
        let passed = window.saturating_sub(self.window);
        let last = if self.is_spent() { Window::Masked } else { Window::Open };
        if passed > 0 {
            (self.window, self.spent, self.faults) = (window, 0, 0);
        }
        [(passed > 0).then_some(last), (passed > 1).then_some(Window::Open)].into_iter().flatten()
    }

    /// Counts faults and what was spent on them since `start`. What lies in a window before the present one is
    /// not counted.
    pub fn spend(&mut self, start: Timestamp, now: Timestamp, faults: u32) -> Allowance {
        let window = Timestamp::from_nanos(self.window.saturating_mul(WINDOW)).max(start);
        self.spent = self.spent.saturating_add(now.as_nanos().saturating_sub(window.as_nanos()));
        self.faults = self.faults.saturating_add(faults);
        self.meter.note(start, now);
        if !self.is_spent() {
            return Allowance::Left;
        }
        let next = self.window.saturating_add(1).saturating_mul(WINDOW);
        Allowance::Spent { until: Timestamp::from_nanos(next) }
    }

    /// The most nanoseconds that any 100 ms so far have seen, told apart by tenths of that.
    pub const fn most(&self) -> u64 {
        self.meter.most
    }

    const fn is_spent(&self) -> bool {
        self.spent >= SHARE && self.faults > FEW
    }
}

impl Meter {
    /// Counts a span where it ends; it is short beside a slice.
    fn note(&mut self, start: Timestamp, now: Timestamp) {
        let slice = now.as_nanos() / (WINDOW / SLICES as u64);
        let passed = slice.saturating_sub(self.latest).min(SLICES as u64);
        for step in 0..passed {
            if let Some(old) = self.slices.get_mut((slice - step) as usize % SLICES) {
                *old = 0;
            }
        }
        self.latest = self.latest.max(slice);
        if let Some(present) = self.slices.get_mut(self.latest as usize % SLICES) {
            *present = present.saturating_add(now.as_nanos().saturating_sub(start.as_nanos()));
        }
        self.most = self.most.max(self.slices.iter().sum());
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_share_of_a_window_may_be_spent() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(at(0), at(SHARE - 1), FEW), Allowance::Left);
        assert_eq!(budget.spend(at(SHARE), at(SHARE + 1), 1), Allowance::Spent { until: at(WINDOW) });
        assert_eq!(budget.advance(at(WINDOW)).collect::<Vec<_>>(), [Window::Masked]);
        assert_eq!(budget.spend(at(WINDOW), at(WINDOW + 1), 1), Allowance::Left);
        assert_eq!(budget.advance(at(3 * WINDOW)).collect::<Vec<_>>(), [Window::Open, Window::Open]);
        assert_eq!(budget.advance(at(3 * WINDOW + 1)).count(), 0);
    }

    #[test]
    fn handling_across_the_end_of_a_window_counts_where_it_ends() {
        let mut budget = Budget::new();
        budget.advance(at(WINDOW)).for_each(drop);
        assert_eq!(budget.spend(at(0), at(WINDOW + SHARE - 1), FEW + 1), Allowance::Left);
    }

    #[test]
    fn a_few_faults_are_handled_however_long_they_take() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(at(0), at(WINDOW / 2), FEW), Allowance::Left);
        assert_ne!(budget.spend(at(WINDOW / 2), at(WINDOW / 2), 1), Allowance::Left);
    }

    #[test]
    fn the_most_of_any_hundred_milliseconds_is_known() {
        let mut budget = Budget::new();
        let mut spend = |from: u64, nanos: u64| {
            budget.advance(at(from)).for_each(drop);
            budget.spend(at(from), at(from + nanos), 1);
            budget.most()
        };
        assert_eq!(spend(95_000_000, 3_000_000), 3_000_000);
        assert_eq!(spend(101_000_000, 2_000_000), 5_000_000);
        assert_eq!(spend(250_000_000, 4_000_000), 5_000_000);
        assert_eq!(spend(330_000_000, 4_000_000), 8_000_000);
    }

    proptest! {
        /// A handler that is called whenever it may be, for as long as it likes up to a bound, stays below two
        /// shares and that bound in every 100 ms, which is less than a tenth.
        #[test]
        fn any_hundred_milliseconds_see_a_tenth(costs in proptest::collection::vec(1_u64..200_000, 1..3000)) {
            let mut budget = Budget::new();
            let mut now = 0;
            let mut calls = Vec::new();
            for cost in costs {
                budget.advance(at(now)).for_each(drop);
                let (start, end) = (now, now + cost);
                calls.push((start, end));
                now = match budget.spend(at(start), at(end), FEW + 1) {
                    Allowance::Left => end + 1,
                    Allowance::Spent { until } => until.as_nanos().max(end),
                };
            }
            for &(from, _) in &calls {
                let within = calls.iter().map(|&(start, end)| {
                    end.min(from + WINDOW).saturating_sub(start.max(from))
                });
                prop_assert!(within.sum::<u64>() <= 2 * SHARE + 3 * 200_000);
            }
        }
    }
}
