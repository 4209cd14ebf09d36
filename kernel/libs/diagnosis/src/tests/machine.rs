//! A machine of a few functions and domains, as the kernel would present it.

use std::ops::Range;
use std::vec::Vec;

use dma_types::{
    Access, Bdf, Direction, InterruptIndex, Iova, PAGE_SIZE, PageSize, PhysAddr, Segment, SourceId,
};
use iova::{IovaAllocator, IovaRange};
use vtd::spec::fault_reason::FaultReason;
use vtd::spec::fault_record::FaultRecord;

use crate::{
    Backing, Book, Device, Fault, FirmwareMemory, Function, InterruptEntry, Label, Mapping, Reason, Site,
    Standing, Step, Timestamp, WalkCheck, World,
};

pub(super) const READ: Reason = Reason(6);
pub(super) const WRITE: Reason = Reason(5);

/// A function and what the kernel knows of it.
pub(super) struct TestFunction {
    pub(super) bdf: Bdf,
    /// The id that its requests carry.
    pub(super) requester: Bdf,
    pub(super) name: &'static str,
    pub(super) driver: Option<&'static str>,
    pub(super) standing: Standing,
    pub(super) firmware_memory: FirmwareMemory,
    /// Index of its domain.
    pub(super) home: Option<usize>,
}

/// An address space with its allocator and books.
pub(super) struct TestDomain {
    pub(super) allocator: IovaAllocator,
    pub(super) book: Book,
    /// Index of the function that it was made for.
    owner: usize,
}

/// A machine at a moment.
pub(super) struct Machine {
    pub(super) functions: Vec<TestFunction>,
    pub(super) domains: Vec<TestDomain>,
    pub(super) walk: WalkCheck,
    /// The bridge above everybody who is not known.
    pub(super) port: Option<Bdf>,
    pub(super) had_before: Range<Iova>,
    pub(super) now: Timestamp,
    /// What stands at each index of the unit's table, from 0 on.
    pub(super) interrupts: Vec<InterruptEntry<'static>>,
}

pub(super) fn bdf(bus: u8, device: u8) -> Bdf {
    Bdf::new(Segment(0), SourceId::new(bus, device, 0).unwrap())
}

pub(super) fn page(address: Iova, pages: i64) -> Iova {
    Iova::new(address.as_u64().checked_add_signed(pages * PAGE_SIZE as i64).unwrap()).page()
}

impl Machine {
    /// One function, `nic` at 0000:00:03.0 with the driver `nicdrv` and a domain of its own.
    pub(super) fn new() -> Self {
        let mut machine = Self {
            functions: Vec::new(),
            domains: Vec::new(),
            walk: WalkCheck::Agrees,
            port: None,
            had_before: Iova::default()..Iova::default(),
            now: Timestamp::from_nanos(1_000_000),
            interrupts: Vec::new(),
        };
        machine.add_claimed(bdf(0, 3), "nic", "nicdrv", 0x10_0000..0x20_0000);
        machine
    }

    /// Adds a function with a driver and a window of page numbers; gives its index, also of its domain.
    pub(super) fn add_claimed(
        &mut self,
        bdf: Bdf,
        name: &'static str,
        driver: &'static str,
        window: Range<u64>,
    ) -> usize {
        let window = Iova::new(window.start * PAGE_SIZE)..Iova::new(window.end * PAGE_SIZE);
        let allocator = IovaAllocator::new(window.clone(), [], window.start).unwrap();
        self.domains.push(TestDomain {
            allocator,
            book: Book::new(window).unwrap(),
            owner: self.functions.len(),
        });
        self.add(bdf, name, Some(driver), Some(self.domains.len() - 1))
    }

    /// Adds a function.
    pub(super) fn add(
        &mut self,
        bdf: Bdf,
        name: &'static str,
        driver: Option<&'static str>,
        home: Option<usize>,
    ) -> usize {
        let (standing, firmware_memory) = (Standing::Enabled, FirmwareMemory::None);
        self.functions.push(TestFunction {
            bdf,
            requester: bdf,
            name,
            driver,
            standing,
            firmware_memory,
            home,
        });
        self.functions.len() - 1
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, micros: u64) {
        self.now = Timestamp::from_nanos(self.now.as_nanos() + micros * 1000);
    }

