//! From a fault to its diagnosis.

use dma_types::DomainId;

use crate::evidence::{Foreign, Nearest, Owner};
use crate::fault::Cause;
use crate::history::{Event, Trace};
use crate::judge::{Judgement, judge};
use crate::words::{Advice, Explanation};
use crate::world::{Function, WalkCheck, World};
use crate::{Fault, Verdict};

/// Functions that a diagnosis lists; more are judged and counted.
pub const MAX_CANDIDATES: usize = 8;

/// Explains a fault.
///
/// Allocates nothing and takes no lock, so that it can run in the stop path. Its cost is bounded by the
/// number of candidates and domains, not of mappings: one pass over the event ring for each domain that
/// the candidates have (some 4,000 instructions), a few look-ups for each candidate, and one physical
/// look-up for each other domain. With one candidate and 100,000 live mappings 5,000 to 8,000 instructions
/// were counted on the host, the walk of the tables left out.
pub fn diagnose<'w>(fault: &Fault, world: &'w impl World) -> Diagnosis<'w> {
    let walk = world.walk(fault);
    let mut candidates = Candidates::default();
    let mut verdict = None;
    let mut best: Option<(Function<'w>, Judgement<'w>)> = None;
    let mut traced: Option<(DomainId, Trace<'w>)> = None;
    for function in world.candidates(fault.requester) {
        let trace = trace_of(fault, &function, &mut traced);
        let judgement = judge(fault, &function, walk, &trace, world);
        candidates.add(Candidate { function, verdict: judgement.verdict });
        verdict = match verdict {
            None => Some(judgement.verdict),
            Some(same) if same == judgement.verdict => Some(same),
            Some(_) => Some(Verdict::Alias),
        };
        if best.is_none_or(|(_, known)| weight(judgement.verdict) > weight(known.verdict)) {
            best = Some((function, judgement));
        }
    }

    let without_function = match fault.reason.cause() {
        Cause::Interrupt => Verdict::Interrupt,
        _ => Verdict::UnknownRequester,
    };
    let domain = best.and_then(|(function, _)| function.domain);
    let judgement = best.map(|(_, judgement)| judgement);
    Diagnosis {
        fault: *fault,
        verdict: verdict.unwrap_or(without_function),
        candidates,
        suspect: best.map(|(function, judgement)| Candidate { function, verdict: judgement.verdict }),
        nearest: judgement.and_then(|found| found.nearest),
        mapped_since: judgement.and_then(|found| found.mapped_since),
        foreign: judgement.and_then(|found| found.foreign),
        trace: traced
            .filter(|(id, _)| domain.is_some_and(|domain| domain.id == *id))
            .map_or(Trace::NOTHING, |(_, trace)| trace),
        forgotten: domain.map_or(0, |domain| domain.book.forgotten()),
        live: domain.map_or(0, |domain| domain.book.live_mappings()),
        walk,
        address_width: world.address_width(fault.requester),
    }
}

/// What the event ring of a function's domain knows; domains that candidates share are asked once.
fn trace_of<'w>(
    fault: &Fault,
    function: &Function<'w>,
    traced: &mut Option<(DomainId, Trace<'w>)>,
) -> Trace<'w> {
    let Some((domain, page)) = function.domain.zip(fault.address) else { return Trace::NOTHING };
    match traced {
        Some((id, trace)) if *id == domain.id => *trace,
        _ => traced.insert((domain.id, domain.book.history().trace(page))).1,
    }
}

/// What is known about a fault.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis<'w> {
    /// The fault itself.
    pub fault: Fault,
    /// The verdict.
    pub verdict: Verdict,
    /// Every function that may have sent the request.
    pub candidates: Candidates<'w>,
    /// The candidate whose books tell most; the only one, as a rule.
    pub suspect: Option<Candidate<'w>>,
    /// The mapping that tells most.
    pub nearest: Option<Nearest>,
    /// Who has the page now, if it was mapped after the request came.
    pub mapped_since: Option<Owner>,
    /// Whose memory the number stands for elsewhere.
    pub foreign: Option<Foreign<'w>>,
    /// Whether the tables in memory agree with the books.
    pub walk: WalkCheck,
    trace: Trace<'w>,
    /// Released ranges that the suspect's books know no longer.
    pub(crate) forgotten: u64,
    /// Live mappings on them.
    pub(crate) live: u64,
    pub(crate) address_width: u8,
}

impl Diagnosis<'_> {
    /// At most 8 events of the suspect's domain, newest first: those that touched the page or the one on
    /// either side, or the latest of all if none did.
    pub fn history(&self) -> impl Iterator<Item = &Event> {
        self.trace.events.iter().flatten().copied()
    }

    /// Who, where, which way, why and when, in a few sentences.
    pub const fn explanation(&self) -> Explanation<'_> {
        Explanation(self)
    }

    /// What to do next, in a sentence or two.
    pub const fn advice(&self) -> Advice<'_> {
        Advice(self)
    }
}

/// A function that may have sent the request, and what would hold if it did.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'w> {
    /// The function.
    pub function: Function<'w>,
    /// Its own verdict.
    pub verdict: Verdict,
}

/// The candidates of a fault, at most [`MAX_CANDIDATES`] of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'w> {
    listed: [Option<Candidate<'w>>; MAX_CANDIDATES],
    total: usize,
}

impl<'w> Candidates<'w> {
    /// Those that are listed.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<'w>> {
        self.listed.iter().flatten()
    }

    /// All that were judged, also those that are not listed.
    pub const fn total(&self) -> usize {
        self.total
    }

    fn add(&mut self, candidate: Candidate<'w>) {
        if let Some(place) = self.listed.get_mut(self.total) {
            *place = Some(candidate);
        }
        self.total += 1;
    }
}

/// How much a verdict tells about what happened.
const fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::WrongDirection | Verdict::Stale | Verdict::Overrun | Verdict::Foreign => 2,
        Verdict::NeverMapped => 1,
        _ => 0,
    }
}
