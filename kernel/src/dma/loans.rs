//! Memory lent by bare address, for drivers that cannot hold mappings.
//!
//! Crates written for other kernels lend and take back by address: the types cannot see what they do, so the
//! [`verifier`](super::verifier) does. No address that such a driver names is ever followed: what it lends is
//! copied to pages of its own, and back, so that a mistake costs data but never isolation. Or the driver around a
//! crate holds mappings, and tells the crate their addresses: then there is only account kept of what the crate names.

use core::ptr::NonNull;

use diagnosis::Site;
use dma_types::{Direction, Iova};
use verifier::{Claim, Kind, Ledger, Loan, Memory, Misuse, Part, Place, Rule};

use super::verifier::Culprit;
use super::{Both, Device, DmaError, FromDevice, Shared, ToDevice, verifier as checks};
use crate::arch::stacks;
use crate::memory::arc::Arc;
use crate::memory::layout;
use crate::sync::{Mutex, rank};

/// What a device's driver has lent by address.
pub struct Loans {
    user: Culprit,
    books: Mutex<Books, rank::Loans>,
}

struct Books {
    device: Option<Arc<Device>>,
    /// Loans without an area lie in mappings that somebody else holds.
    ledger: Ledger<Option<Area>>,
    /// Resets of the verifier that the ledger has seen.
    resets: u64,
}

/// Pages that stand for lent memory, or are common memory.
enum Area {
    /// The device reads them.
    ToDevice(Shared<u8, ToDevice>),
    /// The device writes them.
    FromDevice(Shared<u8, FromDevice>),
    /// Both.
    Both(Shared<u8, Both>),
}

/// Common memory: where the device sees it, and where the driver does.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// For the device.
    pub iova: Iova,
    /// For the driver; good until it is freed, for as many bytes as were asked for.
    pub memory: NonNull<u8>,
}

impl Loans {
    /// The loans of a device, none so far.
    pub fn new(device: Arc<Device>) -> Self {
        let user = Culprit::of(device.record());
        let ledger = Ledger::new(user.record.object());
        Self { user, books: Mutex::new(Books { device: Some(device), ledger, resets: checks::resets() }) }
    }

    /// Lends bytes: what they hold now is what the device reads.
    ///
    /// # Errors
    /// If there are none, the device is cut off or released, or there is no room or no memory.
    #[track_caller]
    pub fn lend(&self, bytes: &[u8], direction: Direction, label: &'static str) -> Result<Iova, DmaError> {
        let site = Site::caller();
        let memory = Memory::of(bytes);
        let mut books = self.books.lock();
        checks::check(self.user, site, || books.ledger.check_lend(memory, place_of(&memory)));
        if bytes.is_empty() {
            return Err(DmaError::Empty);
        }
        let area = books.area(bytes.len(), direction, label)?;
        area.fill(0, bytes);
        let iova = area.iova();
        books.enter(Loan { kind: Kind::Streaming, iova, memory, direction, site }, Some(area))
    }

    /// Takes bytes back, with what the device wrote.
    ///
    /// # Errors
    /// If nothing is lent at that address.
    #[track_caller]
    pub fn give_back(&self, iova: Iova, bytes: &mut [u8], direction: Direction) -> Result<(), DmaError> {
        let memory = Some(Memory::of(bytes));
        let claim = Claim { kind: Kind::Streaming, iova, memory, direction: Some(direction) };
        let (loan, area) = self.take(&claim, Site::caller())?;
        if let Some(area) = area.filter(|_| loan.direction.permissions().write()) {
            area.copy_to(0, bytes);
        }
        Ok(())
    }