    /// Maps `bytes` of memory at `physical` for domain `home`.
    #[track_caller]
    pub(super) fn map(
        &mut self,
        home: usize,
        label: &'static str,
        bytes: u64,
        direction: Direction,
        physical: u64,
    ) -> IovaRange {
        let step = Step { at: self.now, site: Site::caller() };
        let domain = &mut self.domains[home];
        let pages = bytes.div_ceil(PAGE_SIZE);
        let range = domain.allocator.allocate(pages, PageSize::Size4K).unwrap();
        let backing = Backing::new(PhysAddr::new(physical), bytes);
        let new = Mapping {
            start: range.start(),
            length: bytes,
            direction,
            label: Label(label),
            backing,
            mapped: step,
        };
        domain.book.record_map(&range, new).unwrap();
        range
    }

    /// Unmaps a range of domain `home` and frees it.
    #[track_caller]
    pub(super) fn unmap(&mut self, home: usize, range: IovaRange) {
        let step = Step { at: self.now, site: Site::caller() };
        let domain = &mut self.domains[home];
        domain.book.record_unmap(&range, step).unwrap();
        domain.allocator.free(range).unwrap();
    }

    /// A fault of a requester, recorded now.
    pub(super) fn fault(&self, requester: Bdf, address: Iova, reason: Reason) -> Fault {
        let access = match reason {
            READ => Access::Read,
            WRITE => Access::Write,
            _ => Access::Unknown,
        };
        let named = FaultReason(reason.0);
        let meaning = named.meaning().unwrap_or("the reason is not known here");
        let (address, kind) = (Some(address), named.kind());
        Fault { requester, address, interrupt: None, access, reason, kind, meaning, at: self.now }
    }

    /// A refused interrupt, recorded now: the two halves of the record as the unit would write them.
    pub(super) fn refused(&self, low: u64, high: u64) -> Fault {
        let record = FaultRecord::from_halves(low, high);
        assert!(record.is_valid());
        let (requester, reason) = (Bdf::new(Segment(0), record.source()), record.reason());
        let (address, interrupt) = (record.page(), record.interrupt_index());
        let meaning = reason.meaning().unwrap_or("the reason is not known here");
        let (access, kind, at) = (record.access(), reason.kind(), self.now);
        Fault { requester, address, interrupt, access, reason: Reason(reason.0), kind, meaning, at }
    }

    /// A function in words.
    pub(super) fn device_at(&self, place: usize) -> Device<'static> {
        self.device(&self.functions[place])
    }

    fn device(&self, function: &TestFunction) -> Device<'static> {
        Device { bdf: function.bdf, name: function.name, driver: function.driver }
    }
}

impl World for Machine {
    fn candidates(&self, requester: Bdf) -> impl Iterator<Item = Function<'_>> {
        self.functions.iter().filter(move |function| function.requester == requester).map(|function| {
            Function {
                device: self.device(function),
                standing: function.standing,
                firmware_memory: function.firmware_memory,
                book: function.home.map(|home| &self.domains[home].book),
            }
        })
    }

    fn find_in_domains<T>(&self, mut look: impl FnMut(&Book) -> Option<T>) -> Option<(Device<'_>, T)> {
        self.domains.iter().find_map(|domain| {
            let found = look(&domain.book)?;
            Some((self.device(&self.functions[domain.owner]), found))
        })
    }

    fn had_before(&self, _: Bdf) -> Range<Iova> {
        self.had_before.clone()
    }

    fn walk(&self, _: &Fault) -> WalkCheck {
        self.walk
    }

    fn interrupt_entry(&self, index: InterruptIndex) -> InterruptEntry<'_> {
        self.interrupts.get(usize::from(index.0)).copied().unwrap_or(InterruptEntry::OutOfRange)
    }

    fn port_above(&self, _: Bdf) -> Option<Bdf> {
        self.port
    }

    fn address_width(&self, _: Bdf) -> u8 {
        48
    }
}
