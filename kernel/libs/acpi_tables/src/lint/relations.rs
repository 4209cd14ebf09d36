//! Checks of DMAR structures against each other.

use core::ops::RangeInclusive;

use dma_types::{INTERRUPT_RANGE, Segment};

use super::{COMPARED, LintFinding, Problem, Sink};
use crate::dmar::{Andd, Dmar, Drhd, Rmrr, Satc, Scope, ScopeKind, Sidp, Structure};

/// Registers of the interrupt controllers, and addresses at which requests are interrupts (PC platforms; VT-d
/// "Interrupt Address Range").
const INTERRUPTS: RangeInclusive<u64> = 0xfec0_0000..=INTERRUPT_RANGE.end - 1;

/// The part of a table whose structures are compared with each other.
#[derive(Clone, Copy)]
struct Survey<'t, 'a>(&'t Dmar<'a>);

/// Checks structures against each other.
pub fn check(dmar: &Dmar<'_>, found: Sink<'_>) {
    let survey = Survey(dmar);
    if survey.drhds().next().is_none() {
        found(LintFinding { problem: Problem::NoUnit, offset: 48 });
    }
    for drhd in survey.drhds() {
        check_window(survey, &drhd, found);
        check_segment(survey, &drhd, found);
    }
    for rmrr in survey.rmrrs() {
        check_overlap(survey, &rmrr, found);
        check_registers(survey, &rmrr, found);
    }
    for structure in survey.structures() {
        check_unit_exists(survey, &structure, found);
    }
    for andd in survey.andds() {
        check_number(survey, &andd, found);
    }
    for (unit, scope) in survey.unit_scopes() {
        check_listed(survey, &unit, &scope, found);
    }
    if dmar.structures().nth(COMPARED).is_some() || survey.all_unit_scopes().nth(COMPARED).is_some() {
        found(LintFinding { problem: Problem::TooMany, offset: 48 });
    }
}

impl<'a> Survey<'_, 'a> {
    fn structures(self) -> impl Iterator<Item = Structure<'a>> + use<'a> {
        self.0.structures().take(COMPARED).filter_map(Result::ok)
    }

    fn drhds(self) -> impl Iterator<Item = Drhd<'a>> + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Structure::Drhd(drhd) => Some(drhd),
            _ => None,
        })
    }

    fn rmrrs(self) -> impl Iterator<Item = Rmrr<'a>> + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Structure::Rmrr(rmrr) => Some(rmrr),
            _ => None,
        })
    }

    fn andds(self) -> impl Iterator<Item = Andd<'a>> + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Structure::Andd(andd) => Some(andd),
            _ => None,
        })
    }

    fn all_unit_scopes(self) -> impl Iterator<Item = (Drhd<'a>, Scope<'a>)> + use<'a> {
        self.drhds().flat_map(|drhd| drhd.scopes().filter_map(Result::ok).map(move |scope| (drhd, scope)))
    }

    fn unit_scopes(self) -> impl Iterator<Item = (Drhd<'a>, Scope<'a>)> + use<'a> {
        self.all_unit_scopes().take(COMPARED)
    }

    fn serves(self, segment: Segment) -> bool {
        self.drhds().any(|drhd| drhd.segment == segment)
    }
}

fn check_window(survey: Survey<'_, '_>, drhd: &Drhd<'_>, found: Sink<'_>) {
    let mine = window(drhd);
    let mut earlier = survey.drhds().take_while(|earlier| earlier.offset < drhd.offset);
    let earlier = earlier.find(|earlier| meet(&mine, &window(earlier)));
    if let Some(earlier) = earlier {
        let problem = Problem::UnitBaseShared { base: drhd.register_base, earlier: earlier.offset };
        found(LintFinding { problem, offset: drhd.offset.saturating_add(8) });
    }
}

/// The addresses of a unit's registers.
fn window(drhd: &Drhd<'_>) -> RangeInclusive<u64> {
    let first = drhd.register_base.page().as_u64();
    first..=first.saturating_add(drhd.window_bytes().saturating_sub(1))
}

/// Tells whether two ranges have an address in common.
fn meet(one: &RangeInclusive<u64>, other: &RangeInclusive<u64>) -> bool {
    !one.is_empty() && !other.is_empty() && one.start() <= other.end() && other.start() <= one.end()
}

/// Each segment has one unit for all devices that no other lists, and it stands last (VT-d "DMA Remapping
/// Hardware Unit Definition Structure").
fn check_segment(survey: Survey<'_, '_>, drhd: &Drhd<'_>, found: Sink<'_>) {
    let Drhd { offset, segment, .. } = *drhd;
    let peers = || survey.drhds().filter(|peer| peer.segment == segment);
    let takers_of_rest = || peers().filter(Drhd::include_pci_all);
    let is_first = peers().next().is_some_and(|first| first.offset == offset);
    if is_first && takers_of_rest().next().is_none() {
        found(LintFinding { problem: Problem::IncludeAllMissing(segment), offset });
    }
    if takers_of_rest().nth(1).is_some_and(|second| second.offset == offset) {
        let earlier = takers_of_rest().next().map_or(offset, |first| first.offset);
        found(LintFinding { problem: Problem::IncludeAllTwice { segment, earlier }, offset });
    }
    let is_last_taker = takers_of_rest().last().is_some_and(|last| last.offset == offset);
    if is_last_taker && peers().any(|peer| peer.offset > offset) {
        found(LintFinding { problem: Problem::IncludeAllNotLast(segment), offset });
    }
}

