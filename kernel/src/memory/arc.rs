//! Shared ownership, for memory that may be refused.
//!
//! As `alloc::sync::Arc`, save that making one can fail and says so: what is made for a device must not stop the
//! kernel where memory has run out.
#![expect(unsafe_code, reason = "UNSAFETY: frees the value with its last owner, counted by hand")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use iova::OutOfMemory;

/// One of the owners of a value; the last one drops it.
pub struct Arc<T> {
    shared: NonNull<Shared<T>>,
    owns: PhantomData<Shared<T>>,
}

/// Knows a value that others own.
pub struct Weak<T> {
    shared: NonNull<Shared<T>>,
}

struct Shared<T> {
    /// Owners.
    strong: AtomicUsize,
    /// Those that know it, and one for all owners together.
    weak: AtomicUsize,
    value: ManuallyDrop<T>,
}

// SAFETY: owners on several processors share the value, and any of them may be the one that drops it.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}
// SAFETY: it may become an owner.
unsafe impl<T: Send + Sync> Send for Weak<T> {}
// SAFETY: it may become an owner.
unsafe impl<T: Send + Sync> Sync for Weak<T> {}

impl<T> Arc<T> {
    /// Makes a value owned by one.
    ///
    /// # Errors
    /// If there is no memory; the value is dropped then.
    pub fn try_new(value: T) -> Result<Self, OutOfMemory> {
        let mut room = Vec::new();
        room.try_reserve_exact(1).map_err(|_| OutOfMemory)?;
        let (strong, weak) = (AtomicUsize::new(1), AtomicUsize::new(1));
        room.push(Shared { strong, weak, value: ManuallyDrop::new(value) });
        let shared = NonNull::from(Box::leak(room.into_boxed_slice())).cast();
        Ok(Self { shared, owns: PhantomData })
    }

    /// Makes one that only knows the value.
    pub fn downgrade(this: &Self) -> Weak<T> {
        this.shared().weak.fetch_add(1, Ordering::Relaxed);
        Weak { shared: this.shared }
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: an owner keeps it alive, and nobody has it alone.
        unsafe { self.shared.as_ref() }
    }
}

impl<T> Clone for Arc<T> {
    #[inline]
    fn clone(&self) -> Self {
        self.shared().strong.fetch_add(1, Ordering::Relaxed);
        Self { shared: self.shared, owns: PhantomData }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.shared().value
    }
}

impl<T> Drop for Arc<T> {
    #[inline]
    fn drop(&mut self) {
        if self.shared().strong.fetch_sub(1, Ordering::Release) == 1 {
            // What other owners did comes before the value's end.
            fence(Ordering::Acquire);
            drop_value(self.shared);
        }
    }
}

/// Ends a value that no owner is left of.
#[cold]
fn drop_value<T>(shared: NonNull<Shared<T>>) {
    // What owners have in common is given up with the value.
    let _last = Weak { shared };
    // SAFETY: the owners' share in the memory is still held, and nobody else reaches the value: it has no owner,
    // and none can come of those who only know it. The counters beside it are not borrowed.
    let value = unsafe { &mut (*shared.as_ptr()).value };
    // SAFETY: dropped here, by the last owner alone, and never looked at again.
    unsafe { ManuallyDrop::drop(value) };
}

impl<T> Weak<T> {
    /// Becomes an owner, if the value still has one.
    pub fn upgrade(&self) -> Option<Arc<T>> {
        let grow = |owners: usize| (owners > 0).then(|| owners + 1);
        self.shared().strong.fetch_update(Ordering::Acquire, Ordering::Relaxed, grow).ok()?;
        Some(Arc { shared: self.shared, owns: PhantomData })
    }

    /// Owners now.
    pub fn strong_count(&self) -> usize {
        self.shared().strong.load(Ordering::Relaxed)
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: one that knows the value keeps the memory; what is read of it are counters.
        unsafe { self.shared.as_ref() }
    }
}

impl<T> Drop for Weak<T> {
    fn drop(&mut self) {
        if self.shared().weak.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            let room = ptr::slice_from_raw_parts_mut(self.shared.as_ptr(), 1);
            // SAFETY: it was leaked as a box of one, and neither owner nor anyone who knows it is left. The value
            // inside was dropped and is not dropped again.
            drop(unsafe { Box::from_raw(room) });
        }
    }
}
