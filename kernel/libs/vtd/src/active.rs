//! A unit at work with everything it needs: registers, root table, table memory and clock.

use core::fmt;

use dma_types::{ApicId, DomainId, InterruptIndex, Iova, MsiMessage, Permissions, PhysAddr, SourceId};
use iommu::interrupts::{IndexBlock, InterruptRemapper, Route, Sender};
use iommu::{Error, IoPageTables, MapError, RemappingUnit, Stale, TableError, UnmapError};
use mmio_regs::{Clock, Registers};

use crate::TableMemory;
use crate::invalidation::{BatchPlan, Invalidation, InvalidationError};
use crate::queue::QueueError;
use crate::spec::descriptor::Descriptor;
use crate::spec::interrupt_entry::{DestinationMode, InterruptEntry};
use crate::spec::interrupt_request::InterruptRequest;
use crate::tables::{Coherence, Format, InterruptTable, RootTable, SecondStage, Unmapped};
use crate::unit::{BringUp, RemapError, Unit, UnitError};
use iommu::wait::TimedOut;

/// A unit that was brought up, its root table, and the machine around it. Holding one proves that the unit was seen to
/// enforce that root table.
#[derive(Debug)]
pub struct ActiveUnit<R, M, C> {
    unit: Unit<R>,
    roots: RootTable,
    format: Format,
    /// The unit remaps interrupts by it, or might.
    interrupts: Option<InterruptTable>,
    memory: M,
    clock: C,
}

/// The second-stage tables of a domain, with the memory that they lie in.
#[derive(Debug)]
pub struct DomainTables<M> {
    stage: SecondStage,
    memory: M,
}

/// A unit that could not be brought up. What it enforces is at least as strict as before; the pages that it may use stay
/// taken.
#[derive(Debug)]
pub struct NotEnabled<R> {
    /// The unit, whose fault records can be read all the same.
    pub unit: Unit<R>,
    /// Why.
    pub error: EnableError,
}

/// Why a unit could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EnableError {
    /// There was no memory for its root table.
    Tables(TableError),
    /// It refused or did not answer.
    Unit(UnitError),
}

impl fmt::Display for EnableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(error) => error.fmt(f),
            Self::Unit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EnableError {}

impl From<UnitError> for EnableError {
    fn from(error: UnitError) -> Self {
        Self::Unit(error)
    }
}

