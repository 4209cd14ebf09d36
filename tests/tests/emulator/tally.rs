//! What came of all requests, so that a program that shows nothing is noticed.

use std::collections::BTreeMap;

use super::differences::Known;
use super::program::Fate;

/// Counts by what came of a request.
#[derive(Debug, Default)]
pub struct Tally {
    /// Both units let it through, by what the tables say.
    reached: usize,
    /// Both units let it through by what they remember, although the tables say otherwise.
    reached_stale: usize,
    /// Both units blocked it, by reason.
    blocked: BTreeMap<u8, usize>,
    differed: BTreeMap<Known, usize>,
    /// Requests of each kind of device that both units let through, and that both blocked.
    by_device: BTreeMap<&'static str, [usize; 2]>,
}

/// The reasons that programs must come to: context entry not present, address beyond the width, no write and no read
/// permission.
const REASONS: [u8; 4] = [2, 4, 5, 6];

impl Tally {
    /// Counts a request of which both units made the same; `fresh` is what the tables say.
    pub fn agreed(&mut self, device: &'static str, seen: Fate, fresh: Fate) {
        let [reached, blocked] = self.by_device.entry(device).or_default();
        match seen {
            Fate::Reached(_) => *reached += 1,
            Fate::Recorded(_) | Fate::Silent => *blocked += 1,
        }
        match seen {
            Fate::Reached(_) if seen == fresh => self.reached += 1,
            Fate::Reached(_) => self.reached_stale += 1,
            Fate::Recorded(reason) => *self.blocked.entry(reason.0).or_default() += 1,
            Fate::Silent => {}
        }
    }

    /// Counts a difference.
    pub fn differed(&mut self, known: Known) {
        *self.differed.entry(known).or_default() += 1;
    }

    /// Adds what another program came to.
    pub fn add(&mut self, other: &Self) {
        self.reached += other.reached;
        self.reached_stale += other.reached_stale;
        for (reason, count) in &other.blocked {
            *self.blocked.entry(*reason).or_default() += count;
        }
        for (known, count) in &other.differed {
            *self.differed.entry(*known).or_default() += count;
        }
        for (device, counts) in &other.by_device {
            let sums = self.by_device.entry(device).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// Says what was counted, and demands that everything that can come of a request was among it,
    /// of every kind of device.
    pub fn settle(&self, devices: &[&str]) {
        println!("{self:?}");
        let told: Vec<_> = self.by_device.keys().copied().collect();
        assert_eq!(told, devices);
        assert!(self.by_device.values().flatten().all(|count| *count > 0), "{self:?}");
        assert!(self.reached > 0 && self.reached_stale > 0, "{self:?}");
        assert!(REASONS.iter().all(|reason| self.blocked.contains_key(reason)), "{self:?}");
        for known in Known::COMMON {
            assert!(self.differed.contains_key(&known), "not seen, so not shown: {known}");
        }
    }
}
