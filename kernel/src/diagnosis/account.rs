//! Counts and policies.

use core::sync::atomic::{AtomicU8, Ordering};

use ::diagnosis::{FaultLedger, Line, Scope, StormDetector, Threshold, Verdict};
use dma_types::Bdf;
use iova::OutOfMemory;
use options::{Policy, Storm};
use report::Action;
use spin::Once;

use super::telling;
use crate::arch::interrupts::IrqLock;
use crate::devices::DeviceRecord;

/// Requesters whose faults are counted one by one.
const REQUESTERS: usize = 64;

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

static ACCOUNTS: Once<IrqLock<Accounts>> = Once::new();
static POLICY: AtomicU8 = AtomicU8::new(0);

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