impl<R: Registers, M: TableMemory + Clone, C: Clock> ActiveUnit<R, M, C> {
    /// Makes a unit enforce a new root table that permits nothing, by [`Unit::bring_up`].
    ///
    /// # Errors
    /// As there, or if there is no memory.
    #[expect(
        clippy::result_large_err,
        reason = "the unit comes back, once for each, at the start of the machine"
    )]
    pub fn enable(
        mut unit: Unit<R>,
        fault_message: MsiMessage,
        mut memory: M,
        clock: C,
    ) -> Result<Self, NotEnabled<R>> {
        let coherence = Coherence::of_unit(unit.extended_capabilities());
        let (roots, levels) = match (RootTable::new(&mut memory, coherence), unit.levels()) {
            (Ok(roots), Ok(levels)) => (roots, levels),
            (Ok(roots), Err(error)) => {
                roots.release(&mut memory);
                return Err(NotEnabled { unit, error: EnableError::Unit(error) });
            }
            (Err(error), _) => return Err(NotEnabled { unit, error: EnableError::Tables(error) }),
        };
        let config = BringUp { root: roots.address(), fault_message };
        if let Err(error) = unit.bring_up(&config, &mut memory, &clock) {
            // The unit may walk these tables all the same: their pages stay taken.
            return Err(NotEnabled { unit, error: EnableError::Unit(error) });
        }
        let format = Format::of_unit(levels, unit.capabilities(), unit.extended_capabilities());
        Ok(Self { unit, roots, format, interrupts: None, memory, clock })
    }

    /// Makes the unit enforce the present root table once more, after it did not answer.
    ///
    /// # Errors
    /// As for [`Unit::bring_up`].
    pub fn bring_up_again(&mut self, fault_message: MsiMessage) -> Result<(), UnitError> {
        let config = BringUp { root: self.roots.address(), fault_message };
        self.unit.bring_up(&config, &mut self.memory, &self.clock).map(|_| ())
    }

    /// Puts another bring-up of the same unit in the place of this one, and frees the root table, which the unit uses no
    /// more. Every requester is blocked then. Interrupts go on being remapped by the same table.
    ///
    /// # Errors
    /// The unit did not take the interrupt table anew: it stays taken, and interrupts are not known to be remapped.
    pub fn replace(&mut self, by: Self) -> Result<(), RemapError> {
        let Self { roots, interrupts, mut memory, .. } = core::mem::replace(self, by);
        roots.release(&mut memory);
        interrupts.map_or(Ok(()), |table| self.remap_by(table))
    }

    /// Makes the unit remap interrupts by a new table that refuses all of them, with [`Unit::remap_interrupts`], whose
    /// conditions hold here too. Entries come by [`iommu::interrupts::Interrupts`].
    ///
    /// # Errors
    /// As there, or if there is no memory. A table that the unit may use stays taken.
    pub fn remap_interrupts(&mut self, mode: DestinationMode) -> Result<(), RemapError> {
        self.unit.can_remap_interrupts(mode)?;
        let coherence = Coherence::of_unit(self.unit.extended_capabilities());
        let table = InterruptTable::new(&mut self.memory, mode, coherence);
        self.remap_by(table.map_err(|_| RemapError::OutOfMemory)?)
    }

    fn remap_by(&mut self, table: InterruptTable) -> Result<(), RemapError> {
        // Kept whatever comes: the unit may use it, and entries can be taken out of it.
        let table = self.interrupts.insert(table);
        self.unit.remap_interrupts(table.address(), &mut self.memory, &self.clock)
    }

    /// [`Unit::stop_remapping`], of what was left on by firmware.
    ///
    /// # Errors
    /// As there.
    pub fn stop_remapping(&mut self) -> Result<(), TimedOut> {
        self.unit.stop_remapping(&self.clock)
    }

    /// An interrupt entry as it stands in memory.
    pub fn interrupt_entry(&self, index: InterruptIndex) -> Option<InterruptEntry> {
        Some(self.interrupts.as_ref()?.entry(&self.memory, index))
    }

    /// The unit.
    pub const fn unit(&self) -> &Unit<R> {
        &self.unit
    }

    /// The root table.
    pub const fn roots(&self) -> &RootTable {
        &self.roots
    }

    /// Every page of the tables that say who may do what: root and context tables, then the table of interrupts.
    pub fn table_pages(&self) -> impl Iterator<Item = PhysAddr> {
        self.roots.pages(&self.memory).chain(self.interrupts.as_ref().map(InterruptTable::page))
    }

    /// Where a requester's entry stands.
    pub fn entry_address(&self, source: SourceId) -> PhysAddr {
        self.roots.entry_address(&self.memory, source)
    }

    /// [`Unit::invalidate_all`].
    ///
    /// # Errors
    /// As there.
    pub fn invalidate_all(&mut self, requests: &[Invalidation]) -> Result<(), InvalidationError> {
        self.unit.invalidate_all(requests, &mut self.memory, &self.clock)
    }

    /// [`Unit::submit_raw`].
    ///
    /// # Errors
    /// As there.
    pub fn submit_raw(&mut self, descriptor: Descriptor) -> Result<(), InvalidationError> {
        self.unit.submit_raw(descriptor, &mut self.memory)
    }

    /// [`Unit::recover_queue`].
    pub fn recover_queue(&mut self) -> Option<QueueError> {
        self.unit.recover_queue(&mut self.memory)
    }

    /// Lets a requester pass untranslated, tagged with a domain id that is nobody's: for measuring what translation costs.
    ///
    /// # Errors
    /// As for [`Unit::pass_through`].
    pub fn pass_through(
        &mut self,
        source: SourceId,
        domain: DomainId,
    ) -> Result<(), Error<InvalidationError>> {
        let Self { unit, roots, format, memory, clock, .. } = self;
        unit.pass_through(roots, (source, domain), format.levels, memory, clock)
    }
}

impl<R: Registers, M: TableMemory + Clone, C: Clock> RemappingUnit for ActiveUnit<R, M, C> {
    type Tables = DomainTables<M>;
    type InvalidationError = InvalidationError;
    type Batch = BatchPlan;

    fn domain_ids(&self) -> u32 {
        self.unit.capabilities().domains()
    }

    fn new_tables(&self) -> Result<DomainTables<M>, TableError> {
        let mut memory = self.memory.clone();
        let stage = SecondStage::new(&mut memory, self.format)?;
        Ok(DomainTables { stage, memory })
    }

    fn notes_maps(&self) -> bool {
        self.unit.notes_maps()
    }

    fn is_dead(&self) -> bool {
        self.unit.is_dead()
    }

    fn after_map(&mut self, domain: DomainId, iova: Iova, pages: u64) -> Result<(), InvalidationError> {
        self.unit.after_map(domain, (iova, pages), &mut self.memory, &self.clock)
    }

    fn after_unmap(
        &mut self,
        domain: DomainId,
        iova: Iova,
        pages: u64,
        stale: Stale,
    ) -> Result<(), InvalidationError> {
        self.unit.after_unmap(domain, (iova, pages), stale, &mut self.memory, &self.clock)
    }

    #[inline(always)]
    fn after_unmap_fast(&mut self, domain: DomainId, iova: Iova, pages: u64) -> bool {
        self.unit.after_unmap_fast(domain, (iova, pages), &mut self.memory)
    }

    fn new_batch(domain: DomainId, ranges: usize) -> BatchPlan {
        BatchPlan::new(domain, ranges)
    }

    #[inline]
    fn add_to_batch(batch: &mut BatchPlan, ranges: impl Iterator<Item = (Iova, u64)>, stale: Stale) {
        batch.add_all(ranges, stale);
    }

