//! The counts of all faults, and what each new one changes.

use diagnosis::{
    Cadence, Completeness, Fault, FaultKey, FaultLedger, Holder, Line, Pace, RefusedInterrupt, Scope, Sender,
    Senders, StormDetector, Threshold, Urgency, Verdict, Window,
};
use dma_types::Bdf;
use iova::OutOfMemory;
use options::{Policy, Storm};
use report::Action;

use crate::{Case, Measure, Notice, Rate, decide};

/// What was found out about a fault, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why it was blocked.
    pub verdict: Verdict,
    /// Which interrupt it was about.
    pub interrupt: Option<RefusedInterrupt>,
    /// What was done.
    pub action: Action,
}

/// Whether a record was drained as soon as it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Its interrupt, or a look soon after, found it.
    Announced,
    /// It may have waited while interrupts were masked, and others may have been merged with it.
    Masked,
}

/// How many requests a sender has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// It is the only one with its id, and known to make one request at a time.
    OneAtATime,
    /// Nothing is known of that.
    Any,
}

/// A fault that has got its verdict. `D` stands for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged<D> {
    /// The fault.
    pub fault: Fault,
    /// Why it was blocked.
    pub verdict: Verdict,
    /// Which interrupt it was about.
    pub interrupt: Option<RefusedInterrupt>,
    /// The function held responsible, and where it stands.
    pub suspect: Option<(D, Bdf)>,
    /// The policy that applies to it, or to requesters that nobody knows.
    pub policy: Policy,
    /// Whether somebody caused it on purpose.
    pub notice: Option<Notice>,
    /// What came before its record was drained.
    pub arrival: Arrival,
    /// How its sender makes requests.
    pub pacing: Pacing,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<D> {
    /// The answer, as the report names it.
    pub action: Action,
    /// Who is stopped.
    pub measure: Measure<D>,
    /// Whether it may stand for more than one.
    pub completeness: Completeness,
    /// What is told of it now.
    pub tell: Tell,
}

/// What is told of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Nothing: it goes with a later line.
    Nothing,
    /// A line of the report.
    Line {
        /// The id that it names.
        requester: Bdf,
        /// The count.
        line: Line<Answer>,
    },
    /// How many faults came with ids that no function carries, beyond those that were told one by one. A line of the
    /// report names its requester; these have none in common.
    Others {
        /// Where they came from.
        holder: Holder,
        /// How many, at least.
        count: u64,
    },
}

/// Everything that is counted of faults.
#[derive(Debug)]
pub struct Accounts {
    senders: Senders,
    ledger: FaultLedger<Answer>,
    storms: StormDetector,
}

impl Accounts {
    /// Counts nobody's: every fault is answered by its policy alone, and only a stop is told.
    pub const NONE: Self =
        Self { senders: Senders::NONE, ledger: FaultLedger::NONE, storms: StormDetector::NONE };

