//! Invalidation, by register and by queue.

use dma_types::{DomainId, PhysAddr, SourceId};
use iommu::interrupts::IndexBlock;

use crate::invalidation::PageBlock;
use crate::spec::command::GlobalStatus;
use crate::spec::descriptor::{DESCRIPTOR_SIZE, Descriptor, DescriptorKind};
use crate::spec::fault_event::FaultStatus;
use crate::spec::queue_registers::{QueueAddress, QueueErrorRecord, QueuePosition};
use crate::spec::register_invalidation::{ContextCommand, Granularity, IotlbCommand};

use super::config::{Injection, Pace};
use super::{State, Stuck};

/// Descriptors in the one page that the queue may have here.
const SLOTS: usize = 256;

/// What a context descriptor may set in its lower half; the upper half is reserved.
const CONTEXT_FIELDS: u64 = 0x0003_ffff_ffff_003f;
/// What an IOTLB descriptor may set, without the drains.
const IOTLB_FIELDS: (u64, u64) = (0xffff_003f, 0xffff_ffff_ffff_f07f);
/// What a wait may set.
const WAIT_FIELDS: (u64, u64) = (0xffff_ffff_0000_007f, !0b11);
/// What a descriptor for interrupt entries may set: all of it with G, the type and G alone without.
const INTERRUPT_FIELDS: (u64, u64) = (0xffff_f800_001f, 0x1f);
/// Cause 3 of the error record: the descriptor is not one.
const BAD_DESCRIPTOR: u64 = 3;
/// The device that never answers.
const SILENT: u64 = 0x0118;

/// A descriptor that the unit cannot use.
struct Unusable;

/// By register.
impl State {
    pub(super) fn context_invalidation(&mut self, command: ContextCommand) {
        assert!(!self.context_command.busy(), "CCMD is busy");
        self.context_command = command;
        self.busy_reads = self.config.delay;
    }

    pub(super) fn read_context_command(&mut self) -> ContextCommand {
        let command = self.context_command;
        if command.busy() && self.answers(Stuck::ContextInvalidation) {
            let mut done = command.requested();
            if self.is_stuck(Stuck::ContextRefusal) {
                done = Granularity::REFUSED;
            } else {
                self.drop_contexts(done, command.domain_id(), command.source());
            }
            self.context_command = ContextCommand(command.0 & !(1 << 63) | u64::from(done.0) << 59);
        }
        self.context_command
    }

    pub(super) fn iotlb_invalidation(&mut self, command: IotlbCommand) {
        assert!(!self.iotlb_command.busy(), "IOTLB is busy");
        let drains = command.0 & 0b11 << 48 != 0;
        assert!(!drains || self.config.drains.is_yes(), "there are no drains");
        self.iotlb_command = command;
        self.busy_reads = self.config.delay;
    }

    pub(super) fn read_iotlb_command(&mut self) -> IotlbCommand {
        let command = self.iotlb_command;
        if command.busy() && self.answers(Stuck::IotlbInvalidation) {
            let mut done = command.requested();
            let address = self.invalidate_address;
            if self.is_stuck(Stuck::IotlbRefusal) {
                done = Granularity::REFUSED;
            } else if done == Granularity::SELECTIVE {
                let pages = PageBlock::new(address.start(), address.order()).expect("aligned pages");
                self.drop_pages(command.domain_id(), pages, address.leaf_hint());
            } else {
                self.drop_translations(done, command.domain_id());
            }
            self.drain_writes(command.0 & 1 << 48 != 0);
            self.iotlb_command = IotlbCommand(command.0 & !(1 << 63) | u64::from(done.0) << 57);
        }
        self.iotlb_command
    }

    /// Counts a read of a busy register; with the queue on it never answers.
    fn answers(&mut self, part: Stuck) -> bool {
        if self.status.contains(GlobalStatus::QUEUE) || self.is_stuck(part) {
            return false;
        }
        let ready = self.busy_reads == 0;
        self.busy_reads = self.busy_reads.saturating_sub(1);
        ready
    }
}

/// By queue.
impl State {
    pub(super) fn place_queue(&mut self, address: QueueAddress) {
        assert!(!self.status.contains(GlobalStatus::QUEUE), "IQA while the queue is on");
        assert!(address.size() == 0 && !address.wide_descriptors(), "a queue of one page");
        self.queue.address = address;
    }

