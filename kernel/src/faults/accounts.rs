//! Counts and policies.

use core::sync::atomic::{AtomicU8, Ordering};

use diagnosis::{FaultLedger, Holder, Line, Port, Scope, Senders, StormDetector, Threshold, Verdict};
use dma_types::Bdf;
use iova::OutOfMemory;
use options::{Policy, Storm};
use report::Action;
use spin::Once;

use super::telling;
use crate::devices::{self, DeviceRecord};
use crate::sync::{IrqLock, rank};

/// Counts and storm signs.
pub(super) struct Accounts {
    /// Whose the accounts are.
    pub senders: &'static Senders,
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

/// Whose the accounts are, for who asks without them.
static SENDERS: Once<Senders> = Once::new();
static ACCOUNTS: Once<IrqLock<Accounts, rank::Accounts>> = Once::new();
static POLICY: AtomicU8 = AtomicU8::new(0);

const POLICIES: [Policy; 3] = [Policy::Bugcheck, Policy::Contain, Policy::Log];

/// Gets ready to count. To be called once every function is known, before the first unit is taken.
///
/// # Errors
/// If there is no memory for the counts.
pub fn start(default: Policy, storm: Storm) -> Result<(), OutOfMemory> {
    set_policy(default);
    let threshold = match storm {
        Storm::Off => Threshold::Off,
        Storm::After(faults) => Threshold::PerSecond(faults),
    };
    let senders = Senders::new(ids(), ports())?;
    let senders = SENDERS.call_once(|| senders);
    let count = senders.count();
    let accounts =
        Accounts { senders, ledger: FaultLedger::new(count)?, storms: StormDetector::new(threshold, count)? };
    ACCOUNTS.call_once(|| IrqLock::new(accounts));
    Ok(())
}

/// Every id that an enumerated function may carry; some come twice.
fn ids() -> impl Iterator<Item = Bdf> + Clone {
    let of = |record: &'static DeviceRecord| {
        record.aliases.iter().map(|source| Bdf::new(record.bdf.segment, *source))
    };
    devices::all().iter().flat_map(of)
}

/// Every bridge with the buses that are believed to lie below it.
fn ports() -> impl Iterator<Item = Port> + Clone {
    devices::all().iter().filter_map(|record| {
        let buses = record.pci.leads_to?;
        Some(Port { bridge: record.bdf, first: buses.first, last: buses.last })
    })
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

/// The port that a request counts for whose id no enumerated function carries.
pub(super) fn port_above(requester: Bdf) -> Option<Bdf> {
    let senders = SENDERS.get()?;
    match senders.holder(senders.of(requester)) {
        Holder::Port(bridge) => Some(bridge),
        Holder::Id(_) | Holder::Elsewhere => None,
    }
}

/// Forgets how often a requester has faulted of late: it starts anew.
pub fn forget_storm(requester: Bdf) {
    with(|accounts| accounts.storms.forget(accounts.senders.of(requester)));
}

/// Reports the counts that have changed since they were last told. To be called before the report ends.
pub fn finish() {
    with(|Accounts { senders, ledger, .. }| {
        for line in ledger.final_reports() {
            tell(senders, &line);
        }
    });
}

/// Reports a count where nothing new is known.
fn tell(senders: &Senders, line: &Line<Answer>) {
    match (line.scope, senders.holder(line.sender)) {
        (Scope::Key(key), _) => telling::count(key.requester, Some(&key), line),
        (Scope::FurtherKeys, Holder::Id(id)) => telling::count(id, None, line),
        (Scope::FurtherKeys, holder) => telling::others(holder, line.count),
    }
}
