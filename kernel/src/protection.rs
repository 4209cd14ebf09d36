//! Whether every device reaches exactly what it was given, and what keeps that from being so.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use coverage::Shortfall;

use crate::arch::interrupts::IrqLock;
use crate::journal;

/// What was given up so far.
static SHORTFALLS: IrqLock<Vec<Shortfall>> = IrqLock::new(Vec::new());
/// `protected` was said.
static ANNOUNCED: AtomicBool = AtomicBool::new(false);

/// Notes that something was given up, and says so.
///
/// To be called by whoever gives it up, outside of interrupt handlers. What comes after `protected` was said fails
/// the run all the same.
pub fn give_up(what: Shortfall) {
    log::error!("{what}");
    SHORTFALLS.lock().push(what);
    if ANNOUNCED.load(Ordering::Relaxed) {
        journal::note_failure();
    }
}

/// Tells whether nothing was given up; to be asked once, for the event `protected`.
pub fn announce() -> bool {
    ANNOUNCED.store(true, Ordering::Relaxed);
    let complete = SHORTFALLS.lock().is_empty();
    if !complete {
        journal::note_failure();
    }
    complete
}
