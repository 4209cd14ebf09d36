//! What is known about a fault, as a line of the report and of the log.

use arrayvec::ArrayVec;
use diagnosis::{
    Diagnosis, Event as BookEvent, Fault, Holder, Line, Operation, Owner, RefusedInterrupt, Scope, Site,
    is_nobodys,
};
use dma_types::{Access, Bdf};
use fault_response::Answer;
use report::{
    Action, Candidate, Event, Function, Hex, HistoryEntry, Interrupt, List, Nearest, Op, Walk, WalkStep,
};
use vtd::spec::fault_reason::FaultReason;
use vtd::tables::{RequestWalk, Step};

use super::accounts;
use super::handle::meaning;
use crate::devices::DeviceRecord;
use crate::journal;
use crate::platform::clock;
use crate::text::Text;

/// Candidates and events that one line lists.
const LISTED: usize = 8;

/// A call as `file:line`.
fn site_text(site: &Site) -> Text<128> {
    Text::of(&format_args!("{}:{}", site.file(), site.line()))
}

/// What was found out about a fault, in words: a copy, so that the books need not be locked while it is written.
pub(super) struct Told {
    /// When: nanoseconds since kernel entry.
    at: u64,
    unit: usize,
    fault: Fault,
    suspect: Option<&'static DeviceRecord>,
    port: Option<Bdf>,
    verdict: Text<32>,
    explanation: Text<1024>,
    advice: Text<512>,
    interrupt: Option<(RefusedInterrupt, Text<16>)>,
    /// Where there is more than one.
    candidates: ArrayVec<(Bdf, Text<32>), LISTED>,
    history: ArrayVec<(BookEvent, Option<Text<128>>), LISTED>,
    nearest: Option<ToldOwner>,
    nearest_live: Option<ToldOwner>,
    walk: Option<RequestWalk>,
}

/// The lists of a line.
pub(super) struct Lists<'t> {
    candidates: ArrayVec<Candidate<'t>, LISTED>,
    history: ArrayVec<HistoryEntry<'t>, LISTED>,
    entries: ArrayVec<WalkStep, LISTED>,
    id: Option<Text<9>>,
}

impl Told {
    /// Takes it down.
    pub fn of(
        diagnosis: &Diagnosis<'_>,
        unit: usize,
        suspect: Option<&'static DeviceRecord>,
        walk: Option<RequestWalk>,
    ) -> Self {
        let listed = if diagnosis.candidates.total() > 1 { LISTED } else { 0 };
        let candidates = diagnosis.candidates.iter().take(listed);
        Self {
            at: clock::now_ns(),
            unit,
            fault: diagnosis.fault,
            suspect,
            port: diagnosis.port,
            verdict: Text::of(&diagnosis.verdict),
            explanation: Text::of(&diagnosis.explanation()),
            advice: Text::of(&diagnosis.advice()),
            interrupt: diagnosis.interrupt.map(|interrupt| with_word(interrupt.in_short())),
            candidates: candidates
                .map(|candidate| (candidate.function.device.bdf, Text::of(&candidate.verdict)))
                .collect(),
            history: diagnosis
                .history()
                .take(LISTED)
                .map(|event| (*event, event.site.as_ref().map(site_text)))
                .collect(),
            nearest: diagnosis.nearest.as_ref().map(ToldOwner::of),
            nearest_live: diagnosis.nearest_live.as_ref().map(ToldOwner::of),
            walk,
        }
    }

    /// The lists of its line.
    pub fn lists(&self) -> Lists<'_> {
        Lists {
            candidates: self
                .candidates
                .iter()
                .map(|(bdf, verdict)| Candidate { bdf: (*bdf).into(), verdict: verdict.as_str().into() })
                .collect(),
            history: self.history.iter().map(|(event, site)| history_entry(event, site)).collect(),
            entries: self.walk.iter().flat_map(RequestWalk::steps).map(walk_step).collect(),
            id: self.suspect.map(DeviceRecord::vendor_device),
        }
    }

    /// Its line. One that several kinds of fault share names no address, no verdict and no reason in words.
    pub fn event<'t>(
        &'t self,
        lists: &'t Lists<'t>,
        line: &Line<Answer>,
        action: Action,
    ) -> report::Fault<'t> {
        let Self { fault, suspect, .. } = self;
        let shared = !matches!(line.scope, Scope::Key(_));
        let text = |text: &'t str| (!shared).then(|| text.into());
        report::Fault {
            t: self.at,
            unit: self.unit as u32,
            bdf: suspect.map(|record| Function(record.bdf)),
            requester: Function(fault.requester),
            port: self.port.map(Function),
            name: suspect.map(|record| record.name.as_str().into()),
            id: lists.id.as_ref().map(|id| id.as_str().into()),
            driver: suspect.and_then(DeviceRecord::driver).map(Into::into),
            access: fault.access.into(),
            address: fault.address.filter(|_| !shared).map(|page| Hex(page.as_u64())),
            reason: Hex(u64::from(fault.reason.0)),
            reason_name: fault.meaning.into(),
            expected: action == Action::Expected,
            verdict: text(self.verdict.as_str()),
            candidates: List::Borrowed(&lists.candidates),
            explanation: text(self.explanation.as_str()),
            advice: text(self.advice.as_str()),
            nearest: self.nearest.as_ref().map(ToldOwner::line),
            nearest_live: self.nearest_live.as_ref().map(ToldOwner::line),
            interrupt: self.interrupt.as_ref().filter(|_| !shared).map(interrupt),
            history: List::Borrowed(&lists.history),
            walk: self.walk.as_ref().filter(|_| !shared).map(|walk| walk_entries(walk, &lists.entries)),
            count: line.count,
            at_least: line.at_least || shared,
            action,
        }
    }

    /// Logs it, for people.
    pub fn log(&self, action: Action) {
        let Self { explanation, advice, .. } = self;
        match action {
            Action::Expected => log::debug!("announced fault: {explanation}"),
            _ => log::warn!("{explanation} {advice}"),
        }
    }
}

