//! The faults of late, each with what the unit and its tables held when it was judged.

use core::sync::atomic::{AtomicU64, Ordering};

use ::cper::VtdDmar;
use diagnosis::{Completeness, Reason, RefusedInterrupt, Verdict};
use dma_types::{Access, Bdf, Iova, Segment, SourceId};
use report::Action;

use crate::sync::{IrqLock, rank};

/// Faults that are kept.
const RECENT: usize = 64;

/// A fault that is kept.
#[derive(Clone, Copy)]
pub struct FaultNote {
    /// How many were noted before it.
    pub number: u64,
    /// When it was drained: nanoseconds since kernel entry.
    pub at: u64,
    /// When it got its verdict.
    pub judged_at: u64,
    /// The id that it carried.
    pub requester: Bdf,
    /// The function held responsible.
    pub bdf: Option<Bdf>,
    /// What was asked.
    pub access: Access,
    /// The page.
    pub address: Option<Iova>,
    /// The unit's reason.
    pub reason: Reason,
    /// Why it was blocked.
    pub verdict: Verdict,
    /// Which interrupt it was about.
    pub interrupt: Option<RefusedInterrupt>,
    /// What was done.
    pub action: Action,
    /// Whether it may stand for more than one.
    pub completeness: Completeness,
    /// The unit's registers, its record, and the entries that the walk met.
    pub unit: VtdDmar,
}

impl FaultNote {
    /// Tells whether a function sent the request, or may have.
    pub fn is_of(&self, function: Bdf) -> bool {
        self.bdf == Some(function) || self.requester == function
    }
}

/// What is kept; the oldest makes room for the newest.
struct Store {
    notes: [FaultNote; RECENT],
    noted: u64,
}

/// What stands where nothing was noted yet: zeros, which take no room in the kernel's file.
const NOTHING: FaultNote = FaultNote {
    number: 0,
    at: 0,
    judged_at: 0,
    requester: Bdf::new(Segment(0), SourceId::from_bits(0)),
    bdf: None,
    access: Access::Read,
    address: None,
    reason: Reason(0),
    verdict: Verdict::Interrupt,
    interrupt: None,
    action: Action::Bugcheck,
    completeness: Completeness::Exact,
    unit: VtdDmar::NOTHING,
};

static STORE: IrqLock<Store, rank::FaultStore> = IrqLock::new(Store { notes: [NOTHING; RECENT], noted: 0 });

/// How many were noted, for who watches without locking.
static NOTED: AtomicU64 = AtomicU64::new(0);

/// The slot of the fault with this number.
const fn slot(number: u64) -> usize {
    (number % RECENT as u64) as usize
}

/// Keeps a fault, and numbers it.
pub(super) fn note(fault: FaultNote) {
    let mut store = STORE.lock();
    let number = store.noted;
    if let Some(place) = store.notes.get_mut(slot(number)) {
        *place = FaultNote { number, ..fault };
    }
    store.noted += 1;
    NOTED.store(store.noted, Ordering::Relaxed);
}

/// Faults noted since the start.
#[inline]
pub fn noted() -> u64 {
    NOTED.load(Ordering::Relaxed)
}

/// The fault with this number, as long as it is kept.
pub fn numbered(number: u64) -> Option<FaultNote> {
    let store = STORE.lock();
    let is_kept = number < store.noted;
    store.notes.get(slot(number)).copied().filter(|note| is_kept && note.number == number)
}

/// Shows the faults that are kept, oldest first.
pub fn recent(mut show: impl FnMut(&FaultNote)) {
    let noted = STORE.lock().noted;
    for number in noted.saturating_sub(RECENT as u64)..noted {
        // A copy, so that faults are noted while this one is shown.
        numbered(number).iter().for_each(&mut show);
    }
}
