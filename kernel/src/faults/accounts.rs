//! Counts, policies, and which faults are expected: what the library decides by.

use diagnosis::{Fault, Port, Senders, Verdict};
use dma_types::Bdf;
use fault_response::{Accounts, Expectation, ExpectationId, Expectations, Notice, Tell};
use iova::OutOfMemory;
use options::{Policy, Storm};

use super::lines;
use crate::devices::{self, DeviceRecord};
use crate::sync::{AtomicChoice, IrqLock, rank};

/// Faults that may be expected at once.
const MOST_EXPECTED: usize = 32;

static ACCOUNTS: IrqLock<Accounts, rank::Accounts> = IrqLock::new(Accounts::NONE);
static EXPECTED: IrqLock<Expectations<MOST_EXPECTED>, rank::Expected> = IrqLock::new(Expectations::new());
static POLICY: AtomicChoice<Policy, 3> = AtomicChoice::new(&POLICIES);

const POLICIES: [Policy; 3] = [Policy::Bugcheck, Policy::Contain, Policy::Log];

/// Gets ready to count. To be called once every function is known, before the first unit is taken.
///
/// # Errors
/// If there is no memory for the counts; faults are answered then, but only those that stop the kernel are told.
pub fn start(default: Policy, storm: Storm) -> Result<(), OutOfMemory> {
    set_policy(default);
    *ACCOUNTS.lock() = Accounts::new(Senders::new(ids(), ports())?, storm)?;
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
    POLICY.get()
}

/// Changes the policy for devices that have none of their own.
pub fn set_policy(policy: Policy) {
    POLICY.set(policy);
}

/// The policy that applies to a device, or to a requester that nobody knows.
pub(super) fn policy_for(record: Option<&DeviceRecord>) -> Policy {
    record.and_then(DeviceRecord::policy).unwrap_or_else(policy)
}

/// Works on the counts. What is done meanwhile takes no lock but those of the report.
pub(super) fn with<T>(work: impl FnOnce(&mut Accounts) -> T) -> T {
    work(&mut ACCOUNTS.lock())
}

/// The port that a request counts for whose id no enumerated function carries.
pub(super) fn port_above(requester: Bdf) -> Option<Bdf> {
    with(|accounts| accounts.port_above(requester))
}

/// Forgets how often a requester has faulted of late: it starts anew.
pub fn forget_storm(requester: Bdf) {
    with(|accounts| accounts.forget(requester));
}

/// Reports the counts that have changed since they were last told. To be called before the report ends.
pub fn finish() {
    while let Some(change) = with(Accounts::next_change) {
        match change {
            Tell::Nothing => {}
            Tell::Line { requester, line } => lines::count(requester, &line),
            Tell::Others { holder, count } => lines::others(holder, count),
        }
    }
}

/// Expects a fault that a device is about to cause; `None` if too many are expected.
pub fn expect(expectation: Expectation) -> Option<ExpectationId> {
    EXPECTED.lock().enter(expectation)
}

/// Expects it no more, and tells the verdict that it got, if it has come.
///
/// To be called after [`poll`](super::poll): where the fault interrupt is masked, its record still waits, and must not
/// come to be taken for one that nobody expects.
pub fn withdraw(id: ExpectationId) -> Option<Verdict> {
    EXPECTED.lock().withdraw(id)
}

/// The verdict that an expected fault has got so far; for the stop, which waits for no lock.
pub fn seen(id: ExpectationId) -> Option<Verdict> {
    EXPECTED.try_lock()?.seen(id)
}

/// Whether a fault is expected, and whether the kernel was told to do nothing about it.
pub(super) fn notice(fault: &Fault) -> Option<Notice> {
    EXPECTED.lock().notice(fault)
}

/// Notes the verdict on a fault, as it holds for each device, if it is expected.
pub(super) fn note_verdict(
    fault: &Fault,
    verdict_on: impl FnOnce(Bdf) -> Verdict,
) -> Option<(ExpectationId, Notice)> {
    EXPECTED.lock().note(fault, verdict_on)
}
