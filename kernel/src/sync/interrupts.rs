//! A stretch without interrupts on this processor.

use x86_64::instructions::interrupts;

/// While it lives, interrupts are off on this processor; then they are as before.
///
/// It keeps this processor's own handlers away and nobody else: what others may touch as well needs a lock.
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

/// Tells whether this processor takes interrupts.
pub fn interrupts_are_on() -> bool {
    interrupts::are_enabled()
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
