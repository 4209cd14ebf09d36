//! Whether every device reaches exactly what it was given, and what keeps that from being so.

use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use coverage::Shortfall;

use crate::journal;
use crate::sync::{IrqLock, rank};

/// Of what is given up, so much is kept; what comes later changes nothing any more.
const MOST: usize = 128;

/// What was given up so far, each once.
static SHORTFALLS: IrqLock<ArrayVec<Shortfall, MOST>, rank::Shortfalls> = IrqLock::new(ArrayVec::new_const());
/// `protected` was said.
static ANNOUNCED: AtomicBool = AtomicBool::new(false);

/// Notes that something was given up, and says so.
///
/// To be called by whoever gives it up. What comes after `protected` was said fails the run all the same. Allocates
/// nothing.
pub fn give_up(what: Shortfall) {
    let mut shortfalls = SHORTFALLS.lock();
    if shortfalls.contains(&what) || shortfalls.try_push(what).is_err() {
        return;
    }
    drop(shortfalls);
    log::error!("{what}");
    if ANNOUNCED.load(Ordering::Acquire) {
        journal::note_failure();
    }
}

/// Shows everything that was given up so far. Takes no lock that may be held, so the stop path may ask: it then misses
/// what was being noted at that moment.
pub fn visit(look: impl FnMut(&Shortfall)) {
    if let Some(shortfalls) = SHORTFALLS.try_lock() {
        shortfalls.iter().for_each(look);
    }
}

/// Tells whether every device's requests pass through a unit, as far as the units go on enforcing.
pub fn is_covered() -> bool {
    let mut covered = true;
    visit(|shortfall| covered &= !shortfall.leaves_open());
    covered
}

/// Tells whether nothing was given up; to be asked once, for the event `protected`.
pub fn announce() -> bool {
    ANNOUNCED.store(true, Ordering::Release);
    let complete = SHORTFALLS.lock().is_empty();
    if !complete {
        journal::note_failure();
    }
    complete
}
