//! The machine as the diagnosis sees it: devices, domains, and what the tables hold.

use core::cell::Cell;

use diagnosis::{Book, Fault, FirmwareMemory, Function, Standing, WalkCheck};
use dma_types::{Bdf, Iova, PageSize, Permissions, PhysAddr};
use report::DeviceState;
use vtd::tables::RequestWalk;

use crate::arch::interrupts::{InterruptsOff, IrqGuard};
use crate::devices::{self, DeviceRecord, Role};
use crate::dma::{Books, Domain, domains};
use crate::iommu::{Unit, regions};
use crate::memory::arc::Arc;

/// Domains that one diagnosis looks at; memory of those beyond is not recognised as foreign.
const MAX_DOMAINS: usize = 64;

/// Domains held for the length of a diagnosis.
pub struct Held {
    domains: [Option<Arc<Domain>>; MAX_DOMAINS],
}

impl Held {
    /// Takes hold of every domain.
    pub fn new() -> Self {
        let mut held = Self { domains: [const { None }; MAX_DOMAINS] };
        let mut free = held.domains.iter_mut();
        domains(|domain| {
            if let Some(slot) = free.next() {
                *slot = Some(domain.clone());
            }
        });
        held
    }
}

/// All books, locked; and with them the answers that the diagnosis asks for.
pub struct KernelWorld<'h> {
    books: [Option<(&'h Domain, IrqGuard<'h, Books>)>; MAX_DOMAINS],
    unit: Option<&'static Unit>,
    walked: Cell<Option<RequestWalk>>,
    // After the guards, so that interrupts come back only when no book is locked.
    _off: InterruptsOff,
}

impl<'h> KernelWorld<'h> {
    /// Locks the books of the domains held, for a request that a unit answers.
    pub fn new(held: &'h Held, unit: Option<&'static Unit>) -> Self {
        let off = InterruptsOff::new();
        let lock = |domain: &'h Option<Arc<Domain>>| {
            let domain = domain.as_deref()?;
            Some((domain, domain.lock_books()))
        };
        let books = held.domains.each_ref().map(lock);
        Self { books, unit, walked: Cell::new(None), _off: off }
    }

    /// The entries that the walk of the diagnosis met, once there was one.
    pub fn walked(&self) -> Option<RequestWalk> {
        self.walked.get()
    }

    fn all(&self) -> impl Iterator<Item = (&'h Domain, &Books)> {
        self.books.iter().flatten().map(|(domain, books)| (*domain, &**books))
    }

    fn of_group(&self, group: u32) -> Option<(&'h Domain, &Books)> {
        self.all().filter(|(domain, _)| domain.group() == group).last()
    }
}

/// A device in the diagnosis' words.
fn in_words(record: &'static DeviceRecord) -> diagnosis::Device<'static> {
    diagnosis::Device { bdf: record.bdf, name: &record.name, driver: record.driver() }
}

/// A domain in the diagnosis' words: of its group, the member that somebody drives.
fn domain_in_words<'w>(domain: &Domain, books: &'w Books) -> Option<diagnosis::Domain<'w>> {
    let members = || devices::all().iter().filter(|record| record.group == domain.group());
    let owner = members().find(|record| record.driver().is_some()).or_else(|| members().next())?;
    Some(diagnosis::Domain { id: domain.id(), device: in_words(owner), book: books.book() })
}

impl diagnosis::World for KernelWorld<'_> {
    fn candidates(&self, requester: Bdf) -> impl Iterator<Item = Function<'_>> {
        // A bridge's id stands for those behind it; by itself it requests nothing.
        let any_endpoint = devices::behind(requester).any(|record| record.role == Role::Endpoint);
        let may_have_sent = move |record: &&DeviceRecord| record.role == Role::Endpoint || !any_endpoint;
        devices::behind(requester).filter(may_have_sent).map(|record| Function {
            device: in_words(record),
            standing: match record.state() {
                DeviceState::Quarantined => Standing::Quarantined,
                _ => Standing::Enabled,
            },
            firmware_memory: match regions::of_group(record.group).next() {
                Some(_) => FirmwareMemory::Reserved,
                None => FirmwareMemory::None,
            },
            domain: self.of_group(record.group).and_then(|(domain, books)| domain_in_words(domain, books)),
        })
    }

    fn domains(&self) -> impl Iterator<Item = diagnosis::Domain<'_>> {
        self.all().filter_map(|(domain, books)| domain_in_words(domain, books))
    }

    fn walk(&self, fault: &Fault) -> WalkCheck {
        let walked = self.unit.and_then(|unit| unit.walk(fault.requester.source, fault.address));
        self.walked.set(walked);
        let agrees = |record| walked.is_none_or(|walk| self.agrees(record, fault.address, &walk));
        if devices::behind(fault.requester).all(agrees) { WalkCheck::Agrees } else { WalkCheck::Differs }
    }

    fn address_width(&self, _: Bdf) -> u8 {
        self.unit.map_or(0, Unit::width)
    }
}

impl KernelWorld<'_> {
    /// Tells whether the tables hold for this device what the books say they should.
    fn agrees(&self, record: &'static DeviceRecord, address: Option<Iova>, walk: &RequestWalk) -> bool {
        let open = matches!(record.state(), DeviceState::Assigned | DeviceState::FirmwareRegion);
        let Some((_, books)) = self.of_group(record.group).filter(|_| open) else {
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