    /// Makes room for account of more bytes.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn reserve(&self, more: usize) -> Result<(), DmaError> {
        Ok(self.books.lock().ledger.reserve(more)?)
    }

    /// Keeps account of bytes in a mapping whose address a crate gets to know; `None` for bytes in no mapping.
    ///
    /// Without [room](Self::reserve) there is no account of it.
    #[track_caller]
    pub fn note_lent(&self, bytes: NonNull<[u8]>, iova: Option<Iova>, direction: Direction) {
        let site = Site::caller();
        let memory = memory_of(bytes);
        let mut books = self.books.lock();
        books.note_resets();
        checks::check(self.user, site, || match iova {
            Some(_) => books.ledger.check_lend(memory, place_of(&memory)),
            None => Err(Misuse::new(Rule::NeverLent, [0, memory.start(), 0])),
        });
        if let Some(iova) = iova {
            // It fails only for one that names more than was announced.
            let _ = books.enter(Loan { kind: Kind::Streaming, iova, memory, direction, site }, None);
        }
    }

    /// Ends the account of bytes in a mapping, which a crate names for the last time.
    ///
    /// # Errors
    /// If there was none.
    #[track_caller]
    pub fn note_returned(
        &self,
        bytes: NonNull<[u8]>,
        iova: Iova,
        direction: Direction,
    ) -> Result<(), DmaError> {
        let memory = Some(memory_of(bytes));
        let claim = Claim { kind: Kind::Streaming, iova, memory, direction: Some(direction) };
        self.take(&claim, Site::caller()).map(drop)
    }

    /// Ends the account of bytes in a mapping that ends without the crate naming them again, if there is any.
    #[track_caller]
    pub fn withdraw(&self, bytes: NonNull<[u8]>, iova: Iova) {
        let claim = Claim { kind: Kind::Streaming, iova, memory: Some(memory_of(bytes)), direction: None };
        self.books.lock().ledger.take(&claim, Site::caller());
    }

    /// Takes a loan out of the books.
    fn take(&self, claim: &Claim, site: Site) -> Result<(Loan, Option<Area>), DmaError> {
        let mut books = self.books.lock();
        books.note_resets();
        checks::check(self.user, site, || books.ledger.check_return(claim));
        books.ledger.take(claim, site).ok_or(DmaError::NotLent { iova: claim.iova })
    }

    /// Shows the device what a part of lent memory, from `offset` on, holds now.
    ///
    /// # Errors
    /// If nothing is lent at that address.
    #[track_caller]
    pub fn sync_for_device(&self, iova: Iova, offset: usize, bytes: &[u8]) -> Result<(), DmaError> {
        let part = Part { offset, length: bytes.len() };
        self.with_part(iova, part, Site::caller(), |area| area.fill(offset, bytes))
    }

    /// Shows the driver what the device has written to a part of lent memory, from `offset` on.
    ///
    /// # Errors
    /// If nothing is lent at that address.
    #[track_caller]
    pub fn sync_for_driver(&self, iova: Iova, offset: usize, bytes: &mut [u8]) -> Result<(), DmaError> {
        let part = Part { offset, length: bytes.len() };
        self.with_part(iova, part, Site::caller(), |area| area.copy_to(offset, bytes))
    }

    fn with_part(&self, iova: Iova, part: Part, site: Site, copy: impl FnMut(&Area)) -> Result<(), DmaError> {
        let mut books = self.books.lock();
        books.note_resets();
        checks::check(self.user, site, || books.ledger.check_sync(iova, part));
        let area = books.ledger.kept(iova).ok_or(DmaError::NotLent { iova })?;
        area.as_ref().into_iter().for_each(copy);
        Ok(())
    }

    /// Makes memory that driver and device use at once.
    ///
    /// # Errors
    /// If the device is cut off or released, or there is no room or no memory.
    #[track_caller]
    pub fn allocate(
        &self,
        bytes: usize,
        direction: Direction,
        label: &'static str,
    ) -> Result<Common, DmaError> {
        let site = Site::caller();
        let mut books = self.books.lock();
        let fresh = Memory::new(0, bytes);
        checks::check(self.user, site, || books.ledger.check_lend(fresh, Place::Allocated));
        if bytes == 0 {
            return Err(DmaError::Empty);
        }
        let area = books.area(bytes, direction, label)?;
        let memory = area.memory();
        let range = Memory::new(memory.addr().get(), bytes);
        let loan = Loan { kind: Kind::Common, iova: area.iova(), memory: range, direction, site };
        let iova = books.enter(loan, Some(area))?;
        Ok(Common { iova, memory })
    }

    /// Frees common memory of so many bytes.
    ///
    /// # Errors
    /// If there is none at that address.
    #[track_caller]
    pub fn free(&self, common: Common, bytes: usize) -> Result<(), DmaError> {
        let memory = Some(Memory::new(common.memory.addr().get(), bytes));
        let claim = Claim { kind: Kind::Common, iova: common.iova, memory, direction: None };
        self.take(&claim, Site::caller()).map(drop)
    }

    /// Ends all loans, and lets go of the device.
    #[track_caller]
    pub fn close(&self) {
        let site = Site::caller();
        let mut books = self.books.lock();
        checks::check(self.user, site, || books.ledger.check_close());
        books.ledger.close(site);
        books.device = None;
    }
}

