//! The empty tables that stay linked for the next mapping.

use super::IDLE_TABLES;
use super::node::Place;

/// The places of the tables that were emptied last.
///
/// Holds every empty table of a domain, and maybe places whose table is in use again or gone.
#[derive(Debug)]
pub(super) struct IdleTables {
    places: [Option<Place>; IDLE_TABLES],
    /// Where the oldest one stands.
    next: usize,
    /// The one that was kept last.
    newest: Option<Place>,
}

impl IdleTables {
    pub(super) const fn new() -> Self {
        Self { places: [None; IDLE_TABLES], next: 0, newest: None }
    }

    /// Tells whether a place is the one that was kept last: what an address space with a single mapping
    /// empties again and again.
    #[inline]
    pub(super) fn is_newest(&self, place: Place) -> bool {
        self.newest == Some(place)
    }

    /// Keeps an emptied table, and tells which place has to make room for it, if any.
    pub(super) fn keep(&mut self, place: Place) -> Option<Place> {
        self.newest = Some(place);
        if self.places.contains(&Some(place)) {
            return None;
        }
        let next = self.next % IDLE_TABLES;
        self.next = (next + 1) % IDLE_TABLES;
        self.places.get_mut(next)?.replace(place)
    }
}
