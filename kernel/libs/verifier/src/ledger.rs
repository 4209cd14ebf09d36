//! What one device's driver has lent by bare address.

use alloc::vec::Vec;
use core::fmt;

use diagnosis::Site;
use dma_types::{Direction, Iova};

use crate::past::{Past, Returned};
use crate::{Claim, Kind, Loan, Memory, Misuse, Part, Place, Rule};

/// The loans of one device, each with what the kernel keeps for it.
///
/// The `check_…` functions change nothing and say whether a call breaks a rule; the others do what the call asks
/// for as far as that can be done, so that a kernel that does not verify goes on.
#[derive(Debug)]
pub struct Ledger<T> {
    object: u64,
    loans: Vec<(Loan, T)>,
    past: Past,
    closed: Option<Site>,
}

/// There is no memory for one more loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory to keep account of a loan")
    }
}

impl core::error::Error for NoRoom {}

impl<T> Ledger<T> {
    /// The empty ledger of a device; `object` stands for the device in a stop's parameters.
    pub const fn new(object: u64) -> Self {
        Self { object, loans: Vec::new(), past: Past::new(), closed: None }
    }

    /// Judges the wish to lend memory.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check_lend(&self, memory: Memory, place: Place) -> Result<(), Misuse> {
        self.check_open()?;
        let range = [memory.start(), memory.end(), 0];
        if memory.length() == 0 {
            return Err(Misuse::new(Rule::ZeroLength, [memory.start(), 0, 0]));
        }
        match place {
            Place::Allocated => {}
            Place::Image => return Err(Misuse::new(Rule::ImageLent, range)),
            Place::Stack => return Err(Misuse::new(Rule::StackLent, range)),
        }
        match self.lent_within(&memory).next() {
            Some(loan) => {
                let parameters = [memory.start(), memory.end(), loan.iova.as_u64()];
                Err(Misuse::new(Rule::LentTwice, parameters).against(loan.site))
            }
            None => Ok(()),
        }
    }

    /// Judges the wish to give memory back.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check_return(&self, claim: &Claim) -> Result<(), Misuse> {
        self.check_open()?;
        let iova = claim.iova.as_u64();
        let Some((loan, _)) = self.position(claim).and_then(|at| self.loans.get(at)) else {
            return Err(self.judge_absent(claim));
        };
        if let Some(memory) = claim.memory.filter(|memory| *memory != loan.memory) {
            // What differs is shown: the place, or the length of the same place.
            let [lent, returned] = if memory.start() == loan.memory.start() {
                [loan.memory.length(), memory.length()]
            } else {
                [loan.memory.start(), memory.start()]
            };
            return Err(Misuse::new(Rule::WrongMemory, [iova, lent, returned]).against(loan.site));
        }
        if let Some(direction) = claim.direction.filter(|direction| *direction != loan.direction) {
            let parameters = [iova, number(loan.direction), number(direction)];
            return Err(Misuse::new(Rule::WrongDirection, parameters).against(loan.site));
        }
        if loan.kind == Kind::Common {
            let mut mapped = self.lent_within(&loan.memory);
            if let Some(first) = mapped.next() {
                let count = 1 + mapped.count() as u64;
                let parameters = [count, iova, first.iova.as_u64()];
                return Err(Misuse::new(Rule::FreedWhileMapped, parameters).against(first.site));
            }
        }
        Ok(())
    }

    /// Judges the wish to bring a part of a loan up to date, for either side.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check_sync(&self, iova: Iova, part: Part) -> Result<(), Misuse> {
        self.check_open()?;
        let Some(loan) = self.loan(iova, Kind::Streaming) else {
            return Err(match self.past.find(iova).filter(|returned| returned.kind == Kind::Streaming) {
                Some(returned) => {
                    Misuse::new(Rule::SyncAfterReturn, [iova.as_u64(), 0, 0]).against(returned.site)
                }
                None => Misuse::new(Rule::NeverLent, [iova.as_u64(), 0, 0]),
            });
        };
        let end = (part.offset as u64).saturating_add(part.length as u64);
        if end > loan.memory.length() {
            let parameters = [iova.as_u64(), loan.memory.length(), end];
            return Err(Misuse::new(Rule::SyncOutside, parameters).against(loan.site));
        }
        Ok(())
    }

    /// Judges the wish to release the device.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check_close(&self) -> Result<(), Misuse> {
        self.check_open()?;
        for (kind, rule) in [(Kind::Common, Rule::CommonLeft), (Kind::Streaming, Rule::MappingsLeft)] {
            let mut left = self.loans().filter(|loan| loan.kind == kind);
            if let Some(first) = left.next() {
                let parameters = [self.object, 1 + left.count() as u64, first.iova.as_u64()];
                return Err(Misuse::new(rule, parameters).against(first.site));
            }
        }
        Ok(())
    }

    /// Makes room for more loans.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn reserve(&mut self, more: usize) -> Result<(), NoRoom> {
        self.loans.try_reserve(more).map_err(|_| NoRoom)
    }

    /// Enters a loan.
    ///
    /// # Errors
    /// If there is no memory; never right after [`reserve`](Self::reserve).
    pub fn enter(&mut self, loan: Loan, kept: T) -> Result<(), NoRoom> {
        self.reserve(1)?;
        self.loans.push((loan, kept));
        Ok(())
    }

    /// Takes a loan out, whatever else the claim says.
    pub fn take(&mut self, claim: &Claim, site: Site) -> Option<(Loan, T)> {
        let at = self.position(claim)?;
        let taken = self.loans.swap_remove(at);
        self.past.note(Returned { kind: claim.kind, iova: claim.iova, site });
        Some(taken)
    }

    /// What is kept for a streaming loan.
    pub fn kept(&self, iova: Iova) -> Option<&T> {
        let (_, kept) =
            self.loans.iter().find(|(loan, _)| loan.iova == iova && loan.kind == Kind::Streaming)?;
        Some(kept)
    }

    /// Ends the ledger and hands out what is left in it.
    pub fn close(&mut self, site: Site) -> Vec<(Loan, T)> {
        self.closed.get_or_insert(site);
        core::mem::take(&mut self.loans)
    }

    /// Forgets what was given back.
    pub fn forget_past(&mut self) {
        self.past = Past::new();
    }

    /// The loans.
    pub fn loans(&self) -> impl Iterator<Item = &Loan> {
        self.loans.iter().map(|(loan, _)| loan)
    }

    /// Where the loan is that a claim means: the one with its memory where several have the address, as may be if that
    /// is none of the layer's, but one that a probe aims at.
    fn position(&self, claim: &Claim) -> Option<usize> {
        let there = |loan: &Loan| loan.iova == claim.iova && loan.kind == claim.kind;
        let exact = |loan: &Loan| there(loan) && claim.memory.is_none_or(|memory| memory == loan.memory);
        self.loans().position(exact).or_else(|| self.loans().position(there))
    }

    fn loan(&self, iova: Iova, kind: Kind) -> Option<&Loan> {
        self.loans().find(|loan| loan.iova == iova && loan.kind == kind)
    }

    /// The streaming loans that share bytes with a range.
    fn lent_within(&self, memory: &Memory) -> impl Iterator<Item = &Loan> {
        self.loans().filter(move |loan| loan.kind == Kind::Streaming && loan.memory.overlaps(memory))
    }

    fn check_open(&self) -> Result<(), Misuse> {
        match self.closed {
            Some(site) => Err(Misuse::new(Rule::UsedAfterRelease, [self.object, 0, 0]).against(site)),
            None => Ok(()),
        }
    }

    /// What it means that there is no such loan.
    fn judge_absent(&self, claim: &Claim) -> Misuse {
        let iova = claim.iova.as_u64();
        match self.past.find(claim.iova).filter(|returned| returned.kind == claim.kind) {
            Some(returned) => {
                let rule = match claim.kind {
                    Kind::Streaming => Rule::FreedTwice,
                    Kind::Common => Rule::CommonFreedTwice,
                };
                Misuse::new(rule, [1, iova, 0]).against(returned.site)
            }
            None => {
                let memory = claim.memory.map_or(0, |memory| memory.start());
                Misuse::new(Rule::NeverLent, [iova, memory, 0])
            }
        }
    }
}

/// A direction as a parameter shows it.
const fn number(direction: Direction) -> u64 {
    match direction {
        Direction::ToDevice => 1,
        Direction::FromDevice => 2,
        Direction::Bidirectional => 3,
    }
}