    pub(super) fn move_tail(&mut self, tail: QueuePosition) {
        assert!(tail.index() < SLOTS && tail.0 & 0xf == 0, "the tail is outside the queue: {tail:?}");
        self.queue.tail = tail.index();
        self.fetch_ahead();
        if self.config.pace == Pace::AtOnce {
            self.work_through(usize::MAX);
        }
    }

    /// Works through up to `most` descriptors, until the queue is empty or stops.
    pub(super) fn work_through(&mut self, most: usize) {
        for _ in 0..most {
            let on = self.status.contains(GlobalStatus::QUEUE) && !self.is_stuck(Stuck::QueueHead);
            let stopped = self.faults.stands(FaultStatus::QUEUE_ERROR | FaultStatus::COMPLETION_TIMEOUT);
            if !on || stopped || self.queue.head == self.queue.tail {
                return;
            }
            self.next_descriptor();
        }
    }

    fn next_descriptor(&mut self) {
        let at = self.slot(self.queue.head);
        let fetched = self.queue.fetched.pop_front();
        let descriptor = fetched.unwrap_or_else(|| self.fetch(at));
        let descriptor = self.injected(at, descriptor);
        let Some(descriptor) = descriptor else { return };
        match self.carry_out(descriptor) {
            Ok(()) => {
                self.queue.head = (self.queue.head + 1) % SLOTS;
                self.queue.ends_with_wait = descriptor.kind() == DescriptorKind::WAIT;
            }
            Err(Unusable) => {
                self.queue.error = QueueErrorRecord(BAD_DESCRIPTOR);
                self.queue.fetched.clear();
                self.faults.stand(FaultStatus::QUEUE_ERROR);
            }
        }
    }

    /// Fetches what may be fetched before it is worked through.
    fn fetch_ahead(&mut self) {
        let ready = (self.queue.tail + SLOTS - self.queue.head) % SLOTS;
        for ahead in self.queue.fetched.len()..ready.min(self.config.prefetch) {
            let descriptor = self.fetch(self.slot((self.queue.head + ahead) % SLOTS));
            self.queue.fetched.push_back(descriptor);
        }
    }

    fn slot(&self, index: usize) -> u64 {
        self.queue.address.base().as_u64() + index as u64 * DESCRIPTOR_SIZE
    }

    fn fetch(&self, at: u64) -> Descriptor {
        let word = |at| self.memory.device_read(PhysAddr::new(at), self.view()).expect("a queue in memory");
        Descriptor { low: word(at), high: word(at + 8) }
    }

    /// Lets the next injected error happen, if its occasion has come; `None` if it took the descriptor.
    fn injected(&mut self, at: u64, descriptor: Descriptor) -> Option<Descriptor> {
        let is_wait = descriptor.kind() == DescriptorKind::WAIT;
        match self.injections.first() {
            Some(Injection::BadDescriptor) => {
                self.injections.remove(0);
                self.memory.device_write32(PhysAddr::new(at), descriptor.low as u32 | 0xf);
                Some(self.fetch(at))
            }
            Some(Injection::AbortedWait) if is_wait => {
                self.injections.remove(0);
                self.queue.head = (self.queue.head + 1) % SLOTS;
                self.queue.ends_with_wait = true;
                self.queue.error = QueueErrorRecord(SILENT << 32);
                self.queue.fetched.clear();
                self.faults.stand(FaultStatus::COMPLETION_TIMEOUT);
                None
            }
            Some(Injection::WrongCompletion) => {
                self.injections.remove(0);
                self.queue.error = QueueErrorRecord(SILENT << 48);
                self.faults.stand(FaultStatus::COMPLETION_ERROR);
                Some(descriptor)
            }
            _ => Some(descriptor),
        }
    }

