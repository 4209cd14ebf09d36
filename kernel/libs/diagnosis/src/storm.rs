//! Notices requesters that fault too often.
//!
//! Two signs: more than N recorded faults within a second, and ten windows in a row at whose end fault
//! interrupts were still masked because handling them had used up its share.
//!
//! Seconds are counted in 16 slices: the sum of the present slice and the 15 before it spans at most one
//! second, so that nobody is contained for faults that lie further apart; a burst just beyond 15/16 of a
//! second may be missed once, and is caught if it goes on.
//!
//! Memory: 96 bytes a requester, all allocated at construction. If more requesters fault than there is room
//! for, the one that has been silent longest makes way.

use alloc::vec::Vec;

use dma_types::Bdf;
use iova::OutOfMemory;

use crate::Timestamp;

/// Slices of a second.
const SLICES: usize = 16;
/// Nanoseconds of a slice.
const SLICE: u64 = 1_000_000_000 / SLICES as u64;
/// Masked windows in a row that are too many.
const MASKED_WINDOWS: u8 = 10;

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Nothing beyond the policy.
    Calm,
    /// The requester has to be contained, whatever its policy.
    Contain,
}

/// How soon a fault follows the one before of the same requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So late that the unit had a free record for every one in between.
    Spaced,
    /// So soon that the unit may have merged others with it, which leaves no trace.
    Crowded,
}

/// Nanoseconds between two records of one requester, below which others may have been merged with them.
const CROWDED: u64 = 10_000_000;

/// How a window of fault handling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Fault interrupts were enabled all the time.
    Open,
    /// They were masked for the rest of it.
    Masked,
}

/// When a storm is to be called one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Never.
    Off,
    /// At more than this many faults of one requester within a second.
    PerSecond(u32),
}

/// The recent activity of every requester.
#[derive(Debug)]
pub struct StormDetector {
    threshold: Threshold,
    requesters: Vec<Activity>,
    capacity: usize,
}

impl StormDetector {
    /// A detector that watches this many requesters at once, with all its memory.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(threshold: Threshold, capacity: usize) -> Result<Self, OutOfMemory> {
        let mut requesters = Vec::new();
        requesters.try_reserve_exact(capacity).map_err(|_| OutOfMemory)?;
        Ok(Self { threshold, requesters, capacity })
    }

    /// Counts one recorded fault.
    pub fn note(&mut self, requester: Bdf, at: Timestamp) -> Urgency {
        let Threshold::PerSecond(limit) = self.threshold else { return Urgency::Calm };
        let Some(activity) = self.activity(requester) else { return Urgency::Calm };
        activity.note(at.as_nanos() / SLICE);
        if activity.sum() > u64::from(limit) { Urgency::Contain } else { Urgency::Calm }
    }

    /// Tells how soon a recorded fault comes after the one before of its requester, whatever is done about it.
    pub fn pace(&mut self, requester: Bdf, at: Timestamp) -> Pace {
        self.activity(requester).map_or(Pace::Crowded, |activity| activity.pace(at))
    }

    /// Ends a window of fault handling and tells who has to be contained: those that faulted in each of
    /// the last ten windows, all of them masked.
    pub fn end_window(&mut self, window: Window) -> impl Iterator<Item = Bdf> {
        let watching = self.threshold != Threshold::Off;
        self.requesters.iter_mut().filter_map(move |activity| {
            let faulted = core::mem::take(&mut activity.faulted_in_window);
            activity.masked_windows = match window {
                Window::Masked if faulted => activity.masked_windows.saturating_add(1),
                _ => 0,
            };
            (watching && activity.masked_windows >= MASKED_WINDOWS).then_some(activity.requester)
        })
    }

    /// Forgets a requester's past, when it is released from containment.
    pub fn forget(&mut self, requester: Bdf) {
        self.requesters.retain(|activity| activity.requester != requester);
    }

    fn activity(&mut self, requester: Bdf) -> Option<&mut Activity> {
        let known = self.requesters.iter().position(|activity| activity.requester == requester);
        let position = match known {
            Some(position) => position,
            // The memory was reserved at construction: this push does not allocate.
            None if self.requesters.len() < self.capacity => {
                self.requesters.push(Activity::new(requester));
                self.requesters.len() - 1
            }
            None => {
                let oldest =
                    self.requesters.iter_mut().enumerate().min_by_key(|(_, activity)| activity.slice);
                let (position, activity) = oldest?;
                *activity = Activity::new(requester);
                position
            }
        };
        self.requesters.get_mut(position)
    }
}

/// The last second of one requester.
#[derive(Debug)]
struct Activity {
    requester: Bdf,
    counts: [u32; SLICES],
    /// Number of the latest slice, counted from kernel entry.
    slice: u64,
    /// When the latest fault came; `None` before the first.
    latest: Option<Timestamp>,
    masked_windows: u8,
    faulted_in_window: bool,
}

impl Activity {
    const fn new(requester: Bdf) -> Self {
        Self {
            requester,
            counts: [0; SLICES],
            slice: 0,
            latest: None,
            masked_windows: 0,
            faulted_in_window: false,
        }
    }

    /// How soon a fault comes, which becomes the latest.
    fn pace(&mut self, at: Timestamp) -> Pace {
        let before = self.latest.replace(at);
        let soon = |before: Timestamp| at.as_nanos().saturating_sub(before.as_nanos()) < CROWDED;
        if before.is_some_and(soon) { Pace::Crowded } else { Pace::Spaced }
    }

