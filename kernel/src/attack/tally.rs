//! What all drills and attacks of this run came to.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ::attack::Judgement;
use ::verdict::{Cell, Drill, NotTried};

/// A drill was asked for.
static ASKED: AtomicBool = AtomicBool::new(false);
/// A device that can was there.
static ANYBODY: AtomicBool = AtomicBool::new(false);
/// Which of the capable devices tried, a bit each; what is beyond shares the last.
static DEVICES: AtomicU64 = AtomicU64::new(0);
static TRIES: AtomicU32 = AtomicU32::new(0);
static THROUGH: AtomicU32 = AtomicU32::new(0);
static UNSEEN: AtomicU32 = AtomicU32::new(0);

/// Notes that a drill begins.
pub(super) fn begin() {
    ASKED.store(true, Ordering::Relaxed);
}

/// Counts what came of an attack by the capable device at this place among them.
pub(super) fn count(place: usize, judgement: Judgement) {
    ANYBODY.store(true, Ordering::Relaxed);
    match cell(judgement) {
        Cell::Held | Cell::Misjudged => {}
        Cell::Through => add(&THROUGH),
        Cell::Unseen => add(&UNSEEN),
        // Nothing was tried.
        Cell::Failed | Cell::NotPossible | Cell::NoSuch => return,
    }
    add(&TRIES);
    DEVICES.fetch_or(1 << place.min(63), Ordering::Relaxed);
}

/// A judgement as a drill's table has it.
pub(super) fn cell(judgement: Judgement) -> Cell {
    match judgement {
        Judgement::Blocked { verdict, expected } if verdict != expected => Cell::Misjudged,
        Judgement::Blocked { .. } | Judgement::Harmless => Cell::Held,
        Judgement::Leaked => Cell::Through,
        Judgement::Silent | Judgement::Unheard => Cell::Unseen,
        Judgement::DeadDevice | Judgement::Broken => Cell::Failed,
        Judgement::NotPossible(_) => Cell::NotPossible,
    }
}

fn add(count: &AtomicU32) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What it came to so far. Takes no lock.
pub fn totals() -> Drill {
    let [tries, through, unseen] = [&TRIES, &THROUGH, &UNSEEN].map(|count| count.load(Ordering::Relaxed));
    Drill {
        devices: DEVICES.load(Ordering::Relaxed).count_ones(),
        tries,
        through,
        unseen,
        not_tried: match (ANYBODY.load(Ordering::Relaxed), ASKED.load(Ordering::Relaxed)) {
            (true, _) => NotTried::NoneWorked,
            (false, true) => NotTried::NobodyCan,
            (false, false) => NotTried::SwitchedOff,
        },
    }
}
