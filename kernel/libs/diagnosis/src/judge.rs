//! How one function is judged.
//!
//! Each step answers one question, in the order of [`Verdict`]; the first answer stands. The books are
//! asked last, and among them the page's own mapping before its neighbours, and those before other
//! domains, so that a chance match of numbers never hides a plain cause.

use core::ptr;

use dma_types::{FaultKind, Iova, PhysAddr};

use crate::evidence::{Foreign, ForeignKind, Nearest, Owner};
use crate::history::{Event, Trace};
use crate::world::{Function, Standing, WalkCheck, World};
use crate::{Book, Fault, Position, Unsearched, Verdict};

/// What was found about one function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judgement<'w> {
    /// The verdict on it.
    pub(crate) verdict: Verdict,
    /// The mapping that tells most.
    pub(crate) nearest: Option<Nearest>,
    /// The live owner of a page that was mapped again after the request.
    pub(crate) mapped_since: Option<Owner>,
    /// Whose memory the number stands for elsewhere.
    pub(crate) foreign: Option<Foreign<'w>>,
    /// Other domains whose memory could not be searched to the end for the number.
    pub(crate) unsearched: u32,
}

/// Judges one function that may have sent the request.
pub(crate) fn judge<'w>(
    fault: &Fault,
    function: &Function<'w>,
    walk: WalkCheck,
    trace: &Trace<'_>,
    world: &'w impl World,
) -> Judgement<'w> {
    let verdict = match fault.kind {
        kind if kind.is_interrupt() => Verdict::Interrupt,
        _ if function.standing == Standing::Quarantined => Verdict::Contained,
        kind if kind.blames_tables() || walk == WalkCheck::Differs => Verdict::TableCorruption,
        FaultKind::TranslatedRequest => Verdict::TranslatedRequest,
        FaultKind::BeyondWidth => Verdict::BeyondWidth,
        FaultKind::NoDeviceEntry => Verdict::Unclaimed,
        _ if function.device.driver.is_none() => Verdict::Unclaimed,
        // The address is one of a process, and the books hold none of those.
        FaultKind::ProcessRequest | FaultKind::NoProcessEntry => Verdict::NeverMapped,
        _ => return judge_by_books(fault, function, trace, world),
    };
    let nearest = function.book.zip(fault.address).and_then(|(book, page)| nearest_live(book, page));
    Judgement { verdict, nearest, mapped_since: None, foreign: None, unsearched: 0 }
}

/// Judges a request of a claimed function that found no permission.
fn judge_by_books<'w>(
    fault: &Fault,
    function: &Function<'w>,
    trace: &Trace<'_>,
    world: &'w impl World,
) -> Judgement<'w> {
    let found =
        |verdict, nearest| Judgement { verdict, nearest, mapped_since: None, foreign: None, unsearched: 0 };
    let Some(page) = fault.address else { return found(Verdict::NeverMapped, None) };
    let Some(book) = function.book else {
        return Elsewhere::of(page, None, world).judge(None);
    };

    if let Some(live) = book.live_at(page) {
        let inside = Some(Nearest::of(live, Position::Inside));
        if fault.kind == FaultKind::NoPrivilege || !live.mapping.direction.allows(fault.attempted()) {
            return found(Verdict::WrongDirection, inside);
        }
        // Mapped after the request came: what counts is who had the page before.
        let mapped_since = Some(Owner::from(live));
        let before = released_before(trace);
        let verdict = if before.is_some() { Verdict::Stale } else { Verdict::NeverMapped };
        return Judgement { mapped_since, ..found(verdict, before.or(inside)) };
    }
    if let Some(last) = book.last_owner(page) {
        return found(Verdict::Stale, Some(Nearest::of(last, Position::Inside)));
    }
    if let Some(released) = released_before(trace) {
        return found(Verdict::Stale, Some(released));
    }
    if let Some((beside, position)) = book.gap_owner(page) {
        return found(Verdict::Overrun, Some(Nearest::of(beside, position)));
    }
    Elsewhere::of(page, Some(book), world).judge(nearest_live(book, page))
}

/// The live mapping nearest to a page.
pub(crate) fn nearest_live(book: &Book, page: Iova) -> Option<Nearest> {
    book.nearest_live(page).map(|(record, position)| Nearest::of(record, position))
}

/// The last owner of a page whose record has made way for another range, as long as the ring holds its
/// release.
fn released_before(trace: &Trace<'_>) -> Option<Nearest> {
    let release = trace.release?;
    let span = release.span()?;
    let owner = Owner {
        start: span.start,
        length: span.length,
        direction: release.direction,
        label: release.label,
        mapped: trace.mapping.and_then(Event::step),
        released: release.step(),
    };
    Some(Nearest { owner, position: Position::Inside })
}

/// What the books of all domains but the function's own know of a number.
#[derive(Clone, Copy, Debug)]
struct Elsewhere<'w> {
    foreign: Option<Foreign<'w>>,
    /// Domains that could not be searched to the end.
    unsearched: u32,
}

impl<'w> Elsewhere<'w> {
    fn of(page: Iova, own: Option<&Book>, world: &'w impl World) -> Self {
        let in_own_window = own.is_some_and(|own| own.window().contains(&page));
        let mut unsearched = 0;
        let look = |other: &Book| {
            if own.is_some_and(|own| ptr::eq(own, other)) {
                return None;
            }
            match other.live_at_physical(PhysAddr::new(page.as_u64())) {
                Ok(Some(record)) => return Some((Owner::from(record), ForeignKind::PhysicalAddress)),
                Ok(None) => {}
                Err(Unsearched) => unsearched += 1,
            }
            let only_there = !in_own_window && other.window().contains(&page);
            let record = other.live_at(page).filter(|_| only_there)?;
            Some((Owner::from(record), ForeignKind::DeviceAddress))
        };
        let found = world.find_in_domains(look);
        let foreign = found.map(|(device, (owner, kind))| Foreign { device, owner, kind });
        Self { foreign, unsearched }
    }

    /// The verdict if nothing nearer explains the request.
    fn judge(self, nearest: Option<Nearest>) -> Judgement<'w> {
        let Self { foreign, unsearched } = self;
        let verdict = if foreign.is_some() { Verdict::Foreign } else { Verdict::NeverMapped };
        Judgement { verdict, nearest, mapped_since: None, foreign, unsearched }
    }
}
