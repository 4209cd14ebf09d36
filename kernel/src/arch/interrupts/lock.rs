//! A lock for what interrupt handlers share with the rest.

use core::fmt;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};
use x86_64::instructions::interrupts;

/// A value behind a spin lock that is only held with interrupts off.
///
/// So a handler never waits for the code that it interrupted. Non-maskable interrupts and exceptions can still
/// come in between: what they call uses [`IrqLock::try_lock`].
#[derive(Debug)]
pub struct IrqLock<T: ?Sized> {
    value: SpinMutex<T>,
}

impl<T> IrqLock<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self { value: SpinMutex::new(value) }
    }
}

impl<T: ?Sized> IrqLock<T> {
    /// Takes the lock; interrupts are off until the guard goes, then as they were.
    pub fn lock(&self) -> IrqGuard<'_, T> {
        let interrupts = InterruptsOff::new();
        IrqGuard { value: self.value.lock(), _interrupts: interrupts }
    }

    /// Takes the lock where interrupts are off already, for no longer than that.
    #[inline]
    pub fn lock_within<'a>(&'a self, _off: &'a InterruptsOff) -> SpinMutexGuard<'a, T> {
        self.value.lock()
    }

    /// Takes the lock if nobody has it.
    pub fn try_lock(&self) -> Option<IrqGuard<'_, T>> {
        let interrupts = InterruptsOff::new();
        Some(IrqGuard { value: self.value.try_lock()?, _interrupts: interrupts })
    }
}

/// Access to the value of an [`IrqLock`].
#[must_use = "the lock is released with the guard"]
pub struct IrqGuard<'a, T: ?Sized> {
    // Fields go in order: the lock is free before an interrupt can come in.
    value: SpinMutexGuard<'a, T>,
    _interrupts: InterruptsOff,
}

impl<T: ?Sized> Deref for IrqGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for IrqGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for IrqGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// While it lives, interrupts are off on this processor; then they are as before.
#[derive(Debug)]
#[must_use = "interrupts come back with the guard's end"]
pub struct InterruptsOff {
    were_enabled: bool,
}

impl InterruptsOff {
    /// Turns interrupts off.
    pub fn new() -> Self {
        let were_enabled = interrupts::are_enabled();
        interrupts::disable();
        Self { were_enabled }
    }
}

impl Default for InterruptsOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InterruptsOff {
    fn drop(&mut self) {
        if self.were_enabled {
            interrupts::enable();
        }
    }
}
