//! Which bus stands below which bridge, as far as the bridges above prove it.
//!
//! Bus numbers are written by firmware into registers of the bridges, and a device can answer as if it had such
//! registers. Requests of what stands below a bridge may carry the bridge's id, and functions that a bridge does not
//! keep apart share a domain; so whoever is believed to be a bridge takes part in what others may reach. Therefore
//! the walk goes from the root buses down, bus by bus, and a bridge leads somewhere only if
//!
//! - the bridge above lets one of its kind stand there ([`allowed`]),
//! - its buses lie within those of the bridge above, after the bus that it stands on,
//! - and none of them is claimed by another function of the same bus.
//!
//! A root bus has the numbers up to the next root bus. What breaks a rule leads nowhere: it and whatever answers on
//! the buses that it claims is refused; where two claim the same bus, both are, since nothing tells who lies. A bus
//! within a bridge's numbers to which no bridge below leads is refused as well. Of functions on root buses the hardware
//! can be asked ([`proof`]).

use crate::enumerate::{BusFinding, BusRange};
use crate::function::{BridgeKind, Function};
use crate::refusal::Refusal;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};
use dma_types::Bdf;

mod claim;
pub(crate) mod proof;

use claim::{Claim, Doubt};
use proof::Answer;

/// What the fabric says of one function.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// The innermost bridge that is known to stand above it.
    pub(crate) parent: Option<Bdf>,
    /// The buses that it leads to as a bridge.
    pub(crate) leads_to: Option<BusRange>,
    /// Why it is not believed.
    pub(crate) refused: Option<Refusal>,
}

/// Judges the functions of one segment, sorted by their place. `reached` tells which buses configuration space
/// reaches, and `answers` what came of asking functions. Gives a place for each function, in the same
/// order.
pub(crate) fn judge(
    functions: &[Function],
    reached: &[bool; 256],
    answers: &[(Bdf, Answer)],
    findings: &mut Vec<BusFinding>,
) -> Vec<Place> {
    let mut walk = Walk {
        functions,
        reached,
        answers,
        places: vec![Place::default(); functions.len()],
        buses: [Bus::default(); 256],
        pending: VecDeque::new(),
        findings,
    };
    walk.find_roots();
    while let Some(stop) = walk.pending.pop_front() {
        walk.settle(&stop);
    }
    walk.refuse_what_none_leads_to();
    walk.places
}

/// A bus whose functions come next.
struct Stop {
    bus: u8,
    /// The last bus that can stand below.
    last: u8,
    /// The bridge that leads to it.
    above: Option<usize>,
}

/// What is known of a bus number.
#[derive(Clone, Copy, Default)]
struct Bus {
    /// Its functions have their places.
    settled: bool,
    /// The innermost believed bridge whose numbers hold it.
    holder: Option<Bdf>,
    /// A bridge that claims it and is not believed.
    doubted: Option<Bdf>,
}

/// The walk through one segment.
struct Walk<'a> {
    functions: &'a [Function],
    reached: &'a [bool; 256],
    answers: &'a [(Bdf, Answer)],
    places: Vec<Place>,
    buses: [Bus; 256],
    pending: VecDeque<Stop>,
    findings: &'a mut Vec<BusFinding>,
}

