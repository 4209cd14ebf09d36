//! Whether the command that runs shall end before it is done.
//!
//! Long commands ask between their steps, where they can end in order.

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// What looks whether the user has typed that.
static LISTENER: Once<fn()> = Once::new();

/// Has `look` asked whether the user typed something, each time that a command asks here; only the first call counts.
pub fn listen(look: fn()) {
    LISTENER.call_once(|| look);
}

/// The command that runs shall end.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// A command begins; what was asked of the one before is over.
pub fn begin() {
    REQUESTED.store(false, Ordering::Relaxed);
}

/// Whether the command that runs shall end.
pub fn is_requested() -> bool {
    if let Some(look) = LISTENER.get() {
        look();
    }
    REQUESTED.load(Ordering::Relaxed)
}
