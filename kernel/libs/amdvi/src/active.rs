//! A unit at work with everything it needs: registers, device table, table memory and clock.

use core::fmt;

use dma_types::{DomainId, Iova, Permissions, PhysAddr, SourceId};
use iommu::{
    ContiguousMemory, Error, IoPageTables, MapError, RemappingUnit, Stale, TableError, TableMemory,
    UnmapError,
};
use mmio_regs::{Clock, Registers};

use crate::invalidation::{BatchPlan, Invalidation, InvalidationError};
use crate::queue::QueueError;
use crate::spec::command::Command;
use crate::spec::control::Control;
use crate::tables::{DeviceTable, PageTable, Standing, Unmapped};
use crate::unit::{BringUp, Caching, Unit, UnitError};

/// Domain ids that a device entry can name.
const DOMAINS: u32 = 1 << 16;

/// A unit that was brought up, its device table, and the machine around it. Holding one proves that the unit was seen to
/// enforce that table.
#[derive(Debug)]
pub struct ActiveUnit<R, M, C> {
    unit: Unit<R>,
    table: DeviceTable,
    fabric: Control,
    memory: M,
    clock: C,
}

/// The page tables of a domain, with the memory that they lie in.
#[derive(Debug)]
pub struct DomainTables<M> {
    table: PageTable,
    memory: M,
}

/// A unit that could not be brought up. What it enforces is at least as strict as before; the pages that it may use stay
/// taken.
#[derive(Debug)]
pub struct NotEnabled<R> {
    /// The unit.
    pub unit: Unit<R>,
    /// Why.
    pub error: EnableError,
}

/// Why a unit could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EnableError {
    /// There was no memory for its device table.
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

impl<R: Registers, M: ContiguousMemory + Clone, C: Clock> ActiveUnit<R, M, C> {
    /// Makes a unit enforce a new device table that permits nothing, by [`Unit::bring_up`]. `fabric` is what firmware's table
    /// asks for.
    ///
    /// # Errors
    /// As there, or if there is no memory.
    #[expect(
        clippy::result_large_err,
        reason = "the unit comes back, once for each, at the start of the machine"
    )]
    pub fn enable(
        mut unit: Unit<R>,
        fabric: Control,
        mut memory: M,
        clock: C,
    ) -> Result<Self, NotEnabled<R>> {
        let table = match DeviceTable::new(&mut memory, unit.levels()) {
            Ok(table) => table,
            Err(error) => return Err(NotEnabled { unit, error: EnableError::Tables(error) }),
        };
        let config = BringUp { table: table.base(), fabric };
        if let Err(error) = unit.bring_up(&config, &mut memory, &clock) {
            // The unit may read this table all the same: its pages stay taken.
            return Err(NotEnabled { unit, error: EnableError::Unit(error) });
        }
        Ok(Self { unit, table, fabric, memory, clock })
    }

    /// Makes the unit enforce the present device table once more, after it did not answer.
    ///
    /// # Errors
    /// As for [`Unit::bring_up`].
    pub fn bring_up_again(&mut self) -> Result<(), UnitError> {
        let config = BringUp { table: self.table.base(), fabric: self.fabric };
        self.unit.bring_up(&config, &mut self.memory, &self.clock)
    }

    /// Puts another bring-up of the same unit in the place of this one, and frees the device table, which the unit uses no
    /// more. Every requester is blocked then.
    pub fn replace(&mut self, by: Self) {
        let Self { table, mut memory, .. } = core::mem::replace(self, by);
        table.release(&mut memory);
    }
}

impl<R: Registers, M: TableMemory, C: Clock> ActiveUnit<R, M, C> {
    /// The unit.
    pub const fn unit(&self) -> &Unit<R> {
        &self.unit
    }

    /// The device table.
    pub const fn table(&self) -> &DeviceTable {
        &self.table
    }

    /// What stands in a requester's entry.
    pub fn standing(&self, source: SourceId) -> Standing {
        self.table.standing(&self.memory, source)
    }

    /// [`Unit::submit_raw`].
    ///
    /// # Errors
    /// As there.
    pub fn submit_raw(&mut self, command: Command) -> Result<(), InvalidationError> {
        self.unit.submit_raw(command, &mut self.memory)
    }

    /// [`Unit::recover_queue`].
    pub fn recover_queue(&mut self) -> Option<QueueError> {
        self.unit.recover_queue(&self.memory)
    }

    fn invalidate(&mut self, request: Invalidation) -> Result<(), InvalidationError> {
        self.unit.invalidate_all(&[request], &mut self.memory, &self.clock)
    }
}

