//! Counts faults, in bounded memory.

use std::collections::HashMap;

use super::fault::{Fault, Reading};

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
    exact: HashMap<Fault, usize>,
    shared: HashMap<Key, usize>,
    blocked: u64,
    notices: u64,
    left_out: u64,
    /// Units said that they dropped faults.
    dropped: bool,
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
    /// Counts a fault that came so often.
    pub(super) fn add(&mut self, fault: Fault, count: u64) {
        let number = if fault.is_blocked_request() { &mut self.blocked } else { &mut self.notices };
        *number = number.saturating_add(count);
        self.dropped |= matches!(fault, Fault::Status(Reading::Value(status)) if status.dropped());
        let place = self.place(fault);
        self.entries[place].count = self.entries[place].count.saturating_add(count);
    }

    /// Counts a fault of which it is told how often it came all in all.
    pub(super) fn add_total(&mut self, fault: Fault, total: u64) {
        let known = self.exact.get(&fault).map_or(0, |place| self.entries[*place].count);
        self.add(fault, total.saturating_sub(known));
    }

    /// Puts more that is known of a fault in its place.
    pub(super) fn complete(&mut self, before: &Fault, now: Fault) {
        let Some(place) = self.exact.remove(before) else { return self.add(now, 1) };
        match self.exact.get(&now) {
            Some(known) => {
                let count = std::mem::take(&mut self.entries[place].count);
                self.entries[*known].count += count;
            }
            None => {
                self.entries[place].fault = now.clone();
                self.exact.insert(now, place);
            }
        }
    }

    /// The entry that a fault belongs to.
    fn place(&mut self, fault: Fault) -> usize {
        if let Some(place) = self.exact.get(&fault) {
            return *place;
        }
        if self.entries.len() < EXACT {
            self.exact.insert(fault.clone(), self.entries.len());
            self.entries.push(Entry { fault, count: 0, sharing: Sharing::Exact });
            return self.entries.len() - 1;
        }
        let anywhere = (Sharing::Anywhere, fault.anywhere());
        if let Some(place) = self.shared.get(&anywhere) {
            return *place;
        }
        let key = if self.entries.len() < EXACT + ANYWHERE {
            anywhere
        } else {
            (Sharing::Kind, fault.of_its_kind())
        };
        *self.shared.entry(key).or_insert_with_key(|(sharing, fault)| {
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
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        // What became part of another entry has nothing left.
        self.entries.iter().filter(|entry| entry.count > 0)
    }

    /// How many blocked requests and crashes were counted.
    pub(super) const fn blocked(&self) -> u64 {
        self.blocked
    }

    /// How many messages were counted that are about something else.
    pub(super) const fn notices(&self) -> u64 {
        self.notices
    }

    /// Tells whether there were more than the text has, so that numbers are at least so many.
    pub(super) const fn is_at_least(&self) -> bool {
        self.dropped || self.left_out > 0
    }

    /// Tells whether nothing was counted.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::bugcheck::{Bugcheck, StopCode};
    use super::super::event::{Event, EventKind};
    use super::*;

    fn at(address: u64) -> Fault {
        Fault::Event(Event { address: Reading::Value(address), ..Event::blank(EventKind::IoPageFault) })
    }

    #[test]
    fn equal_faults_share_an_entry() {
        let mut ledger = Ledger::default();
        [1, 2, 1, 1].into_iter().for_each(|address| ledger.add(at(address), 1));
        let counts: Vec<_> = ledger.entries().map(|entry| (entry.fault.clone(), entry.count)).collect();
        assert_eq!(counts, [(at(1), 3), (at(2), 1)]);
    }

    #[test]
    fn what_is_known_later_takes_its_place() {
        let mut ledger = Ledger::default();
        ledger.add(at(1), 1);
        ledger.add(at(2), 3);
        ledger.complete(&at(1), at(5));
        ledger.complete(&at(5), at(2));
        assert_eq!(ledger.entries().map(|entry| entry.count).collect::<Vec<_>>(), [4]);
        ledger.add_total(at(2), 6);
        assert_eq!((ledger.entries[1].count, ledger.blocked()), (6, 6));
    }

    #[test]
    fn memory_is_bounded_and_nothing_goes_uncounted() {
        let mut ledger = Ledger::default();
        let addresses = 3 * EXACT as u64;
        (0..addresses).for_each(|address| ledger.add(at(address), 1));
        let code = StopCode::DmaViolation;
        let crash = |number| Bugcheck { parameters: [Some(number), None, None, None], ..Bugcheck::of(code) };
        (0..addresses).for_each(|number| ledger.add(Fault::BugCheck(crash(number)), 1));
        assert!(ledger.entries.len() <= EXACT + ANYWHERE + 32);
        assert_eq!(ledger.entries().map(|entry| entry.count).sum::<u64>(), 2 * addresses);
        assert_eq!(ledger.blocked(), 2 * addresses);
        assert_eq!(ledger.entries[EXACT].fault, at(0).anywhere());
        assert_eq!(ledger.entries.last().unwrap().fault, Fault::BugCheck(Bugcheck::of(code)));
    }
}