impl Walk<'_> {
    /// The functions of a bus.
    fn on(&self, bus: u8) -> Range<usize> {
        let first = self.functions.partition_point(|function| function.bdf.source.bus() < bus);
        let end = self.functions.partition_point(|function| function.bdf.source.bus() <= bus);
        first..end
    }

    /// What functions of a bus claim as bridges, none beyond `last`.
    fn claims(&self, on: Range<usize>, last: u8) -> Vec<Claim> {
        let functions = self.functions.iter().enumerate().skip(on.start).take(on.len());
        let claim = |(index, function): (usize, &Function)| {
            let claim = Claim::of(index, function, last)?;
            let asked = self.answers.iter().find(|(asked, _)| *asked == function.bdf);
            Some(asked.map_or(claim.clone(), |(_, answer)| claim.answered(*answer)))
        };
        functions.filter_map(claim).collect()
    }

    /// Finds the root buses: those that answer and that nothing on the root bus before claims, be it believed or not.
    fn find_roots(&mut self) {
        let mut claimed = [false; 256];
        for bus in 0..=u8::MAX {
            let here = self.on(bus);
            if here.is_empty() || claimed.get(usize::from(bus)).is_some_and(|claimed| *claimed) {
                continue;
            }
            if let Some(before) = self.pending.back_mut() {
                before.last = bus.saturating_sub(1);
            }
            claimed.fill(false);
            for claim in self.claims(here, u8::MAX) {
                claim.of_each(&mut claimed).for_each(|bus| *bus = true);
            }
            self.pending.push_back(Stop { bus, last: u8::MAX, above: None });
        }
    }

    /// Gives the functions of a bus their places, and follows the bridges among them.
    fn settle(&mut self, stop: &Stop) {
        let above = stop.above.and_then(|index| self.functions.get(index));
        let here = self.on(stop.bus);
        for place in self.places.iter_mut().skip(here.start).take(here.len()) {
            place.parent = above.map(|bridge| bridge.bdf);
        }
        if let Some(bus) = self.buses.get_mut(usize::from(stop.bus)) {
            bus.settled = true;
        }
        let mut claims = self.claims(here, stop.last);
        claim::find_overlaps(&mut claims, self.functions);
        for claim in &claims {
            let Some(function) = self.functions.get(claim.index) else { continue };
            let misplaced = !allowed(above.and_then(Function::bridge_kind), function);
            match claim.doubt {
                Some(Doubt::Impostor) => self.refuse(claim, function, Doubt::Impostor),
                _ if misplaced => self.refuse(claim, function, Doubt::Misplaced),
                Some(doubt) => self.refuse(claim, function, doubt),
                None => self.follow(claim, function),
            }
        }
    }

    fn follow(&mut self, claim: &Claim, bridge: &Function) {
        let Some((first, last)) = claim.range.clone().map(RangeInclusive::into_inner) else {
            self.findings.push(BusFinding::UnconfiguredBridge { bridge: bridge.bdf });
            return;
        };
        if let Some(place) = self.places.get_mut(claim.index) {
            place.leads_to = Some(BusRange { segment: bridge.bdf.segment, first, last });
        }
        claim.of_each(&mut self.buses).for_each(|bus| bus.holder = Some(bridge.bdf));
        if self.reached.get(usize::from(first)).is_some_and(|reached| *reached) {
            self.pending.push_back(Stop { bus: first, last, above: Some(claim.index) });
        } else {
            self.findings.push(BusFinding::BusUnavailable { bridge: bridge.bdf, secondary: first });
        }
    }

    fn refuse(&mut self, claim: &Claim, function: &Function, doubt: Doubt) {
        let bridge = function.bdf;
        let (refusal, finding) = match doubt {
            Doubt::Unclear => (Refusal::Bridge { bridge }, BusFinding::UnclearBridge { bridge }),
            Doubt::Impostor => (Refusal::Impostor, BusFinding::Impostor { bridge }),
            Doubt::Misplaced => (Refusal::NoBridgeHere, BusFinding::MisplacedBridge { bridge }),
            Doubt::Loop { secondary } => {
                (Refusal::Bridge { bridge }, BusFinding::BusLoop { bridge, secondary })
            }
            Doubt::Range { secondary, subordinate } => {
                (Refusal::Bridge { bridge }, BusFinding::RangeConflict { bridge, secondary, subordinate })
            }
        };
        self.findings.push(finding);
        if let Some(place) = self.places.get_mut(claim.index) {
            place.refused = Some(refusal);
        }
        claim.of_each(&mut self.buses).for_each(|bus| bus.doubted = Some(bridge));
    }

    /// Refuses what answers on buses that the walk did not come to.
    fn refuse_what_none_leads_to(&mut self) {
        for bus in 0..=u8::MAX {
            let here = self.on(bus);
            let state = self.buses.get(usize::from(bus)).copied().unwrap_or_default();
            if here.is_empty() || state.settled {
                continue;
            }
            let refused = match (state.doubted, state.holder) {
                (Some(bridge), _) => Some(Refusal::Bridge { bridge }),
                (None, Some(bridge)) => {
                    self.findings.push(BusFinding::HiddenBus { bridge, bus });
                    Some(Refusal::HiddenBus { bridge })
                }
                // A bus that nobody claims is a root bus, and settled.
                (None, None) => None,
            };
            for place in self.places.iter_mut().skip(here.start).take(here.len()) {
                *place = Place { parent: state.holder, leads_to: None, refused };
            }
        }
    }
}

/// Bridges from PCIe to PCI that hide their PCIe capability, by maker's ids: ASMedia 1083, Tundra 8113, ITE 8892 and
/// 8893.
const WITHOUT_CAPABILITY: [(u16, u16); 4] =
    [(0x1b21, 0x1080), (0x10e3, 0x8113), (0x1283, 0x8892), (0x1283, 0x8893)];

/// Tells whether a function that calls itself a bridge can stand right below `above`, or on a root bus (PCIe
/// "PCI Express Fabric Topology").
fn allowed(above: Option<BridgeKind>, function: &Function) -> bool {
    let Some(kind) = function.bridge_kind() else { return false };
    let conventional = matches!(kind, BridgeKind::Conventional | BridgeKind::CardBus);
    if conventional && function.express.is_some() {
        // Its PCIe capability says that it is something else than a bridge.
        return false;
    }
    match above {
        None => {
            conventional
                || matches!(kind, BridgeKind::RootPort | BridgeKind::ExpressToPci | BridgeKind::PciToExpress)
        }
        Some(BridgeKind::RootPort | BridgeKind::DownstreamPort | BridgeKind::PciToExpress) => {
            let known = WITHOUT_CAPABILITY.contains(&(function.vendor, function.device));
            matches!(kind, BridgeKind::UpstreamPort | BridgeKind::ExpressToPci) || conventional && known
        }
        Some(BridgeKind::UpstreamPort) => kind == BridgeKind::DownstreamPort,
        Some(BridgeKind::ExpressToPci | BridgeKind::Conventional | BridgeKind::CardBus) => {
            conventional || kind == BridgeKind::PciToExpress
        }
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
