//! Memory that runs out on purpose, to see whether whoever asked for it undoes what was begun.

use core::sync::atomic::{AtomicU64, Ordering};

/// Allocations that still succeed; [`NEVER`] where nothing is to fail.
static LEFT: AtomicU64 = AtomicU64::new(NEVER);

const NEVER: u64 = u64::MAX;

/// While it lives, memory runs out after a number of allocations, of frames and of the heap together.
#[must_use = "memory is there again once it is dropped"]
pub struct Shortage(());

impl Shortage {
    /// Lets so many allocations succeed, and no other.
    pub fn after(allocations: u64) -> Self {
        LEFT.store(allocations.min(NEVER - 1), Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        LEFT.store(NEVER, Ordering::Relaxed);
    }
}

/// Tells whether an allocation is to fail; both allocators ask before each.
#[inline]
pub(super) fn is_due() -> bool {
    match LEFT.load(Ordering::Relaxed) {
        NEVER => false,
        0 => true,
        left => {
            LEFT.store(left - 1, Ordering::Relaxed);
            false
        }
    }
}
