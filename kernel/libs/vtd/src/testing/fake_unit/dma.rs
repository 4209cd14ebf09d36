//! Requests of devices: through the caches, then through the reference walker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec::Vec;

use dma_types::{Access, DomainId, Iova, PAGE_SIZE, PhysAddr, SourceId};

use crate::spec::command::GlobalStatus;
use crate::spec::fault_reason::FaultReason;
use crate::testing::walker::{WalkFault, WalkLimits, WalkMemory, walk};
use crate::testing::{FakeMemory, View};

use super::caches::{CachedContext, CachedEntry, CachedTranslation, Words};
use super::{FakeUnit, State};

/// Why a request did not reach memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The tables, or what the unit remembers of them, do not permit it.
    Fault(FaultReason),
    /// Tables of another mode, which permit nothing here; nothing is recorded.
    OtherMode,
    /// Protected memory, without translation; nothing is recorded.
    ProtectedMemory,
}

impl FakeUnit {
    /// What the walker must know of this unit.
    pub fn walk_limits(&self) -> WalkLimits {
        self.state.borrow().walk_limits()
    }

    /// A request of a device: the memory it reaches, or why it is blocked. Faults are recorded.
    ///
    /// # Errors
    ///
    /// The request is blocked.
    pub fn dma(&self, source: SourceId, iova: Iova, access: Access) -> Result<PhysAddr, Blocked> {
        let mut state = self.state.borrow_mut();
        if state.status.contains(GlobalStatus::TRANSLATION) && state.root.table_mode() != 0 {
            // Tables of that kind are not modelled.
            return Err(Blocked::OtherMode);
        }
        if !state.status.contains(GlobalStatus::TRANSLATION) {
            return if state.protected {
                Err(Blocked::ProtectedMemory)
            } else {
                Ok(PhysAddr::new(iova.as_u64()))
            };
        }
        state.translate(source, iova, access).map_err(|reason| {
            state.faults.record(reason, source, iova, access);
            Blocked::Fault(reason)
        })
    }

    /// A write that is translated now and reaches memory some time later, at the latest when an
    /// invalidation drains writes.
    ///
    /// # Errors
    ///
    /// The request is blocked.
    pub fn start_write(&self, source: SourceId, iova: Iova) -> Result<(), Blocked> {
        let target = self.dma(source, iova, Access::Write)?;
        self.state.borrow_mut().in_flight.push(target);
        Ok(())
    }

    /// Has a device make a request at each store to memory and before each write to a register from now on: whatever
    /// stands in the tables at such a moment, the unit may remember, and of its context entry a half from each moment.
    /// Its faults are not recorded.
    pub fn let_ask_meanwhile(&self, source: SourceId, iova: Iova) {
        let mut state = self.state.borrow_mut();
        state.eager.push((source, iova));
        drop(state);
        self.watch_memory();
    }

    /// Has those who do not wait make their requests at each store to memory.
    pub(super) fn watch_memory(&self) {
        let unit = Rc::downgrade(&self.state);
        self.state.borrow().memory.watch(move || {
            // Not while the unit itself writes.
            if let Some(state) = unit.upgrade()
                && let Ok(mut state) = state.try_borrow_mut()
            {
                state.ask_meanwhile();
            }
        });
    }

    /// How many writes have not reached memory yet.
    pub fn writes_in_flight(&self) -> usize {
        self.state.borrow().in_flight.len()
    }
}

impl State {
    /// Requests of the devices that do not wait.
    pub(super) fn ask_meanwhile(&mut self) {
        self.send_meanwhile();
        if !self.status.contains(GlobalStatus::TRANSLATION) || self.root.table_mode() != 0 {
            return;
        }
        for (source, iova) in self.eager.clone() {
            self.fetch_halves(source);
            let _ = self.translate(source, iova, Access::Read);
        }
    }

    /// Fetches one half or the other of a context entry.
    fn fetch_halves(&mut self, source: SourceId) {
        let view = self.view();
        let read = |at: u64| self.memory.device_read(PhysAddr::new(at), view);
        let root = read(self.root.table().as_u64() + u64::from(source.bus()) * 16).unwrap_or(0);
        if root & 1 == 0 {
            return;
        }
        let at = (root & !(PAGE_SIZE - 1)) + u64::from(source.devfn()) * 16;
        if let (Some(low), Some(high)) = (read(at), read(at + 8)) {
            self.halves.fetch(source, PhysAddr::new(at), (low, high));
        }
    }

