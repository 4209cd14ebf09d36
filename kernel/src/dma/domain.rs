//! A domain: one group's address space, where there is room in it, and who used it when.

use alloc::vec::Vec;
use core::ops::{DerefMut, Range};
use core::sync::atomic::{AtomicU64, Ordering};

use ::iommu::group::Membership;
use coverage::Pages;
use diagnosis::Site;
use dma_types::{DomainId, Iova};
use iova::{DomainWindow, IovaAllocator};
use report::{Event, Function};

use super::books::Books;
use super::space::Space;
use super::{DmaError, window};
use crate::devices;
use crate::iommu::{AddressSpace, Unit, regions};
use crate::journal;
use crate::memory::arc::{Arc, Weak};
use crate::platform::clock;
use crate::sync::{InterruptsOff, IrqGuard, IrqLock, rank};

/// The address space of one group of devices.
pub struct Domain {
    group: u32,
    unit: &'static Unit,
    id: DomainId,
    books: IrqLock<Books, rank::Domain>,
}

/// Every domain that lives.
static DOMAINS: IrqLock<Vec<Weak<Domain>>, rank::Domains> = IrqLock::new(Vec::new());

/// Domains made so far, for the choice of windows.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Of each group that ever had a domain, a range with all addresses in it that it had in those that are gone.
static RETIRED: IrqLock<Vec<(u32, Range<Iova>)>, rank::Retired> = IrqLock::new(Vec::new());

/// Makes room to note what a group had, once for all its domains.
fn expect_retirement(group: u32) -> Result<(), DmaError> {
    let mut retired = RETIRED.lock();
    if retired.iter().all(|(other, _)| *other != group) {
        retired.try_reserve(1)?;
        retired.push((group, Iova::default()..Iova::default()));
    }
    Ok(())
}

/// A range with all addresses in it that a group had in domains before its present one. Allocates nothing.
pub fn had_before(group: u32) -> Range<Iova> {
    let retired = RETIRED.lock();
    let of_group = retired.iter().find(|(other, _)| *other == group);
    of_group.map_or(Iova::default()..Iova::default(), |(_, had)| had.clone())
}

/// Calls `visit` for every domain. Allocates nothing.
pub fn domains(mut visit: impl FnMut(&Domain)) {
    find_in_domains(|domain| {
        visit(domain);
        None::<()>
    });
}

/// Asks every domain until one gives an answer. Allocates nothing, and the list is free meanwhile.
pub fn find_in_domains<T>(mut ask: impl FnMut(&Domain) -> Option<T>) -> Option<T> {
    for number in 0.. {
        let domain = DOMAINS.lock().get(number)?.upgrade();
        let answer = domain.and_then(|domain| ask(&domain));
        if answer.is_some() {
            return answer;
        }
    }
    None
}

/// Puts a domain among those that [`domains`] visits.
fn enter(domain: &Arc<Domain>) -> Result<(), DmaError> {
    let mut all = DOMAINS.lock();
    all.try_reserve(1)?;
    all.push(Arc::downgrade(domain));
    Ok(())
}

impl Domain {
    /// Makes the domain of a group, with the firmware regions of its members in it and nothing else.
    ///
    /// `highest` is the highest address that its devices can send.
    ///
    /// # Errors
    /// If the unit or memory refuses.
    pub(super) fn new(
        unit: &'static Unit,
        group: u32,
        highest: Iova,
        site: Site,
    ) -> Result<Arc<Self>, DmaError> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let DomainWindow { addresses, start } = DomainWindow::choose(number, highest, unit.width());
        let regions = coverage::union(regions::of_group(group).map(|region| region.pages));
        let taken = regions.clone().map(Pages::iovas);
        let room = IovaAllocator::new(addresses.clone(), window::reserved(group).chain(taken), start)?;
        let mut books = Books::new(room, AddressSpace::new(unit)?, addresses)?;
        for pages in regions {
            books.hold_firmware_region(pages, site)?;
        }
        expect_retirement(group)?;
        let id = books.space().id();
        let domain = Arc::try_new(Self { group, unit, id, books: IrqLock::new(books) })?;
        enter(&domain)?;
        Ok(domain)
    }

    /// The domain that a group has, or had last if somebody still holds that one. Allocates nothing.
    pub fn of_group(group: u32) -> Option<Arc<Self>> {
        let last = DOMAINS.lock().len();
        (0..last).rev().find_map(|number| {
            // Kept beyond the lock: what was asked for may end here, and its end takes the lock.
            let domain = DOMAINS.lock().get(number)?.upgrade()?;
            (domain.group == group).then_some(domain)
        })
    }

    /// The group that it belongs to.
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Its unit.
    pub fn unit(&self) -> &'static Unit {
        self.unit
    }

    /// Its number on its unit.
    pub fn id(&self) -> DomainId {
        self.id
    }

    /// Its tables, apart from the books.
    pub fn space(&self) -> Space<'_> {
        Space::of(self)
    }

    /// The books, for as long as the guard lives.
    pub fn lock_books(&self) -> IrqGuard<'_, Books, rank::Domain> {
        self.books.lock()
    }

    /// The books, for who judges faults and may hold those of another domain: no other of these.
    pub fn lock_books_beside(&self) -> IrqGuard<'_, Books, rank::Domain> {
        self.books.lock_beside()
    }

    /// Works on the tables, past the books.
    pub(super) fn with_space<T>(&self, work: impl FnOnce(&mut AddressSpace, &InterruptsOff) -> T) -> T {
        let off = InterruptsOff::new();
        work(self.books.lock_within(&off).space_mut(), &off)
    }

    /// The books, where interrupts are off already.
    #[inline]
    pub(super) fn books_within<'a>(
        &'a self,
        off: &'a InterruptsOff,
    ) -> impl DerefMut<Target = Books> + use<'a> {
        self.books.lock_within(off)
    }

    /// Notes which addresses its group had, before the group gives it up.
    pub(super) fn retire(&self) {
        let used = self.books.lock().book().used();
        let mut retired = RETIRED.lock();
        if let Some((_, had)) = retired.iter_mut().find(|(group, _)| *group == self.group) {
            *had = match (had.is_empty(), used.is_empty()) {
                (true, _) => used,
                (_, true) => return,
                _ => had.start.min(used.start)..had.end.max(used.end),
            };
        }
    }

    /// Enters what became of its devices.
    pub(super) fn note(&self, what: Membership, site: Site) {
        self.books.lock().note(what, site);
    }

    /// Writes its line into the report.
    pub fn report(&self) {
        let members = devices::all()
            .iter()
            .filter(|record| record.group == self.group && record.state() != report::DeviceState::Blocked);
        let bdfs: Vec<_> = members.clone().map(|record| Function(record.bdf)).collect();
        let driver = members.filter_map(|record| record.driver()).next();
        let size = self.space().size();
        journal::emit(&Event::Domain(report::Domain {
            t: clock::now_ns(),
            id: self.id.0,
            bdfs: bdfs.as_slice().into(),
            driver: driver.map(Into::into),
            mapped_bytes: size.mapped_bytes,
            mappings: self.lock_books().book().live_mappings(),
            table_pages: size.table_pages,
        }));
    }
}

/// What is known of it goes with it. No lock on the list of domains may be held where one ends.
impl Drop for Domain {
    fn drop(&mut self) {
        DOMAINS.lock().retain(|domain| domain.strong_count() > 0);
    }
}
