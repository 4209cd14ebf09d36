//! The buses that one function claims to lead to.

use super::proof::Answer;
use crate::function::{Buses, Function};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use dma_types::Bdf;

/// What a function that calls itself a bridge says, before anyone has borne it out.
#[derive(Clone)]
pub(super) struct Claim {
    /// The function.
    pub(super) index: usize,
    /// First and last bus that it claims of those that can stand below it; `None` if there are none.
    pub(super) range: Option<RangeInclusive<u8>>,
    /// What speaks against it.
    pub(super) doubt: Option<Doubt>,
}

/// Why a function is not believed to lead to the buses that it claims.
#[derive(Clone, Copy)]
pub(super) enum Doubt {
    /// The hardware was asked, and it leads nowhere.
    Impostor,
    /// The hardware was asked, and did not tell.
    Unclear,
    /// No bridge of its kind can stand where it does.
    Misplaced,
    /// It leads to its own bus or one before.
    Loop {
        /// The bus that it says it leads to.
        secondary: u8,
    },
    /// The range is reversed, overlaps a neighbour's or leaves that of the bridge above.
    Range {
        /// First bus it claims.
        secondary: u8,
        /// Last bus it claims.
        subordinate: u8,
    },
}

impl Doubt {
    const fn range(Buses { secondary, subordinate, .. }: Buses) -> Self {
        Self::Range { secondary, subordinate }
    }
}

impl Claim {
    /// What the function claims, if it calls itself a bridge. No bus after `last` can stand below it.
    pub(super) fn of(index: usize, function: &Function, last: u8) -> Option<Self> {
        let buses = function.buses?;
        let (own, secondary, subordinate) = (function.bdf.source.bus(), buses.secondary, buses.subordinate);
        if (secondary, subordinate) == (0, 0) {
            return Some(Self { index, range: None, doubt: None });
        }
        let doubt = if secondary <= own {
            Some(Doubt::Loop { secondary })
        } else if secondary > subordinate || subordinate > last {
            Some(Doubt::range(buses))
        } else {
            None
        };
        let start = own.checked_add(1).map(|next| secondary.max(next));
        let end = secondary.max(subordinate).min(last);
        let range = start.filter(|start| *start <= end).map(|start| start..=end);
        Some(Self { index, range, doubt })
    }

    /// The claim of a function that was asked and is no bridge for sure: one that leads nowhere claims nothing.
    pub(super) fn answered(self, answer: Answer) -> Self {
        match answer {
            Answer::LeadsNowhere => Self { range: None, doubt: Some(Doubt::Impostor), ..self },
            Answer::Unclear => Self { doubt: self.doubt.or(Some(Doubt::Unclear)), ..self },
        }
    }

    /// Of something that there is for each bus, what belongs to those that it claims.
    pub(super) fn of_each<'a, T>(
        &self,
        buses: &'a mut [T; 256],
    ) -> impl Iterator<Item = &'a mut T> + use<'a, T> {
        let range = self.range.as_ref().map(|range| usize::from(*range.start())..=usize::from(*range.end()));
        range.and_then(|range| buses.get_mut(range)).into_iter().flatten()
    }

    /// The first function of each bus that it claims.
    pub(super) fn first_on_each(&self, functions: &[Function]) -> impl Iterator<Item = Bdf> {
        let on = |bus: u8| {
            let first = functions.partition_point(|function| function.bdf.source.bus() < bus);
            functions.get(first).map(|function| function.bdf).filter(|first| first.source.bus() == bus)
        };
        self.range.clone().into_iter().flatten().filter_map(on)
    }
}

/// Casts doubt on every one of the claims that has a bus in common with another.
pub(super) fn find_overlaps(claims: &mut [Claim], functions: &[Function]) {
    let mut by_start: Vec<_> = claims
        .iter()
        .enumerate()
        .filter_map(|(place, claim)| claim.range.clone().map(|range| (range.into_inner(), place)))
        .collect();
    by_start.sort_unstable();
    let mut overlapping = Vec::new();
    // Of the claims so far, the one that reaches furthest: another that holds the same bus was found before.
    let mut furthest: Option<(u8, usize)> = None;
    for ((start, end), place) in by_start {
        if let Some((last, other)) = furthest
            && start <= last
        {
            overlapping.extend([place, other]);
        }
        if furthest.is_none_or(|(last, _)| end > last) {
            furthest = Some((end, place));
        }
    }
    for place in overlapping {
        let Some(claim) = claims.get_mut(place) else { continue };
        let Some(buses) = functions.get(claim.index).and_then(|function| function.buses) else { continue };
        claim.doubt.get_or_insert(Doubt::range(buses));
    }
}
