//! The kernel's record of one PCI function.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, Range};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use ::iommu::{AtomicLifeCycle, LifeCycle, Presence, State};
use dma_types::{Bdf, Iova, SourceId};
use options::Policy;
use pci::Tie;
use report::{DeviceState, Event};

use super::KINDS;
use crate::journal;
use crate::platform::clock;
use crate::sync::AtomicChoice;
use crate::text::Text;

/// What the kernel knows of a function, for as long as it runs.
///
/// Its address is parameter 2 of a DMA violation's bug check, so records never move.
pub struct DeviceRecord {
    facts: Facts,
    life: AtomicLifeCycle,
    /// The state that was reported last.
    reported: AtomicChoice<DeviceState, 5>,
    policy: AtomicChoice<Option<Policy>, 4>,
    /// The driver's place in the table of drivers, from 1 on; 0 for none.
    driver: AtomicU8,
    reach: AtomicU64,
}

impl Deref for DeviceRecord {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

/// The part a function plays in DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It makes requests of its own.
    Endpoint,
    /// It passes on the requests of others, while some of them may make any.
    Bridge,
}

/// Whether a device may be let into pages that are not its buffer's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It may not: what the option `trust` does not name.
    Untrusted,
    /// The user named it, and all endpoints that share its domain.
    Trusted,
}

/// Whether a device may be given to a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is part of the machine, or the user lets external devices in.
    Admitted,
    /// It is external, so it stays blocked.
    Barred,
}

/// The way that a function's requests take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Through its unit, as far as anyone can tell.
    Translated,
    /// Around it, by the function's own account.
    Around,
}

/// What enumeration found and the user said; it never changes.
pub struct Facts {
    /// The function.
    pub bdf: Bdf,
    /// Vendor and device id.
    pub id: (u16, u16),
    /// Its class in words.
    pub class: String,
    /// Its name for people.
    pub name: String,
    /// Whether DMA of others passes through it.
    pub role: Role,
    /// The unit that covers it.
    pub unit: Option<usize>,
    /// Its isolation group.
    pub group: u32,
    /// The id that its DMA carries.
    pub requester: Bdf,
    /// Every id that its DMA may carry, sorted, `requester` among them.
    pub aliases: Vec<SourceId>,
    /// The addresses that bridges above turn to its neighbours, before a unit sees them.
    pub turned: Vec<Range<Iova>>,
    /// Those that are cut off with it.
    pub tie: &'static Tie,
    /// Whether its requests pass through the unit that covers it.
    pub path: Path,
    /// Whether firmware left its bus mastering on.
    pub bus_master_at_boot: bool,
    /// Whether it may see what lies beside its buffers.
    pub trust: Trust,
    /// Whether it may work at all.
    pub admission: Admission,
    /// Its capabilities, for switching it off in order.
    pub pci: pci::Function,
}

/// Who claims devices for the kernel's own tests.
pub const SELF_TEST: &str = "selftest";

/// Everybody who may claim a device.
fn claimants() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name).chain([SELF_TEST])
}

const STATES: [DeviceState; 5] = [
    DeviceState::Blocked,
    DeviceState::Assigned,
    DeviceState::FirmwareRegion,
    DeviceState::BypassesIommu,
    DeviceState::Quarantined,
];

const POLICIES: [Option<Policy>; 4] =
    [None, Some(Policy::Bugcheck), Some(Policy::Contain), Some(Policy::Log)];

impl DeviceRecord {
    /// Makes a record of a function that may do nothing yet.
    pub fn new(facts: Facts) -> Self {
        let state = match (facts.unit, facts.path, facts.role) {
            (None, ..) | (_, Path::Around, _) => State::BypassesIommu,
            (Some(_), Path::Translated, Role::Endpoint) => State::Blocked,
            (Some(_), Path::Translated, Role::Bridge) => State::PortOpen,
        };
        let record = Self {
            facts,
            life: AtomicLifeCycle::new(state),
            reported: AtomicChoice::new(&STATES),
            policy: AtomicChoice::new(&POLICIES),
            driver: AtomicU8::new(0),
            reach: AtomicU64::new(0),
        };
        record.reported.set(record.state());
        record
    }

