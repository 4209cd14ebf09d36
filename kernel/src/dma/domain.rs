//! A domain: one group's address space, where there is room in it, and who used it when.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use diagnosis::{Backing, Book, Label, Mapping, Site, Step, Timestamp};
use dma_types::{Direction, Iova, PageSize, PhysAddr};
use iova::{IovaAllocator, IovaRange};
use report::{Event, Function};

use super::{DmaError, window};
use crate::arch::interrupts::{IrqGuard, IrqLock};
use crate::devices;
use crate::iommu::{AddressSpace, Unit, regions};
use crate::journal;
use crate::memory::arc::{Arc, Weak};
use crate::platform::clock;

/// The address space of one group of devices.
pub struct Domain {
    group: u32,
    space: AddressSpace,
    books: IrqLock<Books>,
}

/// Room and history. They change together, with interrupts off, so the fault handler sees neither half.
pub struct Books {
    room: IovaAllocator,
    book: Book,
}

impl Books {
    /// Who used which range when.
    pub fn book(&self) -> &Book {
        &self.book
    }
}

/// Every domain that lives.
static DOMAINS: IrqLock<Vec<Weak<Domain>>> = IrqLock::new(Vec::new());

/// Domains made so far, for the choice of windows.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Calls `visit` for every domain. Allocates nothing.
pub fn domains(mut visit: impl FnMut(&Arc<Domain>)) {
    for domain in DOMAINS.lock().iter().filter_map(Weak::upgrade) {
        visit(&domain);
    }
}

/// Puts a domain among those that [`domains`] visits.
fn enter(domain: &Arc<Domain>) -> Result<(), DmaError> {
    let mut all = DOMAINS.lock();
    all.try_reserve(1).map_err(|_| DmaError::Books)?;
    all.push(Arc::downgrade(domain));
    Ok(())
}

/// Makes the current step: now, by this call.
fn step(site: Site) -> Step {
    Step { at: Timestamp::from_nanos(clock::now_ns()), site }
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
        let space = AddressSpace::new(unit)?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let (window, start) = window::choose(number, highest, unit.width());
        let regions = regions::of_group(group);
        let taken = regions.clone().map(|region| {
            let base = region.base.as_u64();
            Iova::new(base)..Iova::new(base + region.bytes)
        });
        let mut books = Books {
            room: IovaAllocator::new(window.clone(), window::reserved().chain(taken), start)?,
            book: Book::new(window).map_err(|_| DmaError::Books)?,
        };
        for region in regions {
            let iova = Iova::new(region.base.as_u64());
            let permissions = Direction::Bidirectional.permissions();
            space.map(iova, region.base, region.bytes, permissions)?;
            let backing = Backing::new(region.base, region.bytes);
            books.book.record_firmware_region(backing, step(site)).map_err(|_| DmaError::Books)?;
        }
        let domain = Arc::try_new(Self { group, space, books: IrqLock::new(books) })?;
        enter(&domain)?;
        Ok(domain)
    }

    /// The group that it belongs to.
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Its tables.
    pub fn space(&self) -> &AddressSpace {
        &self.space
    }

    /// The books, for as long as the guard lives.
    pub fn lock_books(&self) -> IrqGuard<'_, Books> {
        self.books.lock()
    }

    /// Maps the pages that memory touches and enters the memory in the books. The address keeps the offset
    /// within the page.
    ///
    /// # Errors
    /// If there is no room or no memory; nothing has changed then.
    pub(super) fn map(
        &self,
        memory: PhysAddr,
        bytes: u64,
        direction: Direction,
        label: Label,
        site: Site,
    ) -> Result<IovaRange, DmaError> {
        let mut books = self.books.lock();
        let Books { room, book } = &mut *books;
        let alignment = best_alignment(memory, bytes);
        let backing = Backing::new(memory, bytes);
        let range = room.allocate(backing.pages(), alignment)?;
        let page = range.start();
        if let Err(error) = self.space.map(page, memory.page(), range.length(), direction.permissions()) {
            room.free(range)?;
            return Err(error.into());
        }
        let start = Iova::new(page.as_u64() + memory.page_offset());
        let mapping = Mapping { start, length: bytes, direction, label, backing, mapped: step(site) };
        if book.record_map(&range, &mapping).is_err() {
            self.space.unmap(page, range.length())?;
            room.free(range)?;
            return Err(DmaError::Books);
        }
        Ok(range)
    }

    /// Unmaps what [`map`](Self::map) gave and waits until the unit has forgotten it.
    ///
    /// # Errors
    /// If the unit did not confirm. The range stays in the books as live and is never handed out again, and
    /// the memory behind it must never be used again.
    pub(super) fn unmap(&self, range: IovaRange, site: Site) -> Result<(), DmaError> {
        let mut books = self.books.lock();
        let Books { room, book } = &mut *books;
        self.space.unmap(range.start(), range.length())?;
        book.record_unmap(&range, step(site)).map_err(|_| DmaError::Books)?;
        Ok(room.free(range)?)
    }

    /// Enters what became of its devices.
    pub(super) fn note(&self, what: Membership, site: Site) {
        let mut books = self.books.lock();
        match what {
            Membership::Attached => books.book.record_attach(step(site)),
            Membership::CutOff => books.book.record_detach(step(site)),
            Membership::Forgotten => books.book.record_flush(None, step(site)),
        }
    }

    /// Writes its line into the report.
    pub fn report(&self) {
        let members = devices::all()
            .iter()
            .filter(|record| record.group == self.group && record.state() != report::DeviceState::Blocked);
        let bdfs: Vec<_> = members.clone().map(|record| Function(record.bdf)).collect();
        let driver = members.filter_map(|record| record.driver()).next();
        let size = self.space.size();
        journal::emit(&Event::Domain(report::Domain {
            t: clock::now_ns(),
            id: self.space.id().0,
            bdfs: bdfs.as_slice().into(),
            driver: driver.map(Into::into),
            mapped_bytes: size.mapped_bytes,
            mappings: self.lock_books().book.live_mappings(),
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

/// What becomes of the devices of a domain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// They were put in.
    Attached,
    /// They were taken out.
    CutOff,
    /// The unit has confirmed that it remembers nothing of what they could reach.
    Forgotten,
}

/// The largest entry that could map the memory, so that the address is chosen to let it.
fn best_alignment(memory: PhysAddr, bytes: u64) -> PageSize {
    [PageSize::Size1G, PageSize::Size2M]
        .into_iter()
        .find(|size| bytes >= size.bytes() && memory.is_aligned(size.bytes()))
        .unwrap_or(PageSize::Size4K)
}
