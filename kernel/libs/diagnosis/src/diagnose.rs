//! From a fault to its diagnosis.

use core::ops::Range;
use core::ptr;

use dma_types::{Bdf, Iova};

use crate::evidence::{Foreign, Nearest, Owner};
use crate::history::{Event, Trace};
use crate::interrupt::Interrupt;
use crate::judge::{Judgement, judge, nearest_live};
use crate::words::{Advice, Explanation};
use crate::world::{Device, Function, WalkCheck, World};
use crate::{Book, Fault, Verdict};

/// Functions that a diagnosis lists; more are judged and counted.
pub const MAX_CANDIDATES: usize = 8;

/// Explains a fault.
///
/// Allocates nothing and takes no lock, so that it can run in the stop path. Its cost is bounded by the
/// number of candidates and domains, not of mappings: one pass over the event ring for each domain that
/// the candidates have (some 1,700 instructions), a few look-ups for each candidate, and one physical
/// look-up for each other domain. In the kernel, with one candidate, 100,000 live mappings in its domain and
/// few in others, 4,900 were counted, 550 of them for the walk of the tables.
pub fn diagnose<'w>(fault: &Fault, world: &'w impl World) -> Diagnosis<'w> {
    let mut found = Diagnosis::of(fault, world);
    let mut traced = None;
    if !fault.is_anonymous() {
        for function in world.candidates(fault.requester) {
            let trace = trace_of(fault, &function, &mut traced);
            let judgement = judge(fault, &function, found.walk, trace, world);
            found.add(Candidate { function, verdict: judgement.verdict }, &judgement, trace);
        }
    }
    found.look_around(world);
    found
}

/// What the event ring of a function's domain knows; domains that candidates share are asked once.
fn trace_of<'t, 'w>(
    fault: &Fault,
    function: &Function<'w>,
    traced: &'t mut Option<(&'w Book, Trace<'w>)>,
) -> &'t Trace<'w> {
    let Some((book, page)) = function.book.zip(fault.address) else { return &Trace::NOTHING };
    if !traced.as_ref().is_some_and(|(known, _)| ptr::eq(*known, book)) {
        *traced = Some((book, book.history().trace(page)));
    }
    traced.as_ref().map_or(&Trace::NOTHING, |(_, trace)| trace)
}

/// What is known about a fault.
#[derive(Clone, Debug)]
pub struct Diagnosis<'w> {
    /// The fault that was judged, as the unit recorded it.
    pub fault: Fault,
    /// Why it was blocked: the candidates' common verdict, or that they differ.
    pub verdict: Verdict,
    /// Every function that may have sent the request.
    pub candidates: Candidates<'w>,
    /// The candidate whose books tell most; the only one, as a rule.
    pub suspect: Option<Candidate<'w>>,
    /// The mapping that tells most.
    pub nearest: Option<Nearest>,
    /// The live mapping nearest to the page, where the one that tells most is live no longer.
    pub nearest_live: Option<Nearest>,
    /// Who has the page now, if it was mapped after the request came.
    pub mapped_since: Option<Owner>,
    /// Whose memory the number stands for elsewhere.
    pub foreign: Option<Foreign<'w>>,
    /// Whether the tables in memory agree with the books.
    pub walk: WalkCheck,
    /// Which interrupt it was about, and whose that is.
    pub interrupt: Option<Interrupt<'w>>,
    /// The bridge that the requester's bus lies behind, where no function is known that may have sent the request.
    pub port: Option<Bdf>,
    trace: Trace<'w>,
    /// Other domains whose memory could not be searched to the end for the number.
    pub(crate) unsearched: u32,
    /// Released ranges that the suspect's books know no longer.
    pub(crate) forgotten: u64,
    /// Addresses that the suspect may have had in domains of which the books know nothing.
    pub(crate) had_before: Range<Iova>,
    /// Live mappings on them.
    pub(crate) live: u64,
    pub(crate) address_width: u8,
}

impl<'w> Diagnosis<'w> {
    /// What is known before any function is looked at.
    fn of(fault: &Fault, world: &'w impl World) -> Self {
        Self {
            fault: *fault,
            verdict: if fault.kind.is_interrupt() { Verdict::Interrupt } else { Verdict::UnknownRequester },
            candidates: Candidates::NONE,
            suspect: None,
            nearest: None,
            nearest_live: None,
            mapped_since: None,
            foreign: None,
            walk: if fault.kind.is_interrupt() { WalkCheck::Agrees } else { world.walk(fault) },
            interrupt: Interrupt::of(fault, world),
            port: None,
            trace: Trace::NOTHING,
            unsearched: 0,
            forgotten: 0,
            had_before: Iova::default()..Iova::default(),
            live: 0,
            address_width: world.address_width(fault.requester),
        }
    }

    /// Adds a function that may have sent the request: the suspect, if its books tell more than those before.
    fn add(&mut self, candidate: Candidate<'w>, judgement: &Judgement<'w>, trace: &Trace<'w>) {
        self.verdict = match self.suspect {
            Some(_) if self.verdict != candidate.verdict => Verdict::Alias,
            _ => candidate.verdict,
        };
        self.candidates.add(candidate);
        if self.suspect.is_some_and(|known| weight(candidate.verdict) <= weight(known.verdict)) {
            return;
        }
        self.suspect = Some(candidate);
        self.nearest = judgement.nearest;
        self.mapped_since = judgement.mapped_since;
        self.foreign = judgement.foreign;
        self.unsearched = judgement.unsearched;
        self.trace = *trace;
    }

    /// Looks up what else the suspect's books tell, or, without a suspect, where the request came in.
    fn look_around(&mut self, world: &impl World) {
        // Of several behind one id, the one whose interrupt it is sent it most likely.
        if let Some(owner) = self.interrupt.as_ref().and_then(Interrupt::owner)
            && let Some(own) = self.candidates.iter().find(|own| own.function.device.bdf == owner.bdf)
        {
            self.suspect = Some(*own);
        }
        if self.suspect.is_none() && !self.fault.is_anonymous() {
            self.port = world.port_above(self.fault.requester);
        }
        let Some(book) = self.suspect.and_then(|suspect| suspect.function.book) else { return };
        self.forgotten = book.forgotten();
        self.live = book.live_mappings();
        self.had_before = world.had_before(self.fault.requester);
        if let Some((nearest, page)) = self.nearest.zip(self.fault.address)
            && nearest.owner.released.is_some()
        {
            self.nearest_live = nearest_live(book, page);
        }
    }

    /// Tells whether a device is the suspect.
    pub(crate) fn is_suspect(&self, device: &Device<'_>) -> bool {
        self.suspect.is_some_and(|suspect| suspect.function.device.bdf == device.bdf)
    }

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

impl Diagnosis<'_> {
    /// What holds if this function sent the request, which those that share its id do not change; the verdict
    /// itself, if the function is none of those listed.
    pub fn verdict_on(&self, function: Bdf) -> Verdict {
        let own = self.candidates.iter().find(|candidate| candidate.function.device.bdf == function);
        own.map_or(self.verdict, |candidate| candidate.verdict)
    }
}

/// A function that may have sent the request, and what would hold if it did.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'w> {
    /// The function whose requests may carry the recorded id.
    pub function: Function<'w>,
    /// The verdict that holds if it was this function.
    pub verdict: Verdict,
}

/// The candidates of a fault, at most [`MAX_CANDIDATES`] of them.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'w> {
    listed: [Option<Candidate<'w>>; MAX_CANDIDATES],
    total: usize,
}

impl<'w> Candidates<'w> {
    const NONE: Self = Self { listed: [None; MAX_CANDIDATES], total: 0 };

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