    /// Counts a fault in a slice; one that lies before the latest counts there.
    fn note(&mut self, slice: u64) {
        let passed = slice.saturating_sub(self.slice).min(SLICES as u64);
        for step in 1..=passed {
            if let Some(count) = self.counts.get_mut(position(self.slice + step)) {
                *count = 0;
            }
        }
        self.slice = self.slice.max(slice);
        if let Some(count) = self.counts.get_mut(position(self.slice)) {
            *count = count.saturating_add(1);
        }
        self.faulted_in_window = true;
    }

    fn sum(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }
}

const fn position(slice: u64) -> usize {
    slice as usize % SLICES
}

#[cfg(test)]
mod tests {
    use super::*;
    use dma_types::{Segment, SourceId};

    const MILLISECOND: u64 = 1_000_000;

    fn requester(bits: u16) -> Bdf {
        Bdf::new(Segment(0), SourceId::from_bits(bits))
    }

    fn detector(limit: u32) -> StormDetector {
        StormDetector::new(Threshold::PerSecond(limit), 4).unwrap()
    }

    #[test]
    fn more_than_the_limit_within_a_second_is_a_storm() {
        let mut storm = detector(1000);
        for n in 0..1000 {
            assert_eq!(storm.note(requester(1), Timestamp::from_nanos(n * 1000)), Urgency::Calm);
        }
        assert_eq!(storm.note(requester(2), Timestamp::from_nanos(MILLISECOND)), Urgency::Calm);
        assert_eq!(storm.note(requester(1), Timestamp::from_nanos(MILLISECOND)), Urgency::Contain);
    }

    #[test]
    fn a_steady_rate_at_the_limit_is_none() {
        let mut storm = detector(100);
        for n in 0..5000 {
            let at = Timestamp::from_nanos(n * 10 * MILLISECOND);
            assert_eq!(storm.note(requester(1), at), Urgency::Calm, "{n}");
        }
    }

    #[test]
    fn a_burst_across_a_full_second_is_noticed() {
        let mut storm = detector(100);
        let mut urgency = Urgency::Calm;
        for n in 0..101 {
            urgency = storm.note(requester(1), Timestamp::from_nanos(950 * MILLISECOND + n * MILLISECOND));
        }
        assert_eq!(urgency, Urgency::Contain);
    }

    #[test]
    fn a_pause_clears_the_count_and_time_may_step_back() {
        let mut storm = detector(2);
        let note =
            |storm: &mut StormDetector, ms| storm.note(requester(1), Timestamp::from_nanos(ms * MILLISECOND));
        assert_eq!(note(&mut storm, 0), Urgency::Calm);
        assert_eq!(note(&mut storm, 1), Urgency::Calm);
        assert_eq!(note(&mut storm, 5000), Urgency::Calm);
        assert_eq!(note(&mut storm, 4999), Urgency::Calm);
        assert_eq!(note(&mut storm, 5001), Urgency::Contain);
    }

    #[test]
    fn ten_masked_windows_in_a_row_are_a_storm() {
        let mut storm = detector(1000);
        let fault = |storm: &mut StormDetector, bits| storm.note(requester(bits), Timestamp::from_nanos(0));
        for _ in 0..9 {
            fault(&mut storm, 1);
            fault(&mut storm, 2);
            assert_eq!(storm.end_window(Window::Masked).count(), 0);
        }
        // One that paused for a window starts anew.
        fault(&mut storm, 1);
        assert!(storm.end_window(Window::Masked).eq([requester(1)]));
        fault(&mut storm, 1);
        assert_eq!(storm.end_window(Window::Open).count(), 0);
    }

    #[test]
    fn faults_close_together_may_hide_others() {
        let mut storm = StormDetector::new(Threshold::Off, 4).unwrap();
        let mut pace = |bits, ms| storm.pace(requester(bits), Timestamp::from_nanos(ms * MILLISECOND));
        assert_eq!(pace(1, 100), Pace::Spaced);
        assert_eq!(pace(2, 101), Pace::Spaced);
        assert_eq!(pace(1, 109), Pace::Crowded);
        assert_eq!(pace(1, 119), Pace::Spaced);
    }

    #[test]
    fn a_requester_takes_the_memory_that_is_stated() {
        assert_eq!(size_of::<Activity>(), 96);
    }

    #[test]
    fn switched_off_it_calls_nothing_a_storm() {
        let mut storm = StormDetector::new(Threshold::Off, 4).unwrap();
        for _ in 0..100 {
            assert_eq!(storm.note(requester(1), Timestamp::from_nanos(0)), Urgency::Calm);
            assert_eq!(storm.end_window(Window::Masked).count(), 0);
        }
    }

    #[test]
    fn the_longest_silent_requester_makes_way() {
        let mut storm = detector(1);
        for bits in 0..5 {
            storm.note(requester(bits), Timestamp::from_nanos(u64::from(bits) * 100 * MILLISECOND));
        }
        let now = Timestamp::from_nanos(500 * MILLISECOND);
        assert_eq!(storm.note(requester(4), now), Urgency::Contain);
        assert_eq!(storm.note(requester(0), now), Urgency::Calm);
        storm.forget(requester(4));
        assert_eq!(storm.note(requester(4), now), Urgency::Calm);
    }
}
