//! What is known about a fault, as a line of the report and of the log.

use arrayvec::ArrayVec;
use diagnosis::{
    Diagnosis, Event as BookEvent, FaultKey, Holder, Line, Operation, Owner, Scope, Sender, Site,
};
use dma_types::Bdf;
use report::{Action, Candidate, Event, Function, Hex, HistoryEntry, List, Nearest, Op, Walk, WalkStep};
use vtd::spec::fault_reason::FaultReason;
use vtd::tables::{RequestWalk, Step};

use super::accounts::{self, Answer};
use super::drain;
use crate::devices::DeviceRecord;
use crate::journal;
use crate::platform::clock;
use crate::text::Text;

/// Candidates and events that one line lists.
const LISTED: usize = 8;

/// The line of a fault that the ledger would not tell.
pub(super) fn once(sender: Sender, key: FaultKey) -> Line<Answer> {
    Line { sender, scope: Scope::Key(key), count: 1, at_least: false, answer: None }
}

/// A call as `file:line`.
fn site_text(site: &Site) -> Text<128> {
    Text::of(&format_args!("{}:{}", site.file(), site.line()))
}

/// What was found out about a fault.
pub(super) struct Found<'d> {
    /// The unit that blocked it.
    pub unit: usize,
    /// The judgement.
    pub diagnosis: &'d Diagnosis<'d>,
    /// The function held responsible.
    pub suspect: Option<&'static DeviceRecord>,
    /// The entries that the walk for it met.
    pub walk: Option<&'d RequestWalk>,
}

/// Reports a fault, logs it, and hands the line on.
pub(super) fn fault(
    found: &Found<'_>,
    line: &Line<Answer>,
    action: Action,
    then: impl FnOnce(report::Fault<'_>),
) {
    let Found { unit, diagnosis, suspect, walk } = *found;
    let fault = &diagnosis.fault;
    let shared = !matches!(line.scope, Scope::Key(_));
    let explanation = Text::<1024>::of(&diagnosis.explanation());
    let advice = Text::<512>::of(&diagnosis.advice());
    let verdict = Text::<32>::of(&diagnosis.verdict);
    let reason = reason_text(fault.reason.0);
    let listed =
        || diagnosis.candidates.iter().take(if diagnosis.candidates.total() > 1 { LISTED } else { 0 });
    let verdicts: ArrayVec<Text<32>, LISTED> =
        listed().map(|candidate| Text::of(&candidate.verdict)).collect();
    let candidates: ArrayVec<_, LISTED> = listed()
        .zip(&verdicts)
        .map(|(candidate, verdict)| Candidate {
            bdf: candidate.function.device.bdf.into(),
            verdict: verdict.as_str().into(),
        })
        .collect();
    let events = || diagnosis.history().take(LISTED);
    let sites: ArrayVec<_, LISTED> = events().map(|event| event.site.as_ref().map(site_text)).collect();
    let history: ArrayVec<_, LISTED> =
        events().zip(&sites).map(|(event, site)| history_entry(event, site)).collect();
    let owners = [&diagnosis.nearest, &diagnosis.nearest_live].map(|found| found.as_ref().map(Told::of));
    let [nearest, nearest_live] = owners.each_ref().map(|told| told.as_ref().map(Told::line));
    let id = suspect.map(id_text);
    let entries: ArrayVec<_, LISTED> = walk.iter().flat_map(|walk| walk.steps()).map(walk_step).collect();
    let event = report::Fault {
        t: clock::now_ns(),
        unit: unit as u32,
        bdf: suspect.map(|record| Function(record.bdf)),
        requester: Function(fault.requester),
        port: diagnosis.port.map(Function),
        name: suspect.map(|record| record.name.as_str().into()),
        id: id.as_ref().map(|id| id.as_str().into()),
        driver: suspect.and_then(DeviceRecord::driver).map(Into::into),
        access: fault.access.into(),
        address: fault.address.filter(|_| !shared).map(|page| Hex(page.as_u64())),
        reason: Hex(u64::from(fault.reason.0)),
        reason_name: reason.into(),
        expected: action == Action::Expected,
        verdict: (!shared).then(|| verdict.as_str().into()),
        candidates: List::Borrowed(&candidates),
        explanation: (!shared).then(|| explanation.as_str().into()),
        advice: (!shared).then(|| advice.as_str().into()),
        nearest,
        nearest_live,
        history: List::Borrowed(&history),
        walk: walk.filter(|_| !shared).map(|walk| walk_entries(walk, &entries)),
        count: line.count,
        at_least: line.at_least || shared,
        action,
    };
    journal::emit(&Event::Fault(event.clone()));
    drain::keep_up();
    match action {
        Action::Expected => log::info!("announced fault: {explanation}"),
        _ => log::warn!("{explanation} {advice}"),
    }
    then(event);
}

/// Reports that a count has changed, where nothing new is known.
pub(super) fn count(requester: Bdf, key: Option<&FaultKey>, line: &Line<Answer>) {
    let reason = key.map_or(0, |key| key.reason.0);
    let verdict = line.answer.map(|answer| Text::<32>::of(&answer.verdict));
    let action = line.answer.map_or(Action::Logged, |answer| answer.action);
    let suspect = key.and_then(|key| key.bdf).and_then(crate::devices::find);
    let id = suspect.map(id_text);
    journal::emit(&Event::Fault(report::Fault {
        t: clock::now_ns(),
        unit: suspect.and_then(|record| record.unit).unwrap_or(0) as u32,
        bdf: suspect.map(|record| Function(record.bdf)),
        requester: Function(requester),
        port: match suspect {
            Some(_) => None,
            None => accounts::port_above(requester).map(Function),
        },
        name: suspect.map(|record| record.name.as_str().into()),
        id: id.as_ref().map(|id| id.as_str().into()),
        driver: suspect.and_then(DeviceRecord::driver).map(Into::into),
        access: key.map_or(dma_types::Access::Unknown, |key| key.access).into(),
        address: key.and_then(|key| key.address).map(|page| Hex(page.as_u64())),
        reason: Hex(u64::from(reason)),
        reason_name: reason_text(reason).into(),
        expected: action == Action::Expected,
        verdict: verdict.as_ref().map(|verdict| verdict.as_str().into()),
        candidates: List::default(),
        explanation: None,
        advice: None,
        nearest: None,
        nearest_live: None,
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

/// Vendor and device id.
fn id_text(record: &'static DeviceRecord) -> Text<16> {
    let (vendor, device) = record.id;
    Text::of(&format_args!("{vendor:04x}:{device:04x}"))
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

fn reason_text(reason: u8) -> &'static str {
    FaultReason(reason).meaning().unwrap_or("unknown reason")
}

/// A mapping and its calls in words.
struct Told<'d> {
    owner: &'d Owner,
    site: Option<Text<128>>,
    unmap_site: Option<Text<128>>,
}

impl<'d> Told<'d> {
    fn of(found: &'d diagnosis::Nearest) -> Self {
        let [site, unmap_site] =
            [found.owner.mapped, found.owner.released].map(|step| step.map(|step| site_text(&step.site)));
        Self { owner: &found.owner, site, unmap_site }
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
