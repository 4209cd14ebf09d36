//! What a processor holds while it takes another lock.
//!
//! Ranks are compared as locks are taken, by the development profile alone, in which the kernel has debug assertions: what
//! ships pays nothing.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use super::rank::{Rank, Ranked};

/// Whether ranks are compared as locks are taken.
const WATCHED: bool = cfg!(debug_assertions);

/// The ranks that the processor holds, a bit each. A second processor has a word of its own.
static HELD: AtomicU64 = AtomicU64::new(0);

const _: () = assert!(Rank::ALL.len() <= 63);

/// A lock that is being held, in the word of ranks. An interrupt that comes in leaves the word as it found it.
#[derive(Debug)]
pub(super) struct Entry<R: Ranked> {
    rank: PhantomData<R>,
    /// Whether the rank's bit goes with it; nothing at all where nobody watches.
    is_first: [bool; WATCHED as usize],
}

impl<R: Ranked> Entry<R> {
    const BIT: u64 = 1 << R::RANK as u8;

    /// Enters a lock that is about to be waited for.
    ///
    /// # Panics
    /// In the development profile, if a lock of that rank or a higher one is held.
    #[inline(always)]
    pub(super) fn in_order() -> Self {
        Self::above(R::RANK as u8)
    }

    /// Enters one of which the caller may hold another: see [`lock_beside`](super::IrqLock::lock_beside).
    #[inline(always)]
    pub(super) fn beside() -> Self {
        Self::above(R::RANK as u8 + 1)
    }

    /// Enters a lock that was not waited for.
    #[inline(always)]
    pub(super) fn noted() -> Self {
        Self { rank: PhantomData, is_first: [Self::note(); _] }
    }

    #[inline(always)]
    fn above(least_refused: u8) -> Self {
        if WATCHED && HELD.load(Ordering::Relaxed) >> least_refused != 0 {
            refuse(R::RANK);
        }
        Self::noted()
    }

    /// Sets the rank's bit; tells whether it was clear.
    #[inline(always)]
    fn note() -> bool {
        let held = if WATCHED { HELD.load(Ordering::Relaxed) } else { 0 };
        if WATCHED {
            HELD.store(held | Self::BIT, Ordering::Relaxed);
        }
        held & Self::BIT == 0
    }
}

impl<R: Ranked> Drop for Entry<R> {
    #[inline(always)]
    fn drop(&mut self) {
        if WATCHED && self.is_first.contains(&true) {
            HELD.store(HELD.load(Ordering::Relaxed) & !Self::BIT, Ordering::Relaxed);
        }
    }
}

/// Stops the kernel, whose stop takes locks itself.
#[cold]
#[inline(never)]
fn refuse(wanted: Rank) -> ! {
    let held = HELD.swap(0, Ordering::Relaxed);
    let highest = held.checked_ilog2().and_then(|number| Rank::ALL.get(number as usize));
    panic!("a lock of rank {wanted:?} is taken under one of rank {highest:?}")
}