impl Books {
    /// Makes pages for the device.
    #[track_caller]
    fn area(&mut self, bytes: usize, direction: Direction, label: &'static str) -> Result<Area, DmaError> {
        self.note_resets();
        let device = self.device.as_ref().ok_or(DmaError::Released)?;
        self.ledger.reserve(1)?;
        Ok(match direction {
            Direction::ToDevice => Area::ToDevice(device.share(bytes, label)?),
            Direction::FromDevice => Area::FromDevice(device.share(bytes, label)?),
            Direction::Bidirectional => Area::Both(device.share(bytes, label)?),
        })
    }

    fn enter(&mut self, loan: Loan, area: Option<Area>) -> Result<Iova, DmaError> {
        self.ledger.enter(loan, area)?;
        Ok(loan.iova)
    }

    fn note_resets(&mut self) {
        let resets = checks::resets();
        if self.resets != resets {
            self.resets = resets;
            self.ledger.forget_past();
        }
    }
}

impl Area {
    fn iova(&self) -> Iova {
        match self {
            Self::ToDevice(pages) => pages.iova(),
            Self::FromDevice(pages) => pages.iova(),
            Self::Both(pages) => pages.iova(),
        }
    }

    fn memory(&self) -> NonNull<u8> {
        match self {
            Self::ToDevice(pages) => pages.as_ptr(),
            Self::FromDevice(pages) => pages.as_ptr(),
            Self::Both(pages) => pages.as_ptr(),
        }
    }

    /// Writes bytes from `offset` on, as far as there is room.
    fn fill(&self, offset: usize, bytes: &[u8]) {
        for (index, byte) in (offset..self.len()).zip(bytes) {
            match self {
                Self::ToDevice(pages) => pages.write(index, *byte),
                Self::FromDevice(pages) => pages.write(index, *byte),
                Self::Both(pages) => pages.write(index, *byte),
            }
        }
    }

    /// Reads bytes from `offset` on, as far as there are any.
    fn copy_to(&self, offset: usize, bytes: &mut [u8]) {
        for (index, byte) in (offset..self.len()).zip(bytes) {
            *byte = match self {
                Self::ToDevice(pages) => pages.read(index),
                Self::FromDevice(pages) => pages.read(index),
                Self::Both(pages) => pages.read(index),
            };
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::ToDevice(pages) => pages.len(),
            Self::FromDevice(pages) => pages.len(),
            Self::Both(pages) => pages.len(),
        }
    }
}

/// The memory that bytes lie in, which is not followed.
fn memory_of(bytes: NonNull<[u8]>) -> Memory {
    Memory::new(bytes.cast::<u8>().addr().get(), bytes.len())
}

/// What kind of place memory is.
fn place_of(memory: &Memory) -> Place {
    match memory.start() {
        start if stacks::containing(start).is_some_and(|stack| start < stack.top) => Place::Stack,
        start if start >= layout::KERNEL_IMAGE => Place::Image,
        _ => Place::Allocated,
    }
}
