//! Counts, policies, and the faults of late.

use core::sync::atomic::{AtomicU8, Ordering};

use ::diagnosis::{FaultLedger, Line, Reason, Scope, StormDetector, Threshold, Verdict};
use dma_types::{Access, Bdf, Iova};
use iova::OutOfMemory;
use options::{Policy, Storm};
use report::Action;
use spin::Once;

use super::telling;
use crate::arch::interrupts::IrqLock;
use crate::devices::DeviceRecord;

/// Requesters whose faults are counted one by one.
const REQUESTERS: usize = 64;

/// Faults that the console can show.
const RECENT: usize = 64;

/// Counts and storm signs.
pub(super) struct Accounts {
    /// How often which fault came.
    pub ledger: FaultLedger<Answer>,
    /// Who faults too often.
    pub storms: StormDetector,
}

/// What was found out about a fault, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Why it was blocked.
    pub verdict: Verdict,
    /// What was done.
    pub action: Action,
}

/// A fault as the console shows it.
#[derive(Clone, Copy)]
pub struct FaultNote {
    /// When it was drained: nanoseconds since kernel entry.
    pub at: u64,
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
    /// What was done.
    pub action: Action,
}

static ACCOUNTS: Once<IrqLock<Accounts>> = Once::new();
static POLICY: AtomicU8 = AtomicU8::new(0);
static NOTES: IrqLock<([Option<FaultNote>; RECENT], usize)> = IrqLock::new(([None; RECENT], 0));

const POLICIES: [Policy; 3] = [Policy::Bugcheck, Policy::Contain, Policy::Log];

/// Gets ready to count. To be called before the first unit is taken.
///
/// # Errors
/// If there is no memory for the counts.
pub fn start(default: Policy, storm: Storm) -> Result<(), OutOfMemory> {
    set_policy(default);
    let threshold = match storm {
        Storm::Off => Threshold::Off,
        Storm::After(faults) => Threshold::PerSecond(faults),
    };
    let accounts = Accounts {
        ledger: FaultLedger::new(REQUESTERS)?,
        storms: StormDetector::new(threshold, REQUESTERS)?,
    };
    ACCOUNTS.call_once(|| IrqLock::new(accounts));
    Ok(())
}

/// The policy for devices that have none of their own.
pub fn policy() -> Policy {
    POLICIES.get(usize::from(POLICY.load(Ordering::Relaxed))).copied().unwrap_or(Policy::Bugcheck)
}

/// Changes the policy for devices that have none of their own.
pub fn set_policy(policy: Policy) {
    let place = POLICIES.iter().position(|known| *known == policy).unwrap_or(0);
    POLICY.store(place as u8, Ordering::Relaxed);
}

/// The policy that applies to a device, or to a requester that nobody knows.
pub(super) fn policy_for(record: Option<&DeviceRecord>) -> Policy {
    record.and_then(DeviceRecord::policy).unwrap_or_else(policy)
}

/// Works on the counts; `None` before [`start`].
pub(super) fn with<T>(work: impl FnOnce(&mut Accounts) -> T) -> Option<T> {
    Some(work(&mut ACCOUNTS.get()?.lock()))
}

/// Forgets how often a requester has faulted of late: it starts anew.
pub fn forget_storm(requester: Bdf) {
    with(|accounts| accounts.storms.forget(requester));
}

/// Keeps a fault for the console.
pub(super) fn note(fault: FaultNote) {
    let mut notes = NOTES.lock();
    let (ring, next) = &mut *notes;
    if let Some(slot) = ring.get_mut(*next) {
        *slot = Some(fault);
    }
    *next = (*next + 1) % RECENT;
}

/// Shows the faults of late, oldest first.
pub fn recent(mut show: impl FnMut(&FaultNote)) {
    let (ring, next) = *NOTES.lock();
    let (newer, older) = ring.split_at(next);
    older.iter().chain(newer).flatten().for_each(&mut show);
}

/// Reports the counts that have changed since they were last told. To be called before the report ends.
pub fn finish() {
    with(|accounts| {
        for line in accounts.ledger.final_reports() {
            match line {
                Line { requester: Some(requester), scope: Scope::Key(key), .. } => {
                    telling::count(requester, Some(&key), &line);
                }
                Line { requester: Some(requester), .. } => telling::count(requester, None, &line),
                // A line of the report names its requester; these have none in common.
                Line { count, .. } => {
                    log::warn!("at least {count} faults of requesters beyond the first {REQUESTERS}");
                }
            }
        }
    });
}
