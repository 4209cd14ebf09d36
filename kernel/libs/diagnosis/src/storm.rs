//! Notices senders that fault too often.
//!
//! Two signs: more than N recorded faults within a second, and ten windows in a row at whose end fault
//! interrupts were still masked because handling them had used up its share.
//!
//! Seconds are counted in 16 slices: the sum of the present slice and the 15 before it spans at most one
//! second, so that nobody is contained for faults that lie further apart; a burst just beyond 15/16 of a
//! second may be missed once, and is caught if it goes on.
//!
//! Memory: 96 bytes a sender, all allocated at construction.

use alloc::vec::Vec;

use iova::OutOfMemory;

use crate::Timestamp;
use crate::senders::Sender;

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
    /// The sender has to be contained, whatever its policy.
    Contain,
}

/// How soon a fault follows the one before of the same sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So late that the unit had a free record for every one in between.
    Spaced,
    /// So soon that the unit may have merged others with it, which leaves no trace.
    Crowded,
}

/// Nanoseconds between two records of one sender, below which others may have been merged with them.
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
    /// No number of faults makes a storm.
    Off,
    /// At more than this many faults of one sender within a second.
    PerSecond(u32),
}

/// The recent activity of every sender.
#[derive(Debug)]
pub struct StormDetector {
    threshold: Threshold,
    senders: Vec<Activity>,
    /// Whether somebody may have to be contained: as a rule nobody has, and nobody is looked for.
    due: bool,
}

impl StormDetector {
    /// A detector that watches nobody, and calls nothing a storm.
    pub const NONE: Self = Self { threshold: Threshold::Off, senders: Vec::new(), due: false };

    /// A detector that watches so many senders, with all its memory.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(threshold: Threshold, senders: usize) -> Result<Self, OutOfMemory> {
        let mut activities = Vec::new();
        activities.try_reserve_exact(senders).map_err(|_| OutOfMemory)?;
        activities.resize(senders, Activity::NONE);
        Ok(Self { threshold, senders: activities, due: false })
    }

    /// Counts one recorded fault.
    pub fn note(&mut self, sender: Sender, at: Timestamp) -> Urgency {
        let Threshold::PerSecond(limit) = self.threshold else { return Urgency::Calm };
        let Some(activity) = self.senders.get_mut(sender.place()) else { return Urgency::Calm };
        activity.note(at.as_nanos() / SLICE);
        if activity.sum() > u64::from(limit) { Urgency::Contain } else { Urgency::Calm }
    }

    /// Tells how soon a recorded fault comes after the one before of its sender, whatever is done about it.
    pub fn pace(&mut self, sender: Sender, at: Timestamp) -> Pace {
        self.senders.get_mut(sender.place()).map_or(Pace::Crowded, |activity| activity.pace(at))
    }

    /// Ends a window of fault handling, for every sender. Who has to be contained for it, [`next_stormy`] tells.
    ///
    /// [`next_stormy`]: Self::next_stormy
    pub fn end_window(&mut self, window: Window) {
        for activity in &mut self.senders {
            activity.end_window(window);
            self.due |= activity.masked_windows >= MASKED_WINDOWS;
        }
    }

    /// Somebody who has to be contained: who faulted in each of the last ten windows, all of them masked. Each is told
    /// once, and again only for ten more.
    pub fn next_stormy(&mut self) -> Option<Sender> {
        if self.threshold == Threshold::Off || !self.due {
            return None;
        }
        let place = self.senders.iter().position(|activity| activity.masked_windows >= MASKED_WINDOWS);
        self.due = place.is_some();
        let place = place?;
        self.senders.get_mut(place)?.masked_windows = 0;
        Some(Sender::at(place))
    }

    /// Forgets a sender's past, when it is released from containment.
    pub fn forget(&mut self, sender: Sender) {
        if let Some(activity) = self.senders.get_mut(sender.place()) {
            *activity = Activity::NONE;
        }
    }
}

/// The last second of one sender.
#[derive(Clone, Debug)]
struct Activity {
    counts: [u32; SLICES],
    /// Number of the latest slice, counted from kernel entry.
    slice: u64,
    /// When the latest fault came; `None` before the first.
    latest: Option<Timestamp>,
    masked_windows: u8,
    faulted_in_window: bool,
}

