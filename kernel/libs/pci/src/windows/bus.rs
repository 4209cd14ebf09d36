//! What stands on one bus: whose windows are believed there.
//!
//! Who is wrong is found out in the order of certainty: addresses that are the platform's or that the bridge above does
//! not pass down, then bridges that pass down the same, then functions in what a bridge beside them passes down, and
//! last functions that meet one another. Who is found wrong takes no further part, so that nobody is refused because of
//! him; only where it cannot be told are both.

use alloc::vec::Vec;

use dma_types::Bdf;

use super::Window;
use super::claims::Owner;
use super::contest::Contest;
use super::gate::Gate;
use super::range::AddressRange;
use crate::bar::Bar;
use crate::control::MemoryDecode;
use crate::refusal::{Conflict, Refusal};

/// A range that a function says is its own or below it.
struct Item {
    /// The function's index.
    function: usize,
    what: What,
    range: AddressRange,
    conflict: Option<Conflict>,
}

#[derive(Clone, Copy)]
enum What {
    /// The window of a base address register.
    Register(u8, Window),
    /// What a bridge passes down, the first or the second window of it.
    Forwarded(usize),
}

impl What {
    const fn is_register(self) -> bool {
        matches!(self, Self::Register(..))
    }

    const fn is_forwarded(self) -> bool {
        matches!(self, Self::Forwarded(_))
    }
}