    fn walk_limits(&self) -> WalkLimits {
        WalkLimits {
            table_levels: self.config.table_levels,
            large_pages: self.config.large_pages,
            address_width: self.config.address_width,
            snoop_control: self.config.snoop_control.is_yes(),
        }
    }

    fn translate(&mut self, source: SourceId, iova: Iova, access: Access) -> Result<PhysAddr, FaultReason> {
        let context = self.context(source);
        if let Some(cached) = self.caches.translation(context.domain, iova) {
            return if cached.permissions.allow(access) {
                let offset = iova.as_u64() & (cached.size.bytes() - 1);
                Ok(PhysAddr::new(cached.base.as_u64() + offset))
            } else if access == Access::Read {
                Err(FaultReason::NO_READ_PERMISSION)
            } else {
                Err(FaultReason::NO_WRITE_PERMISSION)
            };
        }
        let known: BTreeMap<_, _> =
            context.words.iter().copied().chain(self.caches.table_words(context.domain)).collect();
        let seen = SeenMemory { memory: &self.memory, view: self.view(), known, reads: RefCell::default() };
        let root = self.root.table();
        let result = walk(&seen, root, source, iova, access, &self.walk_limits());
        let mut tables = seen.reads.into_inner();
        tables.retain(|word| !context.words.contains(word));
        self.keep_entries(&context, iova, &tables, result.as_ref().err());
        let found = result.map_err(|fault| FaultReason(fault.reason))?;
        let offset = iova.as_u64() & (found.page_size.bytes() - 1);
        let base = PhysAddr::new(found.phys.as_u64() - offset);
        let (permissions, size) = (found.permissions, found.page_size);
        self.caches.keep_translation(found.domain, iova, CachedTranslation { base, permissions, size });
        Ok(found.phys)
    }

    /// The context entry of a requester, remembered or read; what is present is remembered, with caching
    /// mode the rest too, for domain 0.
    fn context(&mut self, source: SourceId) -> CachedContext {
        if let Some(cached) = self.caches.context(source) {
            return cached;
        }
        let mut words = Words::new();
        let mut read = |at: u64| {
            let word = self.memory.device_read(PhysAddr::new(at), self.view());
            words.extend(word.map(|word| (PhysAddr::new(at), word)));
            word.unwrap_or(0)
        };
        let root_at = self.root.table().as_u64() + u64::from(source.bus()) * 16;
        let root = read(root_at);
        read(root_at + 8);
        let mut entry = (0, 0);
        if root & 1 != 0 {
            let at = (root & !(PAGE_SIZE - 1)) + u64::from(source.devfn()) * 16;
            entry = (read(at), read(at + 8));
        }
        let present = entry.0 & 1 != 0;
        let domain = DomainId(if present { (entry.1 >> 8) as u16 } else { 0 });
        let context = CachedContext { words, domain };
        if present || self.config.caching_mode.is_yes() {
            self.caches.keep_context(source, context.clone());
        }
        context
    }

    /// Remembers the tables that a walk went through, and with caching mode where it ended.
    fn keep_entries(
        &mut self,
        context: &CachedContext,
        iova: Iova,
        tables: &[(PhysAddr, u64)],
        fault: Option<&WalkFault>,
    ) {
        let Some((&last, upper)) = tables.split_last() else { return };
        let Some(&(_, high)) = context.words.last() else { return };
        let levels = (high & 0b111) + 2;
        let entry = |step: usize, (at, value): (PhysAddr, u64), absent| {
            let covered = PAGE_SIZE << (9 * (levels - 1 - step as u64));
            let first = iova.as_u64() & !(covered - 1);
            CachedEntry { at, value, first, last: first + (covered - 1), absent }
        };
        for (step, &word) in upper.iter().enumerate() {
            self.caches.keep_entry(context.domain, entry(step, word, false));
        }
        if fault.is_some() && self.config.caching_mode.is_yes() {
            self.caches.keep_entry(context.domain, entry(upper.len(), last, true));
        }
    }
}

/// Memory as one walk sees it: what the unit remembers hides what stands there now.
struct SeenMemory<'m> {
    memory: &'m FakeMemory,
    view: View,
    known: BTreeMap<PhysAddr, u64>,
    reads: RefCell<Vec<(PhysAddr, u64)>>,
}

impl WalkMemory for SeenMemory<'_> {
    fn read(&self, at: PhysAddr) -> Option<u64> {
        let known = self.known.get(&at).copied();
        let word = known.or_else(|| self.memory.device_read(at, self.view))?;
        self.reads.borrow_mut().push((at, word));
        Some(word)
    }
}