    fn after_batch(&mut self, batch: &BatchPlan) -> Result<(), InvalidationError> {
        self.unit.after_batch(batch, &mut self.memory, &self.clock)
    }

    fn attach(
        &mut self,
        source: SourceId,
        domain: DomainId,
        tables: &DomainTables<M>,
    ) -> Result<(), Error<InvalidationError>> {
        let Self { unit, roots, memory, clock, .. } = self;
        let table = (tables.stage.root(), tables.stage.levels());
        unit.attach(roots, (source, domain), table, memory, clock)
    }

    fn block(&mut self, source: SourceId) -> Result<(), InvalidationError> {
        self.unit.block(&mut self.roots, source, &mut self.memory, &self.clock)
    }

    fn block_unconfirmed(&mut self, source: SourceId) {
        // The entry says that this is not confirmed.
        let _ = self.roots.block(&mut self.memory, source);
    }

    fn domain_of(&self, source: SourceId) -> Option<DomainId> {
        let entry = self.roots.entry(&self.memory, source);
        entry.is_present().then(|| entry.domain())
    }

    fn retire(&mut self, domain: DomainId) -> Result<(), Error<InvalidationError>> {
        self.unit.retire(&mut self.roots, domain, &mut self.memory, &self.clock)
    }
}

impl<R: Registers, M: TableMemory, C: Clock> InterruptRemapper for ActiveUnit<R, M, C> {
    type InvalidationError = InvalidationError;

    fn interrupt_entries(&self) -> u32 {
        let remaps = self.interrupts.as_ref().filter(|_| self.unit.interrupt_table().is_some());
        remaps.map_or(0, InterruptTable::entries)
    }

    fn reaches(&self, destination: ApicId) -> bool {
        self.interrupts.as_ref().is_some_and(|table| table.mode().reaches(destination))
    }

    fn write_interrupt_entry(&mut self, index: InterruptIndex, route: Route, sender: Sender) {
        if let Some(table) = &mut self.interrupts {
            let entry = InterruptEntry::remapped(route, sender, table.mode());
            table.write(&mut self.memory, index, entry);
        }
    }

    fn clear_interrupt_entry(&mut self, index: InterruptIndex) {
        if let Some(table) = &mut self.interrupts {
            table.clear(&mut self.memory, index);
        }
    }

    fn after_interrupt_entries_written(&mut self, block: IndexBlock) -> Result<(), InvalidationError> {
        // What was not present may be remembered as such (caching mode).
        self.unit.publish(&[Invalidation::InterruptEntries(block)], &mut self.memory, &self.clock)
    }

    fn after_interrupt_entries_cleared(&mut self, block: IndexBlock) -> Result<(), InvalidationError> {
        self.unit.invalidate(Invalidation::InterruptEntries(block), &mut self.memory, &self.clock)
    }

    fn interrupt_message(&self, block: IndexBlock) -> MsiMessage {
        InterruptRequest::remappable(block.first()).message()
    }
}

impl<M> DomainTables<M> {
    /// The second stage, to be read.
    pub const fn stage(&self) -> &SecondStage {
        &self.stage
    }
}

impl<M: TableMemory> DomainTables<M> {
    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(&self, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        let (phys, permissions, _) = self.stage.translate(&self.memory, iova)?;
        Some((phys, permissions))
    }
}

impl<M: TableMemory> IoPageTables for DomainTables<M> {
    type Unlinked = Unmapped;

    fn map(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> Result<(), MapError> {
        self.stage.map(&mut self.memory, iova, phys, bytes, permissions)
    }

    #[inline(always)]
    fn map_fast(&mut self, iova: Iova, phys: PhysAddr, bytes: u64, permissions: Permissions) -> bool {
        self.stage.map_fast(&mut self.memory, (iova, phys), bytes, permissions)
    }

    fn unmap(&mut self, iova: Iova, bytes: u64) -> Result<Unmapped, UnmapError> {
        self.stage.unmap(&mut self.memory, iova, bytes)
    }

    #[inline(always)]
    fn unmap_fast(&mut self, iova: Iova, bytes: u64) -> bool {
        self.stage.unmap_fast(&mut self.memory, iova, bytes)
    }

    #[inline(always)]
    fn unmap_run(&mut self, ranges: impl Iterator<Item = (Iova, u64)>) -> (usize, Unmapped) {
        self.stage.unmap_run(&mut self.memory, ranges)
    }

    #[inline(always)]
    fn stale(unlinked: &Unmapped) -> Stale {
        unlinked.stale()
    }

    #[inline(always)]
    fn join(&mut self, all: &mut Unmapped, next: Unmapped) {
        all.join(&mut self.memory, next);
    }

    fn free(&mut self, unlinked: Unmapped) {
        unlinked.release(&mut self.memory);
    }

    fn give_up(unlinked: Unmapped) {
        unlinked.give_up();
    }

    fn free_all(&mut self) {
        self.stage.release(&mut self.memory);
    }
}