    /// What it may do now, in the report's words.
    pub fn state(&self) -> DeviceState {
        match self.life.state() {
            State::Blocked | State::PortOpen => DeviceState::Blocked,
            State::Assigned => DeviceState::Assigned,
            State::FirmwareRegion => DeviceState::FirmwareRegion,
            State::BypassesIommu => DeviceState::BypassesIommu,
            State::Quarantined | State::PortClosed => DeviceState::Quarantined,
        }
    }

    /// Where its life stands.
    pub fn life(&self) -> LifeCycle {
        self.life.get()
    }

    /// Its life, for events that take something from it; each is followed by [`report_change`](Self::report_change).
    pub fn life_events(&self) -> &AtomicLifeCycle {
        &self.life
    }

    /// Tells whether it can be given memory now.
    #[inline(always)]
    pub fn is_open(&self) -> bool {
        self.life.is_open()
    }

    /// Reports its state, unless that was reported already.
    pub fn report_change(&self) {
        let now = self.state();
        if self.reported.set(now) != now {
            self.report();
        }
    }

    /// Who drives it.
    pub fn driver(&self) -> Option<&'static str> {
        let place = usize::from(self.driver.load(Ordering::Relaxed)).checked_sub(1)?;
        claimants().nth(place)
    }

    /// Names its driver; the next change of its state reports it.
    pub fn set_driver(&self, driver: &'static str) {
        let place = claimants().position(|name| name == driver);
        self.driver.store(place.map_or(0, |place| place as u8 + 1), Ordering::Relaxed);
    }

    /// Forgets its driver; the next change of its state reports it.
    pub fn clear_driver(&self) {
        self.driver.store(0, Ordering::Relaxed);
        self.set_reach(Iova::new(0));
    }

    /// Tells whether it has left for good; something else may stand in its place.
    pub fn has_left(&self) -> bool {
        self.life().presence() == Presence::Left
    }

    /// Tells whether it has to answer at any time.
    pub(super) fn is_here(&self) -> bool {
        self.life().presence() == Presence::Here
    }

    /// The highest address that it can send, as its driver knows.
    pub fn reach(&self) -> Iova {
        Iova::new(self.reach.load(Ordering::Relaxed))
    }

    /// Notes the highest address that it can send.
    pub fn set_reach(&self, highest: Iova) {
        self.reach.store(highest.as_u64(), Ordering::Relaxed);
    }

    /// The policy for its violations, where it has one of its own.
    pub fn policy(&self) -> Option<Policy> {
        self.policy.get()
    }

    /// Gives it a policy of its own.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.set(Some(policy));
    }

    /// Vendor and device id as `vvvv:dddd`. Allocates nothing.
    pub fn vendor_device(&self) -> Text<9> {
        let (vendor, device) = self.id;
        Text::of(&format_args!("{vendor:04x}:{device:04x}"))
    }

    /// The record's address, as the bug check shows it.
    pub fn object(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    /// Writes its line into the report.
    pub fn report(&self) {
        let id = self.vendor_device();
        let refused = self.pci.refused.map(|refusal| Text::<192>::of(&refusal));
        journal::emit(&Event::Device(report::Device {
            t: clock::now_ns(),
            bdf: self.bdf.into(),
            id: id.as_str().into(),
            class: self.class.as_str().into(),
            name: self.name.as_str().into(),
            unit: self.unit.and_then(|unit| u32::try_from(unit).ok()),
            group: self.group,
            requester: self.requester.into(),
            object: report::Hex(self.object()),
            state: self.state(),
            driver: self.driver().map(Into::into),
            bus_master_at_boot: self.bus_master_at_boot,
            refused: refused.as_ref().map(|text| text.as_str().into()),
        }));
    }
}

impl fmt::Display for DeviceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.bdf, self.name)
    }
}