impl Activity {
    const NONE: Self =
        Self { counts: [0; SLICES], slice: 0, latest: None, masked_windows: 0, faulted_in_window: false };

    /// How soon a fault comes, which becomes the latest.
    fn pace(&mut self, at: Timestamp) -> Pace {
        let before = self.latest.replace(at);
        let soon = |before: Timestamp| at.as_nanos().saturating_sub(before.as_nanos()) < CROWDED;
        if before.is_some_and(soon) { Pace::Crowded } else { Pace::Spaced }
    }

    fn end_window(&mut self, window: Window) {
        let faulted = core::mem::take(&mut self.faulted_in_window);
        self.masked_windows = match window {
            Window::Masked if faulted => self.masked_windows.saturating_add(1),
            _ => 0,
        };
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
    use dma_types::{Bdf, SourceId};

    use super::*;
    use crate::senders::{Holder, Port, Senders};

    const MILLISECOND: u64 = 1_000_000;

    const fn sender(place: usize) -> Sender {
        Sender::at(place)
    }

    fn detector(limit: u32) -> StormDetector {
        StormDetector::new(Threshold::PerSecond(limit), 4).unwrap()
    }

    /// Ends a window, and gives whom that costs.
    fn ended(storm: &mut StormDetector, window: Window) -> Vec<Sender> {
        storm.end_window(window);
        core::iter::from_fn(|| storm.next_stormy()).collect()
    }

    #[test]
    fn more_than_the_limit_within_a_second_is_a_storm() {
        let mut storm = detector(1000);
        for n in 0..1000 {
            assert_eq!(storm.note(sender(1), Timestamp::from_nanos(n * 1000)), Urgency::Calm);
        }
        assert_eq!(storm.note(sender(2), Timestamp::from_nanos(MILLISECOND)), Urgency::Calm);
        assert_eq!(storm.note(sender(1), Timestamp::from_nanos(MILLISECOND)), Urgency::Contain);
    }

    #[test]
    fn a_steady_rate_at_the_limit_is_none() {
        let mut storm = detector(100);
        for n in 0..5000 {
            let at = Timestamp::from_nanos(n * 10 * MILLISECOND);
            assert_eq!(storm.note(sender(1), at), Urgency::Calm, "{n}");
        }
    }

    #[test]
    fn a_burst_across_a_full_second_is_noticed() {
        let mut storm = detector(100);
        let mut urgency = Urgency::Calm;
        for n in 0..101 {
            urgency = storm.note(sender(1), Timestamp::from_nanos(950 * MILLISECOND + n * MILLISECOND));
        }
        assert_eq!(urgency, Urgency::Contain);
    }

    #[test]
    fn a_pause_clears_the_count_and_time_may_step_back() {
        let mut storm = detector(2);
        let note =
            |storm: &mut StormDetector, ms| storm.note(sender(1), Timestamp::from_nanos(ms * MILLISECOND));
        assert_eq!(note(&mut storm, 0), Urgency::Calm);
        assert_eq!(note(&mut storm, 1), Urgency::Calm);
        assert_eq!(note(&mut storm, 5000), Urgency::Calm);
        assert_eq!(note(&mut storm, 4999), Urgency::Calm);
        assert_eq!(note(&mut storm, 5001), Urgency::Contain);
    }

    #[test]
    fn ten_masked_windows_in_a_row_are_a_storm() {
        let mut storm = detector(1000);
        let fault = |storm: &mut StormDetector, place| storm.note(sender(place), Timestamp::from_nanos(0));
        for _ in 0..9 {
            fault(&mut storm, 1);
            fault(&mut storm, 2);
            assert_eq!(ended(&mut storm, Window::Masked), []);
        }
        // One that paused for a window starts anew.
        fault(&mut storm, 1);
        assert_eq!(ended(&mut storm, Window::Masked), [sender(1)]);
        fault(&mut storm, 1);
        assert_eq!(ended(&mut storm, Window::Open), []);
    }

    #[test]
    fn every_sender_of_a_storm_is_told_however_many_are_asked_for_at_once() {
        let mut storm = StormDetector::new(Threshold::PerSecond(1_000_000), 100).unwrap();
        let window = |storm: &mut StormDetector| {
            for place in 0..100 {
                storm.note(sender(place), Timestamp::from_nanos(0));
            }
            storm.end_window(Window::Masked);
        };
        (0..MASKED_WINDOWS).for_each(|_| window(&mut storm));
        // Who asks for a few takes the rest after a window more.
        let mut told: Vec<Sender> = (0..8).map_while(|_| storm.next_stormy()).collect();
        window(&mut storm);
        told.extend(core::iter::from_fn(|| storm.next_stormy()));
        assert!(told.into_iter().eq((0..100).map(sender)));
        // It takes ten more for the same to be told again.
        (0..MASKED_WINDOWS - 2).for_each(|_| window(&mut storm));
        assert_eq!(storm.next_stormy(), None);
        window(&mut storm);
        assert_eq!(core::iter::from_fn(|| storm.next_stormy()).count(), 8);
    }

    #[test]
    fn faults_close_together_may_hide_others() {
        let mut storm = StormDetector::new(Threshold::Off, 4).unwrap();
        let mut pace = |place, ms| storm.pace(sender(place), Timestamp::from_nanos(ms * MILLISECOND));
        assert_eq!(pace(1, 100), Pace::Spaced);
        assert_eq!(pace(2, 101), Pace::Spaced);
        assert_eq!(pace(1, 109), Pace::Crowded);
        assert_eq!(pace(1, 119), Pace::Spaced);
    }

    #[test]
    fn a_sender_takes_the_memory_that_is_stated() {
        assert_eq!(size_of::<Activity>(), 96);
    }

    #[test]
    fn switched_off_it_calls_nothing_a_storm() {
        let mut storm = StormDetector::new(Threshold::Off, 4).unwrap();
        for _ in 0..100 {
            assert_eq!(storm.note(sender(1), Timestamp::from_nanos(0)), Urgency::Calm);
            assert_eq!(ended(&mut storm, Window::Masked), []);
        }
    }

    #[test]
    fn nobody_takes_the_place_of_another() {
        let mut storm = StormDetector::new(Threshold::PerSecond(1), 400).unwrap();
        let now = Timestamp::from_nanos(0);
        for place in 0..400 {
            assert_eq!(storm.note(sender(place), now), Urgency::Calm);
        }
        for place in 0..400 {
            assert_eq!(storm.note(sender(place), now), Urgency::Contain, "{place}");
        }
        storm.forget(sender(4));
        assert_eq!(storm.note(sender(4), now), Urgency::Calm);
        assert_eq!(storm.note(sender(5), now), Urgency::Contain);
        assert_eq!(storm.note(sender(400), now), Urgency::Calm, "not watched");
    }

    /// A device that makes up its ids: each of them once, so that none of them would be noticed alone.
    #[test]
    fn made_up_ids_are_a_storm_of_the_port_that_they_came_through() {
        let bdf = |text: &str| text.parse::<Bdf>().unwrap();
        let ports = [("00:1c.0", 1, 3), ("00:1d.0", 4, 4)];
        let ports = ports.map(|(bridge, first, last)| Port { bridge: bdf(bridge), first, last });
        let known = bdf("01:00.0");
        let senders = Senders::new([known].into_iter(), ports.into_iter()).unwrap();
        let mut storm = StormDetector::new(Threshold::PerSecond(20), senders.count()).unwrap();
        let mut made_up = (0..8).flat_map(|function| {
            (0..3).map(move |bus| Bdf::new(known.segment, SourceId::new(bus + 1, 9, function).unwrap()))
        });
        let mut note = |id: Bdf| storm.note(senders.of(id), Timestamp::from_nanos(0));
        for id in made_up.by_ref().take(20) {
            assert_eq!(note(id), Urgency::Calm);
        }
        let one_more = made_up.next().unwrap();
        assert_eq!(note(one_more), Urgency::Contain);
        assert_eq!(senders.holder(senders.of(one_more)), Holder::Port(bdf("00:1c.0")));
        // Nobody else pays for it, not even the device that is known to stand there.
        assert_eq!([known, bdf("04:1f.7"), bdf("05:00.0")].map(note), [Urgency::Calm; 3]);
        let mut stormy = Vec::new();
        for _ in 0..MASKED_WINDOWS {
            storm.note(senders.of(one_more), Timestamp::from_nanos(0));
            stormy = ended(&mut storm, Window::Masked).iter().map(|sender| senders.holder(*sender)).collect();
        }
        assert_eq!(stormy, [Holder::Port(bdf("00:1c.0"))]);
    }
}
