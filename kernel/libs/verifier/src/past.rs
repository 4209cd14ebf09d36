//! What was given back of late.

use diagnosis::Site;
use dma_types::Iova;

use crate::Kind;

/// Returns that are remembered.
const REMEMBERED: usize = 64;

/// A loan that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    pub kind: Kind,
    pub iova: Iova,
    pub site: Site,
}

/// The latest returns.
#[derive(Debug)]
pub(crate) struct Past {
    returns: [Option<Returned>; REMEMBERED],
    next: usize,
}

impl Past {
    pub(crate) const fn new() -> Self {
        Self { returns: [None; REMEMBERED], next: 0 }
    }

    /// Remembers a return, in place of the oldest.
    pub(crate) fn note(&mut self, returned: Returned) {
        if let Some(place) = self.returns.get_mut(self.next) {
            *place = Some(returned);
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The return at an address, if it is remembered.
    pub(crate) fn find(&self, iova: Iova) -> Option<&Returned> {
        self.returns.iter().flatten().find(|returned| returned.iova == iova)
    }

    /// Forgets the return at an address, which is lent again.
    pub(crate) fn forget(&mut self, iova: Iova) {
        for place in &mut self.returns {
            if place.is_some_and(|returned| returned.iova == iova) {
                *place = None;
            }
        }
    }
}
