//! The machine as the diagnosis sees it: devices, domains, and what the tables hold.

use core::cell::Cell;
use core::ops::Range;
use core::ptr;

use ::iommu::interrupts::Fate;
use arrayvec::ArrayVec;
use diagnosis::{Book, Diagnosis, Fault, FirmwareMemory, Function, InterruptEntry, Standing, WalkCheck};
use dma_types::{Bdf, InterruptIndex, Iova, PageSize, Permissions, PhysAddr};
use report::DeviceState;
use vtd::tables::RequestWalk;

use super::accounts;
use crate::devices::{self, DeviceRecord, Role};
use crate::dma::{self, Books, Domain};
use crate::iommu::{Unit, regions};
use crate::memory::arc::Arc;
use crate::sync::{InterruptsOff, IrqGuard, rank};

/// Functions that are looked up once for a diagnosis; where more share an id, they are searched for each time.
const LOOKED_UP: usize = 8;

/// Those behind a requester, and the domain in which they work, held for the length of a diagnosis.
pub struct Held {
    requester: Bdf,
    behind: ArrayVec<&'static DeviceRecord, LOOKED_UP>,
    own: Option<Arc<Domain>>,
}

impl Held {
    /// Takes hold of the domain of those behind a requester. They share it: functions with an id in common are one
    /// group.
    pub fn of(requester: Bdf) -> Self {
        let behind: ArrayVec<_, LOOKED_UP> = devices::behind(requester).take(LOOKED_UP).collect();
        let own = behind.first().and_then(|record| Domain::of_group(record.group));
        Self { requester, behind, own }
    }

    /// The functions whose requests may carry the id.
    fn behind(&self) -> impl Iterator<Item = &'static DeviceRecord> {
        let rest = self.behind.is_full().then(|| devices::behind(self.requester).skip(LOOKED_UP));
        self.behind.iter().copied().chain(rest.into_iter().flatten())
    }
}

/// The requester's books, locked; and with them the answers that the diagnosis asks for.
pub struct KernelWorld<'h> {
    held: &'h Held,
    own: Option<(&'h Domain, IrqGuard<'h, Books, rank::Domain>)>,
    unit: Option<&'static Unit>,
    walked: Cell<Option<RequestWalk>>,
    // After the guard, so that interrupts come back only when no book is locked.
    _off: InterruptsOff,
}

impl<'h> KernelWorld<'h> {
    /// Locks the books of the domain held, for a request that a unit answers.
    ///
    /// One fault is judged at a time: those of other domains are locked in turn while these are.
    pub fn new(held: &'h Held, unit: Option<&'static Unit>) -> Self {
        let off = InterruptsOff::new();
        let own = held.own.as_deref().map(|domain| (domain, domain.lock_books()));
        Self { held, own, unit, walked: Cell::new(None), _off: off }
    }

    /// The entries that the walk of the diagnosis met, once there was one.
    pub fn walked(&self) -> Option<RequestWalk> {
        self.walked.get()
    }