/// Reports that a count has changed, where nothing new is known.
pub(super) fn count(requester: Bdf, line: &Line<Answer>) {
    let key = match &line.scope {
        Scope::Key(key) => Some(key),
        Scope::FurtherKeys => None,
    };
    let reason = key.map_or(0, |key| key.reason.0);
    let access = key.map_or(Access::Unknown, |key| key.access);
    let verdict = line.answer.map(|answer| Text::<32>::of(&answer.verdict));
    let refused = line.answer.and_then(|answer| answer.interrupt).map(with_word);
    let action = line.answer.map_or(Action::Logged, |answer| answer.action);
    let suspect = key.and_then(|key| key.bdf).and_then(crate::devices::find);
    let id = suspect.map(DeviceRecord::vendor_device);
    journal::emit(&Event::Fault(report::Fault {
        t: clock::now_ns(),
        unit: suspect.and_then(|record| record.unit).unwrap_or(0) as u32,
        bdf: suspect.map(|record| Function(record.bdf)),
        requester: Function(requester),
        port: match (suspect, access) {
            (Some(_), _) => None,
            (None, Access::Interrupt) if is_nobodys(requester.source) => None,
            (None, _) => accounts::port_above(requester).map(Function),
        },
        name: suspect.map(|record| record.name.as_str().into()),
        id: id.as_ref().map(|id| id.as_str().into()),
        driver: suspect.and_then(DeviceRecord::driver).map(Into::into),
        access: access.into(),
        address: key.and_then(|key| key.address).map(|page| Hex(page.as_u64())),
        reason: Hex(u64::from(reason)),
        reason_name: meaning(FaultReason(reason)).into(),
        expected: action == Action::Expected,
        verdict: verdict.as_ref().map(|verdict| verdict.as_str().into()),
        candidates: List::default(),
        explanation: None,
        advice: None,
        nearest: None,
        nearest_live: None,
        interrupt: refused.as_ref().map(interrupt),
        history: List::default(),
        walk: None,
        count: line.count,
        at_least: line.at_least,
        action,
    }));
}

/// Says how many faults came with ids that no function carries, beyond those that were told one by one. A line of the
/// report names its requester; these have none in common.
pub(super) fn others(holder: Holder, count: u64) {
    match holder {
        Holder::Port(bridge) => {
            log::warn!("at least {count} faults of other ids that no function carries, from behind {bridge}");
        }
        _ => log::warn!("at least {count} faults of other ids that no function carries"),
    }
}

/// A refused interrupt, and why it was refused in one word.
fn with_word(interrupt: RefusedInterrupt) -> (RefusedInterrupt, Text<16>) {
    (interrupt, Text::of(&interrupt.kind))
}

fn interrupt((interrupt, word): &(RefusedInterrupt, Text<16>)) -> Interrupt<'_> {
    let RefusedInterrupt { index, owner, .. } = interrupt;
    Interrupt { index: index.map(|index| index.0), kind: word.as_str().into(), owner: owner.map(Function) }
}

fn walk_step(step: Step) -> WalkStep {
    WalkStep { level: step.level, entry: Hex(step.entry.bits()) }
}

fn walk_entries<'a>(walk: &RequestWalk, entries: &'a [WalkStep]) -> Walk<'a> {
    let pair = |halves: Option<(u64, u64)>| halves.map_or([Hex(0); 2], |(low, high)| [Hex(low), Hex(high)]);
    Walk {
        root: pair(walk.root.map(|entry| (entry.low(), entry.high()))),
        context: pair(walk.context.map(|entry| (entry.low(), entry.high()))),
        entries: List::Borrowed(entries),
    }
}

/// A mapping and its calls in words.
struct ToldOwner {
    owner: Owner,
    site: Option<Text<128>>,
    unmap_site: Option<Text<128>>,
}

impl ToldOwner {
    fn of(found: &diagnosis::Nearest) -> Self {
        let [site, unmap_site] =
            [found.owner.mapped, found.owner.released].map(|step| step.map(|step| site_text(&step.site)));
        Self { owner: found.owner, site, unmap_site }
    }

    fn line(&self) -> Nearest<'_> {
        let Self { owner, site, unmap_site } = self;
        Nearest {
            start: Hex(owner.start.as_u64()),
            length: owner.length,
            label: owner.label.map(|label| label.0.into()),
            site: site.as_ref().map(|site| site.as_str().into()),
            unmap_site: unmap_site.as_ref().map(|site| site.as_str().into()),
            direction: owner.direction.map(Into::into),
            live: owner.released.is_none(),
        }
    }
}

fn history_entry<'a>(event: &BookEvent, site: &'a Option<Text<128>>) -> HistoryEntry<'a> {
    HistoryEntry {
        op: match event.operation {
            Operation::Attach => Op::Attach,
            Operation::Detach => Op::Detach,
            Operation::Map => Op::Map,
            Operation::Unmap => Op::Unmap,
            Operation::Flush => Op::Flush,
        },
        t: event.at.as_nanos(),
        start: event.span().map(|span| Hex(span.start.as_u64())),
        length: event.span().map(|span| span.length),
        label: event.label.map(|label| label.0.into()),
        site: site.as_ref().map(|site| site.as_str().into()),
        direction: event.direction.map(Into::into),
    }
}
