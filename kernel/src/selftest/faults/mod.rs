//! `selftest faults`: every reason for which a unit can block a request, and what it does when it has more to
//! say than it can hold.
//!
//! Tables and queues are made wrong on purpose for the length of one transfer. Where a unit might not notice
//! and let the transfer pass, it goes to memory of the device's own, or only reads.

mod case;
mod masked;
mod queue;
mod reason;
mod subject;

use core::fmt;
use core::time::Duration;

use diagnosis::{Completeness, Reason, Verdict};
use dma_types::{Access, Bdf, Iova};
use options::Target;

use super::{check, copying_devices};
use crate::attack::{Order, run_attacks};
use crate::devices::Overreach;
use crate::dma::{PageBuffer, inspect};
use crate::faults;
use crate::faults::FaultNote;
use crate::iommu::IommuError;
use crate::platform::clock::{self, Deadline};
use crate::platform::fw_cfg::FwCfg;
use crate::selftest::misprogram::MisprogramError;
use crate::text::Text;
use ::attack::Judgement;

/// Longest time until a fault is answered: more than a window in which there was no time left for it.
const ANSWER: Duration = Duration::from_secs(10);

/// What one part of the test needs of the machine.
enum Machine {
    /// It is QEMU, of which it is known what its unit makes of damaged tables.
    Known,
    /// It is not.
    Unknown,
}

/// Runs all of it; each reason and each state of the unit is a check of its own.
pub(super) fn run() {
    let machine = if FwCfg::detect().is_some() { Machine::Known } else { Machine::Unknown };
    reason::run(&machine);
    queue::run(&machine);
    masked::run(&machine);
}

/// The devices that request nothing but what they are told. A network card also fetches descriptors, which
/// wrong tables would block as well.
fn obedient_devices() -> impl Iterator<Item = &'static dyn Overreach> {
    copying_devices().filter(|device| device.record().driver() == Some("edu"))
}

/// What is said where there is none.
const NO_DEVICE: &str = "too few devices here request nothing but what they are told";

/// What is said where the machine is not known.
const UNKNOWN_MACHINE: &str = "only of QEMU is it known what its unit makes of this";

/// What is compared of a fault that was told.
#[derive(Clone, Copy)]
struct Seen {
    requester: Bdf,
    bdf: Option<Bdf>,
    access: Access,
    address: Option<Iova>,
    reason: Reason,
    verdict: Verdict,
    completeness: Completeness,
}

impl Seen {
    fn of(note: &FaultNote) -> Self {
        let FaultNote { requester, bdf, access, address, reason, verdict, completeness, .. } = *note;
        Self { requester, bdf, access, address, reason, verdict, completeness }
    }
}

/// Why a part of the test failed.
enum Failure {
    /// No memory for buffers or books.
    NoMemory,
    /// Too many attacks are under way.
    TooManyAttacks,
    /// The tables could not be made wrong.
    Misprogram(MisprogramError),
    /// The unit refused.
    Unit(IommuError),
    /// The device's transfer.
    Transfer(&'static str),
    /// The fault interrupt could not be held back.
    NotHeldBack,
    /// No fault was recorded.
    NoFault,
    /// A fault was recorded, but not the right one.
    OtherFault(Seen),
    /// There were other records or interrupts than there should be.
    Count { what: &'static str, expected: u64, found: u64 },
    /// What the unit says of itself.
    Status(vtd::spec::fault_event::FaultStatus),
    /// The device reached memory.
    Reached,
    /// A count was called exact that may be too low.
    CalledExact,
    /// The queue was not recovered, or from something else.
    NotRecovered,
    /// The next ordinary fault, or the device's own memory.
    Afterwards(Judgement),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory => f.write_str("no memory"),
            Self::TooManyAttacks => f.write_str("too many attacks are under way"),
            Self::Misprogram(error) => error.fmt(f),
            Self::Unit(error) => error.fmt(f),
            Self::Transfer(error) => f.write_str(error),
            Self::NotHeldBack => f.write_str("the fault interrupt could not be held back"),
            Self::NoFault => f.write_str("no fault was recorded"),
            Self::OtherFault(Seen { requester, access, address, reason, verdict, .. }) => {
                let page = address.unwrap_or_default();
                write!(f, "recorded was {access} at {page} by {requester}, reason {:#x}: {verdict}", reason.0)
            }
            Self::Count { what, expected, found } => write!(f, "{found} {what} instead of {expected}"),
            Self::Status(status) => write!(f, "the unit's fault status is {:#x}", status.bits()),
            Self::Reached => f.write_str("the device reached memory"),
            Self::CalledExact => f.write_str("the count was called exact"),
            Self::NotRecovered => f.write_str("the queue was not recovered from the bad descriptor"),
            Self::Afterwards(judgement) => write!(f, "afterwards an ordinary overreach: {judgement:?}"),
        }
    }
}

impl From<MisprogramError> for Failure {
    fn from(error: MisprogramError) -> Self {
        Self::Misprogram(error)
    }
}

impl From<IommuError> for Failure {
    fn from(error: IommuError) -> Self {
        Self::Unit(error)
    }
}

/// Reports how a part came out; `what` says which step of it failed.
fn report(name: &str, result: &Result<(), (&'static str, Failure)>) {
    match result {
        Ok(()) => check(name, Ok(())),
        Err((what, failure)) => {
            let detail = Text::<256>::of(&format_args!("{what}: {failure}"));
            check(name, Err(detail.as_str()));
        }
    }
}

/// Waits for the first fault of a device since a time.
fn wait_for_fault(device: &dyn Overreach, since: u64) -> Result<Seen, Failure> {
    let mut found = None;
    clock::wait_until(Deadline::after(ANSWER), || {
        found = first_fault(device, since);
        found.is_some()
    });
    if found.is_none() {
        // What waits without an interrupt must not be taken for the next one.
        faults::poll();
    }
    found.ok_or(Failure::NoFault)
}

fn first_fault(device: &dyn Overreach, since: u64) -> Option<Seen> {
    let mut found = None;
    faults::recent(|note| {
        if note.requester == device.record().requester && note.at >= since && found.is_none() {
            found = Some(Seen::of(note));
        }
    });
    found
}

/// The positive twin of everything here: each device reaches its own memory, and its next ordinary overreach is
/// blocked, recorded and rightly explained.
#[inline(never)]
fn work_as_before(devices: &[&'static dyn Overreach]) -> Result<(), Failure> {
    let order = Order::of_self_test(Access::Write, Target::Canary);
    let wrong = |judgement: &Judgement| !matches!(judgement, Judgement::Blocked { verdict, expected } if verdict == expected);
    match run_attacks(devices, order).into_iter().find(wrong) {
        None => Ok(()),
        Some(judgement) => Err(Failure::Afterwards(judgement)),
    }
}

/// A page that is mapped for nobody, and its number, which is no live address of the device.
fn unmapped_page(device: &dyn Overreach) -> Result<(PageBuffer, Iova), Failure> {
    // Pages with the wrong number are kept until one fits, or the allocator would give them again.
    let mut misfits: [Option<PageBuffer>; 8] = [const { None }; 8];
    for slot in &mut misfits {
        let page = PageBuffer::new(0).map_err(|_| Failure::NoMemory)?;
        let iova = Iova::new(inspect::buffer(&page).as_u64());
        if device.dma().reaches(iova) && !device.dma().is_live(iova) {
            return Ok((page, iova));
        }
        *slot = Some(page);
    }
    Err(Failure::NoMemory)
}
