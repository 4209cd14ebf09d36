//! Locks by their context: [`IrqLock`] for what handlers share with the rest, [`Mutex`] for what they never touch.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};

use super::held::Entry;
use super::interrupts::InterruptsOff;
use super::rank::Ranked;

/// A value behind a spin lock of rank `R` that is only held with interrupts off.
///
/// So a handler never waits for the code that it interrupted. Non-maskable interrupts and exceptions can still
/// come in between: what they call uses [`IrqLock::try_lock`].
pub struct IrqLock<T: ?Sized, R> {
    rank: PhantomData<fn() -> R>,
    value: SpinMutex<T>,
}

impl<T, R: Ranked> IrqLock<T, R> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self { rank: PhantomData, value: SpinMutex::new(value) }
    }
}

impl<T: ?Sized, R: Ranked> IrqLock<T, R> {
    /// Takes the lock; interrupts are off until the guard goes, then as they were.
    #[inline]
    pub fn lock(&self) -> IrqGuard<'_, T, R> {
        let interrupts = InterruptsOff::new();
        let entry = Entry::in_order();
        Guard { value: self.value.lock(), _entry: entry, _interrupts: interrupts }
    }

    /// Takes the lock where interrupts are off already, for no longer than that.
    #[inline(always)]
    pub fn lock_within<'a>(&'a self, _off: &'a InterruptsOff) -> Guard<'a, T, R, OffAlready> {
        let entry = Entry::in_order();
        Guard { value: self.value.lock(), _entry: entry, _interrupts: OffAlready }
    }

    /// Takes the lock, of whose rank the caller may hold another one.
    ///
    /// Only one on the whole machine may hold two of a rank at a time, and it must be certain that this is not the one
    /// that it holds.
    pub fn lock_beside(&self) -> IrqGuard<'_, T, R> {
        let interrupts = InterruptsOff::new();
        let entry = Entry::beside();
        Guard { value: self.value.lock(), _entry: entry, _interrupts: interrupts }
    }

    /// Takes the lock if nobody has it. It never waits, so ranks do not matter.
    pub fn try_lock(&self) -> Option<IrqGuard<'_, T, R>> {
        let interrupts = InterruptsOff::new();
        let value = self.value.try_lock()?;
        Some(Guard { value, _entry: Entry::noted(), _interrupts: interrupts })
    }

    /// Takes the lock for good, for a test of what can do without it.
    pub fn hold_for_ever(&self) {
        core::mem::forget(self.value.lock());
    }
}

/// A value behind a spin lock of rank `R` that is held with interrupts on: no handler may take it.
pub struct Mutex<T: ?Sized, R> {
    rank: PhantomData<fn() -> R>,
    value: SpinMutex<T>,
}

impl<T, R: Ranked> Mutex<T, R> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self { rank: PhantomData, value: SpinMutex::new(value) }
    }
}

impl<T: ?Sized, R: Ranked> Mutex<T, R> {
    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T, R> {
        let entry = Entry::in_order();
        Guard { value: self.value.lock(), _entry: entry, _interrupts: MayBeOn }
    }

    /// The value of a lock that nobody else can have.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// Access to the value of a lock; `I` is what it did about interrupts.
#[must_use = "the lock is released with the guard"]
pub struct Guard<'a, T: ?Sized, R: Ranked, I> {
    // Fields go in order: the lock is free before an interrupt can come in.
    value: SpinMutexGuard<'a, T>,
    _entry: Entry<R>,
    _interrupts: I,
}

/// Access to the value of an [`IrqLock`].
pub type IrqGuard<'a, T, R> = Guard<'a, T, R, InterruptsOff>;
/// Access to the value of a [`Mutex`].
pub type MutexGuard<'a, T, R> = Guard<'a, T, R, MayBeOn>;

/// Interrupts were off before the lock was taken, and stay so.
#[derive(Debug)]
pub struct OffAlready;
/// The lock leaves interrupts alone.
#[derive(Debug)]
pub struct MayBeOn;

impl<T: ?Sized, R: Ranked, I> Deref for Guard<'_, T, R, I> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized, R: Ranked, I> DerefMut for Guard<'_, T, R, I> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug, R: Ranked> fmt::Debug for IrqLock<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrqLock").field("rank", &R::RANK).field("value", &&self.value).finish()
    }
}

impl<T: ?Sized + fmt::Debug, R: Ranked, I> fmt::Debug for Guard<'_, T, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