impl Gate<'_> {
    /// Judges the functions of one bus.
    pub(super) fn check_bus(&mut self, parent: Option<Bdf>, members: &[usize]) {
        let mut items: Vec<_> = members.iter().flat_map(|index| self.items_of(*index)).collect();
        let room = parent.map(|bridge| (bridge, self.passed_down_by(bridge)));
        for item in &mut items {
            item.conflict = self.misplaced(item, room.as_ref());
        }
        self.refuse(&items);
        let bridges = self.contest(&items, What::is_forwarded);
        self.settle(&mut items, bridges.clashes());
        let bridges = self.contest(&items, What::is_forwarded);
        let registers = self.live(&items).filter(|(_, item)| item.what.is_register());
        let beside = registers.filter_map(|(number, item)| Some((number, bridges.met_by(item.range)?)));
        let beside: Vec<_> = beside.collect();
        self.settle(&mut items, beside.into_iter());
        let registers = self.contest(&items, What::is_register);
        self.settle(&mut items, registers.clashes());
        self.believe_the_rest(&items);
    }

    /// What a function says that is not refused.
    fn items_of(&self, index: usize) -> Vec<Item> {
        let asked = self.asked.get(index).and_then(Option::as_ref).filter(|_| !self.is_refused(index));
        let Some(asked) = asked else { return Vec::new() };
        let item = |what, range| Item { function: index, what, range, conflict: None };
        let registers = (0..).zip(&asked.bars.bars).filter_map(|(register, bar)| {
            let Bar::Memory { address, size, .. } = *bar else { return None };
            let window = Window::of_shape(address, size).filter(|window| window.start().as_u64() != 0)?;
            Some(item(What::Register(register, window), window.range()))
        });
        let forwarded = asked.forwarded.iter().enumerate();
        let forwarded = forwarded.filter_map(|(place, range)| Some(item(What::Forwarded(place), (*range)?)));
        registers.chain(forwarded).collect()
    }

    fn is_refused(&self, index: usize) -> bool {
        self.functions.get(index).is_none_or(|function| function.refused.is_some())
    }

    fn passed_down_by(&self, bridge: Bdf) -> Vec<AddressRange> {
        let place = self.functions.binary_search_by_key(&bridge, |function| function.bdf).ok();
        let bridge =
            place.filter(|place| !self.is_refused(*place)).and_then(|place| self.functions.get(place));
        bridge.map(|bridge| bridge.windows.forwarded().collect()).unwrap_or_default()
    }

    /// What is wrong with the place of a range, whoever else is on the bus.
    fn misplaced(&self, item: &Item, room: Option<&(Bdf, Vec<AddressRange>)>) -> Option<Conflict> {
        // A region below a bridge is not the bridge's fault; whoever maps regions decides about it.
        let counts = |owner| item.what.is_register() || !matches!(owner, Owner::Region { .. });
        let claim = self.claims.iter().find(|claim| counts(claim.owner) && claim.range.meets(item.range));
        if let Some(claim) = claim {
            return Some(Conflict::Claimed(claim));
        }
        let (bridge, passed_down) = room?;
        let fits = passed_down.iter().any(|range| range.contains(item.range));
        (!fits).then_some(Conflict::NotForwarded { bridge: *bridge })
    }

    /// The items that nothing speaks against so far, with their numbers.
    fn live<'i>(&self, items: &'i [Item]) -> impl Iterator<Item = (usize, &'i Item)> {
        let stands = |item: &Item| item.conflict.is_none() && !self.is_refused(item.function);
        items.iter().enumerate().filter(move |(_, item)| stands(item))
    }

    fn contest(&self, items: &[Item], takes_part: impl Fn(What) -> bool) -> Contest {
        let live = self.live(items).filter(|(_, item)| takes_part(item.what));
        Contest::new(live.map(|(number, item)| (number, item.range)))
    }

    /// Notes that items meet others, each with one that it meets.
    fn settle(&mut self, items: &mut [Item], clashes: impl Iterator<Item = (usize, usize)>) {
        for (number, other) in clashes {
            let with = items.get(other).and_then(|other| self.functions.get(other.function));
            let conflict = with.map(|with| Conflict::Shared { with: with.bdf });
            items.get_mut(number).into_iter().for_each(|item| item.conflict = conflict);
        }
        self.refuse(items);
    }

    /// Refuses the functions of items that do not fit, as far as that is no oversight.
    fn refuse(&mut self, items: &[Item]) {
        for item in items {
            let Some(conflict) = item.conflict else { continue };
            let Some(function) = self.functions.get_mut(item.function) else { continue };
            let asked = self.asked.get(item.function).and_then(Option::as_ref);
            let decodes = asked.is_some_and(|asked| asked.bars.decode == MemoryDecode::On);
            let range = item.range;
            let reason = match (item.what, conflict) {
                (What::Forwarded(_), _) => Refusal::Forwarded { range, conflict },
                // What was left there.
                (What::Register(..), _) if !decodes => continue,
                // An interrupt controller or a timer is what it lies over.
                (What::Register(..), Conflict::Claimed(claim))
                    if claim.owner.is_platform() && function.class.is_platform() =>
                {
                    continue;
                }
                (What::Register(register, _), _) => Refusal::Window { register, range, conflict },
            };
            if let (What::Register(register, _), Conflict::Claimed(claim)) = (item.what, conflict)
                && matches!(claim.owner, Owner::Region { .. })
            {
                let place = function.windows.over_regions.get_mut(usize::from(register));
                place.into_iter().for_each(|place| *place = Some(range));
            }
            function.refused.get_or_insert(reason);
        }
    }

    /// Writes down what is left. Windows in one page with those of other functions are left out: a page is mapped as a
    /// whole.
    fn believe_the_rest(&mut self, items: &[Item]) {
        let owner = |number: usize| items.get(number).map_or(usize::MAX, |item| item.function);
        let shared = self.contest(items, What::is_register).in_shared_pages(owner);
        let left: Vec<_> =
            self.live(items).filter(|(number, _)| shared.binary_search(number).is_err()).collect();
        for (_, item) in left {
            let Some(function) = self.functions.get_mut(item.function) else { continue };
            let windows = &mut function.windows;
            match item.what {
                What::Register(register, window) => {
                    let place = windows.believed.get_mut(usize::from(register));
                    place.into_iter().for_each(|place| *place = Some(window));
                }
                What::Forwarded(place) => {
                    let place = windows.forwarded.get_mut(place);
                    place.into_iter().for_each(|place| *place = Some(item.range));
                }
            }
        }
    }
}
