//! The buses that one function claims to lead to.

use crate::function::{Buses, Function};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// What a function that calls itself a bridge says, before anyone has borne it out.
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
    /// No bridge of its kind can stand where it does.
    Misplaced,
    /// It leads to its own bus or one before.
    Loop {
        /// Where it leads.
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

    /// Of something that there is for each bus, what belongs to those that it claims.
    pub(super) fn of_each<'a, T>(
        &self,
        buses: &'a mut [T; 256],
    ) -> impl Iterator<Item = &'a mut T> + use<'a, T> {
        let range = self.range.as_ref().map(|range| usize::from(*range.start())..=usize::from(*range.end()));
        range.and_then(|range| buses.get_mut(range)).into_iter().flatten()
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