    /// The function held responsible.
    pub fn suspect(&self, diagnosis: &Diagnosis<'_>) -> Option<&'static DeviceRecord> {
        let suspect = diagnosis.suspect?.function.device.bdf;
        self.held.behind().find(|record| record.bdf == suspect)
    }

    /// The books of a device's domain.
    fn books_of(&self, record: &DeviceRecord) -> Option<&Books> {
        let (domain, books) = self.own.as_ref()?;
        (domain.group() == record.group).then_some(&**books)
    }
}

/// A device in the diagnosis' words.
fn in_words(record: &'static DeviceRecord) -> diagnosis::Device<'static> {
    diagnosis::Device { bdf: record.bdf, name: &record.name, driver: record.driver() }
}

/// Whose a domain is: of its group, the member that somebody drives.
fn owner_of(domain: &Domain) -> Option<&'static DeviceRecord> {
    let mut members = devices::all().iter().filter(|record| record.group == domain.group());
    members.clone().find(|record| record.driver().is_some()).or_else(|| members.next())
}

impl diagnosis::World for KernelWorld<'_> {
    fn candidates(&self, _: Bdf) -> impl Iterator<Item = Function<'_>> {
        // A bridge's id stands for those behind it; by itself it requests nothing.
        let any_endpoint = self.held.behind().any(|record| record.role == Role::Endpoint);
        let may_have_sent = move |record: &&DeviceRecord| record.role == Role::Endpoint || !any_endpoint;
        self.held.behind().filter(may_have_sent).map(|record| Function {
            device: in_words(record),
            standing: match record.state() {
                DeviceState::Quarantined => Standing::Quarantined,
                _ => Standing::Enabled,
            },
            firmware_memory: match regions::of_group(record.group).next() {
                Some(_) => FirmwareMemory::Reserved,
                None => FirmwareMemory::None,
            },
            book: self.books_of(record).map(Books::book),
        })
    }

    fn find_in_domains<T>(
        &self,
        mut look: impl FnMut(&Book) -> Option<T>,
    ) -> Option<(diagnosis::Device<'_>, T)> {
        dma::find_in_domains(|domain| {
            let found = match &self.own {
                // Locked already.
                Some((own, books)) if ptr::eq(*own, domain) => look(books.book()),
                _ => look(domain.lock_books_beside().book()),
            }?;
            Some((in_words(owner_of(domain)?), found))
        })
    }

    fn had_before(&self, _: Bdf) -> Range<Iova> {
        self.own.as_ref().map_or(Iova::default()..Iova::default(), |(own, _)| dma::had_before(own.group()))
    }

    fn walk(&self, fault: &Fault) -> WalkCheck {
        let walked = self.unit.and_then(|unit| unit.walk(fault.requester.source, fault.address));
        self.walked.set(walked);
        let agrees = |record| walked.is_none_or(|walk| self.agrees(record, fault.address, &walk));
        if self.held.behind().all(agrees) { WalkCheck::Agrees } else { WalkCheck::Differs }
    }

    fn interrupt_entry(&self, index: InterruptIndex) -> InterruptEntry<'_> {
        // A unit that the kernel has not remap interrupts refuses one by a table of firmware's, if at all.
        let unit = self.unit.filter(|unit| unit.remaps_interrupts());
        let owned = |owner| devices::find(owner).map(in_words);
        match unit.map_or(Fate::NeverGiven, |unit| unit.interrupt_fate(index)) {
            Fate::Live { owner } => {
                owned(owner).map_or(InterruptEntry::NeverGiven, |owner| InterruptEntry::Live { owner })
            }
            Fate::Withdrawn { owner, at } => owned(owner)
                .map_or(InterruptEntry::NeverGiven, |owner| InterruptEntry::Withdrawn { owner, at }),
            Fate::NeverGiven => InterruptEntry::NeverGiven,
            Fate::OutOfRange => InterruptEntry::OutOfRange,
        }
    }

    fn port_above(&self, requester: Bdf) -> Option<Bdf> {
        accounts::port_above(requester)
    }

    fn address_width(&self, _: Bdf) -> u8 {
        self.unit.map_or(0, Unit::width)
    }
}

impl KernelWorld<'_> {
    /// Tells whether the tables hold for this device what the books say they should.
    fn agrees(&self, record: &'static DeviceRecord, address: Option<Iova>, walk: &RequestWalk) -> bool {
        // While it is moved, its ids lead nowhere although it works.
        let open = record.life().works() && !record.life().in_attempt();
        let Some(books) = self.books_of(record).filter(|_| open) else {
            // Another member of the group may own the id, so an entry alone proves nothing.
            return true;
        };
        books.space().wrote(walk)
            && address.is_none_or(|page| same_at(walk.path.translation(page), books.book(), page))
    }
}

/// Compares tables and books at one page.
fn same_at(walked: Option<(PhysAddr, Permissions, PageSize)>, book: &Book, page: Iova) -> bool {
    match (walked, book.live_at(page)) {
        (None, None) => true,
        (Some((memory, permissions, _)), Some(owner)) => {
            permissions == owner.mapping.direction.permissions() && owner.mapping.backing.covers(memory)
        }
        _ => false,
    }
}
