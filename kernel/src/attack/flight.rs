//! Attacks under way: which fault each must cause, and what came of it.
//!
//! An attack is entered here before its device is started, and its fault is announced to the fault path, which must know it
//! when it comes. Nothing here allocates.

use diagnosis::Verdict;
use dma_types::{Access, Bdf, InterruptIndex, Iova, PhysAddr};
use fault_response::{Expectation, ExpectationId, Notice};
use options::Target;
use report::{Drill, DrillCommand, DrillResult, Event, ExpectedFault, Function, Hex};

use crate::devices::DeviceRecord;
use crate::faults;
use crate::journal;
use crate::memory::direct;
use crate::platform::{clock, serial};
use crate::sync::{IrqLock, rank};
use crate::text::Text;

/// Bytes of the target that a report shows.
pub const SHOWN: usize = 16;

/// Attacks that may be under way at once.
const SLOTS: usize = 32;

/// One overreach of one device.
#[derive(Clone, Copy)]
pub struct Flight {
    /// The command behind it; a self-test has none and reports a check instead.
    pub command: Option<DrillCommand>,
    /// Whether the fault is known to come.
    pub notice: Notice,
    /// The device.
    pub device: &'static DeviceRecord,
    /// What it is told to do.
    pub access: Access,
    /// What it is aimed at.
    pub target: Target,
    /// The address it is given.
    pub iova: Iova,
    /// Where the target lies in memory, if it is RAM.
    pub memory: Option<PhysAddr>,
    /// Bytes it moves.
    pub length: u32,
    /// The target's first bytes before.
    pub before: Option<[u8; SHOWN]>,
    /// The verdict that the fault must get; none where no fault can come.
    pub expected: Option<Verdict>,
    /// The interrupt entry aimed at, and whose it is.
    pub entry: Option<(InterruptIndex, Bdf)>,
    /// The verdict that its first fault got.
    pub seen: Option<Verdict>,
    /// The fault, where one can come.
    pub expectation: Option<ExpectationId>,
}

/// An attack's place among those under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlightId(usize);

static FLIGHTS: IrqLock<[Option<Flight>; SLOTS], rank::Flights> = IrqLock::new([None; SLOTS]);

/// Enters an attack; `None` if too many are under way.
///
/// The lines about its fault are written where nobody waits for a port. Whoever provokes faults one after another
/// makes room for them here, so that none is lost however slow the port is.
pub fn launch(mut flight: Flight) -> Option<FlightId> {
    serial::make_room();
    let mut flights = FLIGHTS.lock();
    let free = flights.iter().position(Option::is_none)?;
    if flight.expected.is_some() {
        flight.expectation = Some(faults::expect(flight.fault())?);
    }
    *flights.get_mut(free)? = Some(flight);
    Some(FlightId(free))
}

/// Enters an attack that a self-test runs by its own steps, aimed at an address.
pub fn announce(
    device: &'static DeviceRecord,
    access: Access,
    iova: Iova,
    notice: Notice,
) -> Option<FlightId> {
    launch(Flight {
        command: None,
        notice,
        device,
        access,
        target: Target::Address(iova),
        iova,
        memory: None,
        length: 0,
        before: None,
        expected: Some(Verdict::NeverMapped),
        entry: None,
        seen: None,
        expectation: None,
    })
}

/// Ends an attack and gives it back with what was seen of it.
///
/// Where the fault interrupt is masked, its record still waits, and must not come to be taken for one that
/// nobody announced: what waits is answered first.
pub fn land(id: FlightId) -> Option<Flight> {
    faults::poll();
    let mut flight = FLIGHTS.lock().get_mut(id.0)?.take()?;
    flight.seen = flight.expectation.and_then(faults::withdraw);
    Some(flight)
}

/// The verdict on an attack's first fault, if one has come.
pub fn seen(id: FlightId) -> Option<Verdict> {
    let flight = *FLIGHTS.lock().get(id.0)?.as_ref()?;
    flight.expectation.and_then(faults::seen)
}

/// The attack behind an expected fault, with the verdict that came. For the stop path.
pub fn behind(expectation: ExpectationId) -> Option<Flight> {
    let flights = FLIGHTS.try_lock()?;
    let flight = flights.iter().flatten().find(|flight| flight.expectation == Some(expectation))?;
    Some(Flight { seen: faults::seen(expectation), ..*flight })
}

impl Flight {
    /// The fault that it causes.
    fn fault(&self) -> Expectation {
        let Self { device, iova, notice, .. } = *self;
        let (address, access) = match self.target {
            Target::Interrupt => (None, Access::Interrupt),
            _ => (Some(iova), self.access),
        };
        Expectation { device: device.bdf, requester: device.requester, address, access, notice }
    }

    /// The target's first bytes now.
    pub fn look(&self) -> Option<[u8; SHOWN]> {
        let mut bytes = [0; SHOWN];
        direct::read(self.memory?, &mut bytes).ok()?;
        Some(bytes)
    }

    /// Reports what came of it, and notes a failure unless it was blocked with the right verdict.
    pub fn report(&self, result: DrillResult, detail: Option<&str>) {
        // A self-test reports a check of its own instead.
        let Some(command) = self.command else { return };
        if result == DrillResult::Leaked || self.seen.is_some_and(|seen| self.expected != Some(seen)) {
            journal::note_failure();
        }
        let target = Text::<32>::of(&self.target);
        let verdict = self.seen.map(|verdict| Text::<32>::of(&verdict));
        let entry = self
            .entry
            .map(|(index, owner)| Text::<64>::of(&format_args!("aimed at entry {index} of {owner}")));
        let fault = self.expected.map(|_| self.fault());
        let [before, after] =
            [self.before, self.look()].map(|bytes| bytes.map(Bytes).map(|b| Text::<64>::of(&b)));
        journal::emit(&Event::Drill(Drill {
            t: clock::now_ns(),
            command,
            bdf: Some(Function(self.device.bdf)),
            access: Some(self.access.into()),
            target: Some(target.as_str().into()),
            iova: Some(Hex(self.iova.as_u64())),
            target_phys: self.memory.map(|memory| Hex(memory.as_u64())),
            length: Some(u64::from(self.length)),
            before: before.as_ref().map(|text| text.as_str().into()),
            after: after.as_ref().map(|text| text.as_str().into()),
            expected_fault: fault.map(|fault| ExpectedFault {
                requester: Function(fault.requester),
                page: fault.address.map(|address| Hex(address.page().as_u64())),
                access: fault.access.into(),
            }),
            result,
            verdict: verdict.as_ref().map(|text| text.as_str().into()),
            detail: detail.or(entry.as_ref().map(Text::as_str)).map(Into::into),
        }));
    }
}

/// Bytes shown as hex without separators.
struct Bytes([u8; SHOWN]);

impl core::fmt::Display for Bytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