fn check_overlap(survey: Survey<'_, '_>, rmrr: &Rmrr<'_>, found: Sink<'_>) {
    let earlier = survey
        .rmrrs()
        .take_while(|earlier| earlier.offset < rmrr.offset)
        .find(|earlier| rmrr.base <= earlier.limit && earlier.base <= rmrr.limit);
    if let Some(earlier) = earlier {
        found(LintFinding {
            problem: Problem::RegionOverlap { earlier: earlier.offset },
            offset: rmrr.offset,
        });
    }
}

/// Reports a region over registers that no device may reach: a unit's, where there is one, else the interrupt
/// controllers'.
fn check_registers(survey: Survey<'_, '_>, rmrr: &Rmrr<'_>, found: Sink<'_>) {
    let Rmrr { offset, base, limit, .. } = *rmrr;
    let region = base.as_u64()..=limit.as_u64();
    let unit = survey.drhds().find(|drhd| drhd.register_base.as_u64() != 0 && meet(&region, &window(drhd)));
    let problem = match unit {
        Some(drhd) => Problem::RegionOverUnit { unit: drhd.offset },
        None if meet(&region, &INTERRUPTS) => Problem::RegionOverInterrupts { base, limit },
        None => return,
    };
    found(LintFinding { problem, offset: offset.saturating_add(8) });
}

/// Reports a structure that speaks of a unit or of a segment's units where there are none.
fn check_unit_exists(survey: Survey<'_, '_>, structure: &Structure<'_>, found: Sink<'_>) {
    let offset = structure.offset();
    match structure {
        Structure::Drhd(_) | Structure::Andd(_) | Structure::Unknown(_) => {}
        Structure::Rhsa(rhsa) => {
            if !survey.drhds().any(|drhd| drhd.register_base == rhsa.register_base) {
                let problem = Problem::AffinityOrphan(rhsa.register_base);
                found(LintFinding { problem, offset: offset.saturating_add(8) });
            }
        }
        Structure::Atsr(atsr) => {
            if !survey.serves(atsr.segment) {
                found(LintFinding { problem: Problem::PortsOrphan(atsr.segment), offset });
            }
        }
        Structure::Rmrr(Rmrr { segment, .. })
        | Structure::Satc(Satc { segment, .. })
        | Structure::Sidp(Sidp { segment, .. }) => {
            if !survey.serves(*segment) {
                found(LintFinding { problem: Problem::SegmentWithoutUnit(*segment), offset });
            }
        }
    }
}

fn check_number(survey: Survey<'_, '_>, andd: &Andd<'_>, found: Sink<'_>) {
    let (number, offset) = (andd.device_number, andd.offset.saturating_add(7));
    let earlier = survey
        .andds()
        .take_while(|earlier| earlier.offset < andd.offset)
        .find(|earlier| earlier.device_number == number);
    if let Some(earlier) = earlier {
        found(LintFinding { problem: Problem::NumberTwice { number, earlier: earlier.offset }, offset });
    }
    let mut under_units = survey.unit_scopes().map(|(_, scope)| scope);
    if !under_units.any(|scope| scope.kind == ScopeKind::NAMESPACE && scope.enumeration_id == number) {
        found(LintFinding { problem: Problem::NumberUnused(number), offset });
    }
}

/// Reports a device that is listed by an earlier unit too, or is not declared.
fn check_listed(survey: Survey<'_, '_>, unit: &Drhd<'_>, scope: &Scope<'_>, found: Sink<'_>) {
    match scope.kind {
        ScopeKind::NAMESPACE => {
            let number = scope.enumeration_id;
            if !survey.andds().any(|andd| andd.device_number == number) {
                found(LintFinding { problem: Problem::NumberUndeclared(number), offset: scope.offset });
            }
        }
        ScopeKind::ENDPOINT | ScopeKind::SUB_HIERARCHY if scope.path().len() > 0 => {
            let earlier = survey.unit_scopes().take_while(|(earlier, _)| earlier.offset < unit.offset).find(
                |(earlier, other)| {
                    let pci = matches!(other.kind, ScopeKind::ENDPOINT | ScopeKind::SUB_HIERARCHY);
                    pci && earlier.segment == unit.segment && other.same_path(scope)
                },
            );
            if let Some((_, other)) = earlier {
                found(LintFinding {
                    problem: Problem::DeviceTwice { earlier: other.offset },
                    offset: scope.offset,
                });
            }
        }
        _ => {}
    }
}
