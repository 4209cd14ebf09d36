//! A page of its own for a buffer that shares its page with others.

use dma_types::{Direction, PhysAddr};

use super::guard::{Damage, Guard};
use crate::memory::pages::{NoPages, Pages};

/// The page that a device is given in place of the one that the buffer lies in: the buffer's bytes at its start,
/// zeros or a [`Guard`] behind them.
///
/// Bytes that a device does not write come back as they were, as if it had been given the buffer itself. It
/// cannot read them where it may only write: the entry's permissions say so.
pub(super) struct Bounce {
    page: Pages,
    direction: Direction,
    guard: Option<Guard>,
}

impl Bounce {
    /// Takes a page and fills it with `content`, at most half of it.
    pub(super) fn new(content: &[u8], direction: Direction) -> Result<Self, NoPages> {
        let mut page = Pages::new(0)?;
        if let Some(start) = page.bytes_mut().get_mut(..content.len()) {
            start.copy_from_slice(content);
        }
        let guard = Guard::lay(page.bytes_mut(), content.len(), direction);
        Ok(Self { page, direction, guard })
    }

    /// Where the page lies.
    pub(super) fn phys(&self) -> PhysAddr {
        self.page.start()
    }

    /// Copies back what the device may have written, once it cannot write any more, and frees the page. Tells what it
    /// did to the guard.
    pub(super) fn settle(self, content: &mut [u8]) -> Option<Damage> {
        if self.direction.permissions().write()
            && let Some(start) = self.page.bytes().get(..content.len())
        {
            content.copy_from_slice(start);
        }
        self.guard?.damage(self.page.bytes(), content.len())
    }
}
