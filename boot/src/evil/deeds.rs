//! What a hostile device did that it must not do, and what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dma_types::INTERRUPT_RANGE;
use vfio_device::{DmaError, Permission, Port};

use super::sweep::PAGE;

/// Of the pages that a device had at some time, so many are tried, the last ones.
const REMEMBERED: usize = 64;

/// A device's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deeds {
    /// Requests of its driver that it completed.
    pub(super) commands: usize,
    /// Accesses where nothing was live for it.
    pub(super) tried: usize,
    /// Those that landed all the same.
    pub(super) landed: Vec<u64>,
}

/// A device's account that is being kept; clones are the same account.
#[derive(Clone, Debug, Default)]
pub(super) struct Account(Arc<Mutex<Deeds>>);

impl Account {
    /// What the device did so far.
    pub(super) fn deeds(&self) -> Deeds {
        self.open().clone()
    }

    /// Notes a request that the device completed.
    pub(super) fn note_completed(&self) {
        self.open().commands += 1;
    }

    fn open(&self) -> MutexGuard<'_, Deeds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device that reaches for what it may not reach.
#[derive(Debug)]
pub(super) struct Intruder {
    port: Port,
    account: Account,
    /// Pages that it was given at some time.
    seen: Vec<u64>,
}

impl Intruder {
    pub(super) fn new(port: Port, account: Account) -> Self {
        Self { port, account, seen: Vec::new() }
    }

    /// Remembers pages that the device was given.
    pub(super) fn remember(&mut self, pages: impl IntoIterator<Item = u64>) {
        self.seen.extend(pages);
    }

    /// Writes to the pages that it was given once, and that are not live any more.
    pub(super) fn write_what_was_taken_back(&mut self) {
        self.seen.sort_unstable();
        self.seen.dedup();
        let last = self.seen.len().saturating_sub(REMEMBERED);
        for page in self.seen.get(last..).unwrap_or_default() {
            self.write(*page);
        }
    }

    /// Writes to every page that it may only read.
    pub(super) fn write_against_the_direction(&self) {
        let readable: Vec<u64> = self.port.with_books(|books| {
            books.live().filter(|(.., may)| !may.writes()).map(|(first, ..)| first).collect()
        });
        readable.into_iter().for_each(|page| self.write(page));
    }

    /// Writes to the page behind one that it was given.
    pub(super) fn write_behind(&self, address: u64) {
        self.write((address & !(PAGE - 1)).wrapping_add(PAGE));
    }

    /// Writes to a place where it may not write just now. Places where it may are left alone, and so is the interrupt
    /// range, where writes mean something else.
    pub(super) fn write(&self, address: u64) {
        self.reach(address, Permission::writes, || self.port.write(address, b"intruder"));
    }

    /// Reads from a place where it may not read just now.
    pub(super) fn read(&self, address: u64) {
        self.reach(address, Permission::reads, || self.port.read(address, 8).map(|_| ()));
    }

    fn reach(
        &self,
        address: u64,
        permits: fn(Permission) -> bool,
        access: impl FnOnce() -> Result<(), DmaError>,
    ) {
        let is_live = || self.port.with_books(|books| books.at(address).is_some_and(permits));
        if is_live() || INTERRUPT_RANGE.contains(&address) {
            return;
        }
        let outcome = access();
        let mut deeds = self.account.open();
        match outcome {
            // It may have been given the page in between.
            Ok(()) if !is_live() => {
                deeds.tried += 1;
                deeds.landed.push(address);
            }
            Err(DmaError::Refused(_)) => deeds.tried += 1,
            Ok(()) | Err(_) => (),
        }
    }
}
