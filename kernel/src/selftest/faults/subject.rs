//! The device that the tables are made wrong for, and the memory it has meanwhile.
#![expect(unsafe_code, reason = "UNSAFETY: makes tables wrong that the device goes by")]

use dma_types::{Access, Iova, PAGE_SIZE, PhysAddr};

use super::case::{Case, Target, Wrong};
use super::{Failure, Seen, obedient_devices, unmapped_page, wait_for_fault};
use crate::attack::{Notice, announce, land};
use crate::devices::{self, DeviceAttempt, DeviceRecord, Overreach, Role};
use crate::dma::{Both, FromDevice, Mapping, PageBuffer, ToDevice, inspect};
use crate::iommu::{self, Unit};
use crate::memory::direct;
use crate::platform::clock;
use crate::selftest::misprogram::{Change, Half, Misprogrammed, TableWord, Way};
use crate::selftest::transfer;

/// What every page here holds before a device is told to go there.
const FILL: u8 = 0x69;

/// A device and memory of its own, mapped in every way.
pub(super) struct Subject {
    /// The device.
    pub device: &'static dyn Overreach,
    /// Its unit.
    pub unit: &'static Unit,
    own: Mapping<Both>,
    readable: Mapping<ToDevice>,
    writable: Mapping<FromDevice>,
    unmapped: (PageBuffer, Iova),
}

/// A device whose root and context entries serve nobody else: no other endpoint's requests carry an id of its
/// bus, so what is wrong there opens and closes nothing for them.
pub(super) fn alone_on_its_bus() -> Option<&'static dyn Overreach> {
    obedient_devices().find(|device| {
        let record = device.record();
        let bus = record.bdf.source.bus();
        let on_the_bus = |other: &DeviceRecord| {
            other.unit == record.unit && other.aliases.iter().any(|alias| alias.bus() == bus)
        };
        let others = || devices::all().iter().filter(|other| other.bdf != record.bdf);
        record.requester == record.bdf
            && record.aliases.iter().all(|alias| *alias == record.bdf.source)
            && others().all(|other| other.role == Role::Bridge || !on_the_bus(other))
            && has_own_tables(record)
    })
}

/// A device whose domain is nobody else's.
pub(super) fn with_own_tables() -> Option<&'static dyn Overreach> {
    alone_on_its_bus().or_else(|| obedient_devices().find(|device| has_own_tables(device.record())))
}

fn has_own_tables(record: &DeviceRecord) -> bool {
    devices::all()
        .iter()
        .filter(|other| other.group == record.group)
        .all(|other| other.bdf == record.bdf || other.role == Role::Bridge)
}

impl Subject {
    /// Gives a device its memory.
    pub fn new(device: &'static dyn Overreach) -> Result<Self, Failure> {
        let unit = iommu::unit_of(device.record()).ok_or(Failure::NoMemory)?;
        let page = || PageBuffer::new(0).map_err(|_| Failure::NoMemory);
        let dma = device.dma();
        let label = "fault test";
        Ok(Self {
            device,
            unit,
            own: dma.map(page()?, label).map_err(|_| Failure::NoMemory)?,
            readable: dma.map(page()?, label).map_err(|_| Failure::NoMemory)?,
            writable: dma.map(page()?, label).map_err(|_| Failure::NoMemory)?,
            unmapped: unmapped_page(device)?,
        })
    }

    /// Where a target lies for the device.
    pub fn iova(&self, target: Target) -> Iova {
        match target {
            Target::Own => self.own.iova(),
            Target::Readable => self.readable.iova(),
            Target::Writable => self.writable.iova(),
            Target::Unmapped => self.unmapped.1,
            Target::BeyondWidth => Iova::new(1 << self.unit.width()),
        }
    }

    /// Where the page that the device may use both ways lies in memory.
    pub fn own_memory(&self) -> PhysAddr {
        inspect::mapping(&self.own)
    }

    /// Lets the device do what a case says, and compares the fault with what it must be.
    pub fn provoke(&mut self, reason: u8, case: &Case) -> Result<(), Failure> {
        inspect::fill(&mut self.own, FILL);
        inspect::fill(&mut self.readable, FILL);
        inspect::fill(&mut self.writable, FILL);
        self.unmapped.0.bytes_mut().fill(FILL);
        let (record, iova) = (self.device.record(), self.iova(case.target));
        let flight = announce(record, case.access, iova, Notice::Announced).ok_or(Failure::TooManyAttacks)?;
        let seen = self.go_wrong(case, iova);
        land(flight);
        if !self.is_untouched() {
            return Err(Failure::Reached);
        }
        let note = seen?;
        let right = note.reason.0 == reason
            && note.bdf == Some(record.bdf)
            && note.access == case.access
            && note.address == Some(iova.page())
            && note.verdict == case.verdict;
        if right { Ok(()) } else { Err(Failure::OtherFault(note)) }
    }

    /// Runs the transfer while things are wrong, until the fault is answered.
    fn go_wrong(&self, case: &Case, iova: Iova) -> Result<Seen, Failure> {
        let record = self.device.record();
        let way = Way { unit: self.unit, source: record.requester.source, iova };
        let wrong = match case.wrong {
            Wrong::Nothing => None,
            Wrong::Word(place, change) => Some((place, change)),
            Wrong::GivenUp => Some((TableWord::Context(Half::Low), Change { clear: 1, set: 0 })),
        };
        // SAFETY: the tables are this device's alone, by `alone_on_its_bus` or `with_own_tables`, and it is told of nothing
        // but the request below, which every case has fail.
        let new = |(place, change)| unsafe { Misprogrammed::new(way, place, change) };
        let wrong = wrong.map(new).transpose()?;
        let given_up = matches!(case.wrong, Wrong::GivenUp).then(|| GivenUp::new(record));
        let since = clock::now_ns();
        let seen = transfer(self.device, case.access, iova)
            .map_err(Failure::Transfer)
            .and_then(|()| wait_for_fault(self.device, since));
        drop(given_up);
        wrong.map_or(Ok(()), Misprogrammed::restore)?;
        seen
    }

    fn pages(&self) -> [PhysAddr; 4] {
        let (readable, writable) = (inspect::mapping(&self.readable), inspect::mapping(&self.writable));
        [self.own_memory(), readable, writable, inspect::buffer(&self.unmapped.0)]
    }

    fn is_untouched(&self) -> bool {
        self.pages().iter().all(|page| {
            let mut bytes = [0; PAGE_SIZE as usize];
            direct::read(*page, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == FILL)
        })
    }
}

/// A device that the books take for one that nobody drives, until this is dropped.
struct GivenUp {
    record: &'static DeviceRecord,
    driver: Option<&'static str>,
    reach: Iova,
    back: Option<DeviceAttempt>,
}

impl GivenUp {
    fn new(record: &'static DeviceRecord) -> Self {
        let (driver, reach) = (record.driver(), record.reach());
        record.clear_driver();
        record.life_events().give_up();
        record.report_change();
        Self { record, driver, reach, back: DeviceAttempt::entry(record).ok() }
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(driver) = self.driver {
            self.record.set_driver(driver);
        }
        self.record.set_reach(self.reach);
        if self.back.take().is_some_and(|back| back.finish().is_err()) {
            log::error!("{} was cut off while it counted as given up", self.record);
        }
    }
}

/// The verdict that the books give for a target as it is.
pub(super) fn by_the_books(subject: &Subject, target: Target, access: Access) -> diagnosis::Verdict {
    crate::faults::predict(subject.device.record(), subject.iova(target), access)
}
