//! Counts faults, in bounded memory.

use std::collections::HashMap;

use super::fault::Fault;

/// How many different faults are kept apart.
const EXACT: usize = 1 << 16;
/// How many more are kept apart by all but their addresses.
const ANYWHERE: usize = 1 << 13;

/// The faults of a text in order of appearance, equal ones counted.
///
/// Beyond [`EXACT`] different ones, those that differ only in the address share an entry without one; beyond
/// [`ANYWHERE`] more, those of a kind share one. Nothing goes uncounted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    places: HashMap<Key, usize>,
    total: u64,
    left_out: u64,
}

/// A fault and how often it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The fault.
    pub(super) fault: Fault,
    /// How often.
    pub(super) count: u64,
    /// Whether others share the entry.
    pub(super) sharing: Sharing,
}

/// Which faults an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sharing {
    /// Equal ones.
    Exact,
    /// Those that differ in the address alone, after there were too many.
    Anywhere,
    /// Those of a kind, after there were far too many.
    Kind,
}

type Key = (Sharing, Fault);

impl Ledger {
    /// Counts a fault.
    pub(super) fn add(&mut self, fault: Fault) {
        self.total += 1;
        let known = [(Sharing::Exact, fault.clone()), (Sharing::Anywhere, fault.anywhere())]
            .iter()
            .find_map(|key| self.places.get(key).copied());
        let place = known.unwrap_or_else(|| self.place(fault));
        self.entries[place].count += 1;
    }

    /// The entry that a fault without one of its own belongs to.
    fn place(&mut self, fault: Fault) -> usize {
        let key = match self.entries.len() {
            ..EXACT => (Sharing::Exact, fault),
            entries if entries < EXACT + ANYWHERE => (Sharing::Anywhere, fault.anywhere()),
            _ => (Sharing::Kind, fault.of_its_kind()),
        };
        *self.places.entry(key).or_insert_with_key(|(sharing, fault)| {
            let (sharing, fault) = (*sharing, fault.clone());
            self.entries.push(Entry { fault, count: 0, sharing });
            self.entries.len() - 1
        })
    }

    /// Notes how many more messages the log left out.
    pub(super) const fn leave_out(&mut self, messages: u64) {
        self.left_out = messages;
    }

    /// How many messages the log left out.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The entries in order of appearance.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many faults were counted.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Tells whether none was.
    pub(super) const fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, EventKind};
    use super::super::fault::Reading;
    use super::*;

    fn at(address: u64) -> Fault {
        Fault::Event(Event {
            kind: EventKind::IoPageFault,
            device: None,
            address: Reading::Value(address),
            flags: Reading::Absent,
        })
    }

    #[test]
    fn equal_faults_share_an_entry() {
        let mut ledger = Ledger::default();
        [1, 2, 1, 1].into_iter().for_each(|address| ledger.add(at(address)));
        let counts: Vec<_> =
            ledger.entries().iter().map(|entry| (entry.fault.clone(), entry.count)).collect();
        assert_eq!(counts, [(at(1), 3), (at(2), 1)]);
    }

    #[test]
    fn memory_is_bounded_and_nothing_goes_uncounted() {
        let mut ledger = Ledger::default();
        let addresses = 3 * EXACT as u64;
        (0..addresses).for_each(|address| ledger.add(at(address)));
        (0..addresses).for_each(|parameter| ledger.add(Fault::BugCheck([Some(parameter), None, None, None])));
        assert!(ledger.entries().len() <= EXACT + ANYWHERE + 32);
        assert_eq!(ledger.entries().iter().map(|entry| entry.count).sum::<u64>(), 2 * addresses);
        assert_eq!(ledger.total(), 2 * addresses);
        assert_eq!(ledger.entries()[EXACT].fault, at(0).anywhere());
        assert_eq!(ledger.entries().last().unwrap().fault, Fault::BugCheck([None; 4]));
    }
}