    fn carry_out(&mut self, descriptor: Descriptor) -> Result<(), Unusable> {
        if self.root.table_mode() != 0 {
            // Other table modes take descriptors of twice the width only.
            return Err(Unusable);
        }
        match descriptor.kind() {
            kind if kind != DescriptorKind::WAIT && self.is_stuck(Stuck::Descriptors) => Err(Unusable),
            DescriptorKind::CONTEXT => self.context_descriptor(descriptor),
            DescriptorKind::IOTLB => self.iotlb_descriptor(descriptor),
            DescriptorKind::INTERRUPT if self.config.interrupt_remapping.is_yes() => {
                self.interrupt_descriptor(descriptor)
            }
            DescriptorKind::WAIT => self.wait_descriptor(descriptor),
            _ => Err(Unusable),
        }
    }

    fn context_descriptor(&mut self, descriptor: Descriptor) -> Result<(), Unusable> {
        check_reserved(descriptor, (CONTEXT_FIELDS, 0))?;
        self.drop_contexts(descriptor.granularity(), descriptor.domain(), descriptor.source());
        Ok(())
    }

    fn iotlb_descriptor(&mut self, descriptor: Descriptor) -> Result<(), Unusable> {
        let drains = if self.config.drains.is_yes() { 0b11 << 6 } else { 0 };
        check_reserved(descriptor, (IOTLB_FIELDS.0 | drains, IOTLB_FIELDS.1))?;
        if descriptor.granularity() == Granularity::SELECTIVE {
            let pages = PageBlock::new(descriptor.start(), descriptor.order()).ok_or(Unusable)?;
            if !self.config.page_selective.is_yes() || pages.order() > self.config.max_address_mask {
                return Err(Unusable);
            }
            self.drop_pages(descriptor.domain(), pages, descriptor.leaf_hint());
        } else {
            self.drop_translations(descriptor.granularity(), descriptor.domain());
        }
        self.drain_writes(descriptor.drains_writes());
        Ok(())
    }

    fn interrupt_descriptor(&mut self, descriptor: Descriptor) -> Result<(), Unusable> {
        if !descriptor.is_index_selective() {
            check_reserved(descriptor, (INTERRUPT_FIELDS.1, 0))?;
            self.interrupts.forget_all();
            return Ok(());
        }
        check_reserved(descriptor, (INTERRUPT_FIELDS.0, 0))?;
        let (first, order) = (descriptor.interrupt_index(), descriptor.index_order());
        if order > self.config.max_handle_mask {
            return Err(Unusable);
        }
        let block = IndexBlock::new(first, order).ok_or(Unusable)?;
        self.interrupts.forget(block);
        Ok(())
    }

    fn wait_descriptor(&mut self, descriptor: Descriptor) -> Result<(), Unusable> {
        check_reserved(descriptor, WAIT_FIELDS)?;
        match (descriptor.writes_status(), descriptor.interrupts()) {
            (true, true) => panic!("some units stop at a wait with both flags"),
            (true, false) => {
                self.memory.device_write32(descriptor.status_address(), descriptor.status_data());
                Ok(())
            }
            // Neither flag, or an interrupt that nobody has programmed.
            (false, _) => Err(Unusable),
        }
    }
}

/// What both do.
impl State {
    fn drop_contexts(&mut self, granularity: Granularity, domain: DomainId, source: SourceId) {
        // Nor is an entry used of which a half was fetched before.
        self.halves.forget();
        match granularity {
            Granularity::GLOBAL => self.caches.drop_contexts(),
            Granularity::DOMAIN => self.caches.drop_contexts_of_domain(domain),
            Granularity::SELECTIVE => self.caches.drop_context_of_device(domain, source),
            other => panic!("context invalidation of granularity {other:?}"),
        }
    }

    fn drop_translations(&mut self, granularity: Granularity, domain: DomainId) {
        match granularity {
            Granularity::GLOBAL => self.caches.drop_translations(),
            Granularity::DOMAIN => self.caches.drop_translations_of_domain(domain),
            other => panic!("iotlb invalidation of granularity {other:?}"),
        }
    }

    fn drop_pages(&mut self, domain: DomainId, pages: PageBlock, leaf_hint: bool) {
        self.caches.drop_pages(domain, pages, leaf_hint);
    }

    fn drain_writes(&mut self, asked: bool) {
        if asked {
            self.in_flight.clear();
        }
    }
}

fn check_reserved(descriptor: Descriptor, (low, high): (u64, u64)) -> Result<(), Unusable> {
    if descriptor.low & !low == 0 && descriptor.high & !high == 0 { Ok(()) } else { Err(Unusable) }
}
