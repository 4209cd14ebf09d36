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
}

impl IdleTables {
    pub(super) const fn new() -> Self {
        Self { places: [None; IDLE_TABLES], next: 0 }
    }

    /// Keeps an emptied table, and tells which place has to make room for it, if any.
    pub(super) fn keep(&mut self, place: Place) -> Option<Place> {
        if self.places.contains(&Some(place)) {
            return None;
        }
        let next = self.next % IDLE_TABLES;
        self.next = (next + 1) % IDLE_TABLES;
        self.places.get_mut(next)?.replace(place)
    }
}