    /// Accounts for all senders, with all their memory.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(senders: Senders, storm: Storm) -> Result<Self, OutOfMemory> {
        let threshold = match storm {
            Storm::Off => Threshold::Off,
            Storm::After(faults) => Threshold::PerSecond(faults),
        };
        let count = senders.count();
        Ok(Self { senders, ledger: FaultLedger::new(count)?, storms: StormDetector::new(threshold, count)? })
    }

    /// Counts a fault, and says what follows from it. A stop shows its fault even if it is one of many.
    pub fn respond<D: Copy>(&mut self, judged: &Judged<D>) -> Response<D> {
        let Judged { fault, verdict, interrupt, suspect, policy, notice, .. } = *judged;
        let rate = match notice {
            Some(Notice::Announced) => Rate::Bearable,
            _ => self.rate(&fault),
        };
        let case = Case { suspect: suspect.map(|(device, _)| device), policy, notice, rate };
        let decision = decide(case);
        let completeness = self.completeness(judged);
        let key = FaultKey {
            requester: fault.requester,
            bdf: suspect.map(|(_, bdf)| bdf),
            address: fault.address,
            access: fault.access,
            reason: fault.reason,
        };
        let answer = Answer { verdict, interrupt, action: decision.action };
        let tell = self.count(self.sender_of(&fault), key, answer, completeness);
        Response { action: decision.action, measure: decision.measure, completeness, tell }
    }

    /// Takes note that a unit, or the ring behind it, dropped records: every count is a lower bound from here on.
    pub fn note_dropped(&mut self) {
        self.ledger.note_dropped();
    }

    /// Ends a window of fault handling. Who kept the fault interrupt masked for too many in a row,
    /// [`next_stormy`](Self::next_stormy) tells.
    pub fn end_window(&mut self, window: Window) {
        self.storms.end_window(window);
    }

    /// Somebody who kept the fault interrupt masked for too many windows in a row; each is told once.
    pub fn next_stormy(&mut self) -> Option<Holder> {
        let sender = self.storms.next_stormy()?;
        Some(self.senders.holder(sender))
    }

    /// The port that a request counts for whose id no enumerated function carries.
    pub fn port_above(&self, requester: Bdf) -> Option<Bdf> {
        match self.senders.holder(self.senders.of(requester)) {
            Holder::Port(bridge) => Some(bridge),
            Holder::Id(_) | Holder::Elsewhere => None,
        }
    }

    /// Forgets how often a requester has faulted of late: it starts anew.
    pub fn forget(&mut self, requester: Bdf) {
        self.storms.forget(self.senders.of(requester));
    }

    /// A count that has changed since it was last told; it then counts as told.
    pub fn next_change(&mut self) -> Option<Tell> {
        let line = self.ledger.final_reports().next()?;
        Some(match (line.scope, self.senders.holder(line.sender)) {
            (Scope::Key(key), _) => Tell::Line { requester: key.requester, line },
            (Scope::FurtherKeys, Holder::Id(requester)) => Tell::Line { requester, line },
            (Scope::FurtherKeys, holder) => Tell::Others { holder, count: line.count },
        })
    }

    /// Counts towards a storm.
    fn rate(&mut self, fault: &Fault) -> Rate {
        let sender = self.sender_of(fault);
        match (self.storms.note(sender, fault.at), self.senders.holder(sender)) {
            (Urgency::Calm, _) => Rate::Bearable,
            (Urgency::Contain, Holder::Port(bridge)) => Rate::Storm { through: Some(bridge) },
            (Urgency::Contain, Holder::Id(_) | Holder::Elsewhere) => Rate::Storm { through: None },
        }
    }

    /// Whose account a fault counts for: that of its id, unless that stands for nobody.
    fn sender_of(&self, fault: &Fault) -> Sender {
        if fault.is_anonymous() { self.senders.elsewhere() } else { self.senders.of(fault.requester) }
    }

    /// Whether the record stands for one fault alone: a unit merges what the device requests while a record waits.
    fn completeness<D>(&mut self, judged: &Judged<D>) -> Completeness {
        let Judged { fault, arrival, pacing, .. } = judged;
        let pace = self.storms.pace(self.sender_of(fault), fault.at);
        match (arrival, pacing, pace) {
            (Arrival::Announced, Pacing::OneAtATime, Pace::Spaced) => Completeness::Exact,
            _ => Completeness::AtLeast,
        }
    }

    fn count(&mut self, sender: Sender, key: FaultKey, answer: Answer, completeness: Completeness) -> Tell {
        let requester = key.requester;
        let cadence = self.ledger.note(sender, key, completeness);
        self.ledger.set_answer(sender, &key, answer);
        match (cadence, self.senders.holder(sender)) {
            (Cadence::Report(line @ Line { scope: Scope::Key(_), .. }), _) => Tell::Line { requester, line },
            _ if answer.action == Action::Bugcheck => {
                let scope = Scope::Key(key);
                let at_least = completeness == Completeness::AtLeast;
                Tell::Line { requester, line: Line { sender, scope, count: 1, at_least, answer: None } }
            }
            (Cadence::Report(Line { count, .. }), holder @ (Holder::Port(_) | Holder::Elsewhere)) => {
                Tell::Others { holder, count }
            }
            (Cadence::Report(line), Holder::Id(_)) => Tell::Line { requester, line },
            (Cadence::Silent, _) => Tell::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