impl<R: Registers, M: TableMemory + Clone, C: Clock> RemappingUnit for ActiveUnit<R, M, C> {
    type Tables = DomainTables<M>;
    type InvalidationError = InvalidationError;
    type Batch = BatchPlan;

    fn domain_ids(&self) -> u32 {
        DOMAINS
    }

    fn new_tables(&self) -> Result<DomainTables<M>, TableError> {
        let mut memory = self.memory.clone();
        let table = PageTable::new(&mut memory, self.unit.levels())?;
        Ok(DomainTables { table, memory })
    }

    fn notes_maps(&self) -> bool {
        self.unit.caching() == Caching::Everything
    }

    fn is_dead(&self) -> bool {
        self.unit.is_dead()
    }

    fn after_map(&mut self, domain: DomainId, iova: Iova, pages: u64) -> Result<(), InvalidationError> {
        match self.unit.caching() {
            Caching::Present => Ok(()),
            // Tables may have been linked where none was.
            Caching::Everything => {
                self.invalidate(Invalidation::after_unmap(domain, (iova, pages), Stale::Domain))
            }
        }
    }

    fn after_unmap(
        &mut self,
        domain: DomainId,
        iova: Iova,
        pages: u64,
        stale: Stale,
    ) -> Result<(), InvalidationError> {
        self.invalidate(Invalidation::after_unmap(domain, (iova, pages), stale))
    }

    fn after_unmap_fast(&mut self, domain: DomainId, iova: Iova, pages: u64) -> bool {
        self.unit.invalidate_fast(Invalidation::of_pages(domain, iova, pages), &mut self.memory)
    }

    fn new_batch(domain: DomainId, _ranges: usize) -> BatchPlan {
        BatchPlan::new(domain)
    }

    fn add_to_batch(batch: &mut BatchPlan, ranges: impl Iterator<Item = (Iova, u64)>, stale: Stale) {
        batch.add_all(ranges, stale);
    }

    fn after_batch(&mut self, batch: &BatchPlan) -> Result<(), InvalidationError> {
        batch.request().map_or(Ok(()), |request| self.invalidate(request))
    }

    fn attach(
        &mut self,
        source: SourceId,
        domain: DomainId,
        tables: &DomainTables<M>,
    ) -> Result<(), Error<InvalidationError>> {
        let Self { unit, table, memory, clock, .. } = self;
        unit.attach(table, (source, domain), tables.table.root(), memory, clock)
    }

    fn block(&mut self, source: SourceId) -> Result<(), InvalidationError> {
        self.unit.block(&mut self.table, source, &mut self.memory, &self.clock)
    }

    fn block_unconfirmed(&mut self, source: SourceId) {
        // The entry says that this is not confirmed.
        let _ = self.table.block(&mut self.memory, source);
    }

    fn domain_of(&self, source: SourceId) -> Option<DomainId> {
        match self.standing(source) {
            Standing::Attached(domain) => Some(domain),
            Standing::Blocked | Standing::Unconfirmed(_) => None,
        }
    }

    fn retire(&mut self, domain: DomainId) -> Result<(), Error<InvalidationError>> {
        self.unit.retire(&mut self.table, domain, &mut self.memory, &self.clock)
    }
}

impl<M> DomainTables<M> {
    /// The tables, to be read.
    pub const fn table(&self) -> &PageTable {
        &self.table
    }
}

impl<M: TableMemory> DomainTables<M> {
    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(&self, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        self.table.translate(&self.memory, iova)
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
        self.table.map(&mut self.memory, iova, phys, bytes, permissions)
    }

    /// There is none yet: the slow path does everything.
    fn map_fast(&mut self, _: Iova, _: PhysAddr, _: u64, _: Permissions) -> bool {
        false
    }

    fn unmap(&mut self, iova: Iova, bytes: u64) -> Result<Unmapped, UnmapError> {
        self.table.unmap(&mut self.memory, iova, bytes)
    }

    /// There is none yet: the slow path does everything.
    fn unmap_fast(&mut self, _: Iova, _: u64) -> bool {
        false
    }

    /// No run is taken: each range goes by itself.
    fn unmap_run(&mut self, _: impl Iterator<Item = (Iova, u64)>) -> (usize, Unmapped) {
        (0, Unmapped::NOTHING_UNLINKED)
    }

    fn stale(unlinked: &Unmapped) -> Stale {
        unlinked.stale()
    }

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
        self.table.release(&mut self.memory);
    }
}
