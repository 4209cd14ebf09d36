//! Counts faults and decides which of them are told.
//!
//! A device can repeat a fault a million times a second. The first of each kind is told, then each time
//! its count has doubled, and once more at the end; memory is fixed.
//!
//! Memory: 64 keys of 64 bytes, 4 KiB, for each [`Sender`]. Nothing is allocated after construction. Cost: one
//! pass over the sender's keys.

use alloc::vec::Vec;

use dma_types::{Access, Bdf, Iova};
use iova::OutOfMemory;

use crate::fault::Reason;
use crate::senders::Sender;

/// Keys of a sender that are counted one by one; the rest share one line.
pub const KEYS: usize = 64;

/// What makes two faults the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultKey {
    /// The id that the requests carried.
    pub requester: Bdf,
    /// The function that is held responsible; `None` if unknown.
    pub bdf: Option<Bdf>,
    /// The page that the request was for, where the record tells it.
    pub address: Option<Iova>,
    /// What the request was.
    pub access: Access,
    /// Why it was blocked.
    pub reason: Reason,
}

/// Whether the hardware recorded every single fault that one note stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// One record, one fault.
    Exact,
    /// The hardware merged faults into it or dropped others.
    AtLeast,
}

/// Which faults a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those with this key.
    Key(FaultKey),
    /// All faults of the sender beyond its first [`KEYS`] keys: no address, no verdict.
    FurtherKeys,
}

/// One line to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<A> {
    /// Whose account it is from.
    pub sender: Sender,
    /// Which faults the count is of.
    pub scope: Scope,
    /// How many, at most the true number.
    pub count: u64,
    /// Whether there may have been more.
    pub at_least: bool,
    /// The answer given last with [`FaultLedger::set_answer`].
    pub answer: Option<A>,
}

/// What to do about a fault that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence<A> {
    /// Tell this line now.
    Report(Line<A>),
    /// Nothing: its count goes with a later line.
    Silent,
}

/// The counts of all faults since boot. `A` is what the kernel remembers of its answer to each key.
#[derive(Debug)]
pub struct FaultLedger<A> {
    /// One for each sender.
    accounts: Vec<Account<A>>,
    dropped: bool,
}

impl<A: Copy> FaultLedger<A> {
    /// A ledger without accounts, which counts nothing.
    pub const NONE: Self = Self { accounts: Vec::new(), dropped: false };

    /// An empty ledger with an account for each of so many senders, with all its memory.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(senders: usize) -> Result<Self, OutOfMemory> {
        let mut accounts = Vec::new();
        accounts.try_reserve_exact(senders).map_err(|_| OutOfMemory)?;
        for _ in 0..senders {
            accounts.push(Account::new()?);
        }
        Ok(Self { accounts, dropped: false })
    }

    /// Counts one fault record. Nothing, if this is not a sender that the ledger has an account for.
    pub fn note(&mut self, sender: Sender, key: FaultKey, completeness: Completeness) -> Cadence<A> {
        let at_least = self.dropped || completeness == Completeness::AtLeast;
        let Some(account) = self.accounts.get_mut(sender.place()) else { return Cadence::Silent };
        let Some(counted) = account.key(key) else {
            let due = account.further.add(true);
            return cadence(due, || account.further.line(sender, Scope::FurtherKeys));
        };
        let due = counted.tally.add(at_least);
        cadence(due, || counted.tally.line(sender, Scope::Key(key)))
    }

    /// Remembers the latest answer to a key, so that later lines about it say the same.
    pub fn set_answer(&mut self, sender: Sender, key: &FaultKey, answer: A) {
        let account = self.accounts.get_mut(sender.place());
        if let Some(counted) = account.and_then(|account| account.keys.iter_mut().find(|k| k.key == *key)) {
            counted.tally.answer = Some(answer);
        }
    }

    /// Takes note that the hardware dropped records whose requester nobody knows: from here on every count
    /// is a lower bound, those known so far too.
    pub fn note_dropped(&mut self) {
        self.dropped = true;
        for counted in self.accounts.iter_mut().flat_map(|account| &mut account.keys) {
            counted.tally.at_least = true;
        }
    }

    /// The lines that have changed since they were last told; each is then counted as told.
    ///
    /// A bound that was lost since counts as a change.
    pub fn final_reports(&mut self) -> impl Iterator<Item = Line<A>> {
        self.accounts.iter_mut().enumerate().flat_map(|(place, Account { keys, further })| {
            let sender = Sender::at(place);
            let keys = keys.iter_mut().filter_map(move |counted| {
                let tally = counted.tally.take_change()?;
                Some(tally.line(sender, Scope::Key(counted.key)))
            });
            keys.chain(further.take_change().map(|tally| tally.line(sender, Scope::FurtherKeys)))
        })
    }
}

fn cadence<A>(due: Due, line: impl FnOnce() -> Line<A>) -> Cadence<A> {
    match due {
        Due::Now => Cadence::Report(line()),
        Due::Later => Cadence::Silent,
    }
}

/// The counts of one sender.
#[derive(Debug)]
struct Account<A> {
    /// At most [`KEYS`].
    keys: Vec<Counted<A>>,
    further: Tally<A>,
}

impl<A: Copy> Account<A> {
    fn new() -> Result<Self, OutOfMemory> {
        let mut keys = Vec::new();
        keys.try_reserve_exact(KEYS).map_err(|_| OutOfMemory)?;
        Ok(Self { keys, further: Tally::SHARED })
    }

    /// The count of a key, opened if there is room.
    fn key(&mut self, key: FaultKey) -> Option<&mut Counted<A>> {
        let known = self.keys.iter().position(|counted| counted.key == key);
        let place = known.unwrap_or(self.keys.len());
        if known.is_none() && place < KEYS {
            // The memory was reserved at construction: this push does not allocate.
            self.keys.push(Counted { key, tally: Tally::EMPTY });
        }
        self.keys.get_mut(place)
    }
}

#[derive(Clone, Copy, Debug)]
struct Counted<A> {
    key: FaultKey,
    tally: Tally<A>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    Later,
}

/// A count and what of it was told.
#[derive(Clone, Copy, Debug)]
struct Tally<A> {
    count: u64,
    told: u64,
    at_least: bool,
    told_at_least: bool,
    answer: Option<A>,
}

impl<A: Copy> Tally<A> {
    const EMPTY: Self = Self { count: 0, told: 0, at_least: false, told_at_least: false, answer: None };
    /// For lines that several keys share: never exact.
    const SHARED: Self = Self { at_least: true, told_at_least: true, ..Self::EMPTY };

    /// Counts one; due at the first and whenever the count has doubled.
    fn add(&mut self, at_least: bool) -> Due {
        self.count = self.count.saturating_add(1);
        self.at_least |= at_least;
        if self.told > 0 && self.count < self.told.saturating_mul(2) {
            return Due::Later;
        }
        self.told = self.count;
        self.told_at_least = self.at_least;
        Due::Now
    }

    /// The tally, if it has changed since it was told; then it counts as told.
    fn take_change(&mut self) -> Option<Self> {
        if self.told == self.count && self.told_at_least == self.at_least {
            return None;
        }
        self.told = self.count;
        self.told_at_least = self.at_least;
        Some(*self)
    }

    const fn line(&self, sender: Sender, scope: Scope) -> Line<A> {
        let Self { count, at_least, answer, .. } = *self;
        Line { sender, scope, count, at_least, answer }
    }
}

#[cfg(test)]
mod tests;
