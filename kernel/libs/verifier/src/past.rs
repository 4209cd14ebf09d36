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

    /// The latest return at an address, if it is remembered.
    pub(crate) fn find(&self, iova: Iova) -> Option<&Returned> {
        let (newer, older) = self.returns.split_at_checked(self.next)?;
        let newest_first = newer.iter().rev().chain(older.iter().rev());
        newest_first.flatten().find(|returned| returned.iova == iova)
    }
}
