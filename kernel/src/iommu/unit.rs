//! One unit of the machine.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::DerefMut;
use core::sync::atomic::AtomicBool;

use ::iommu::{Error, RemappingUnit};
use dma_types::{DomainId, Iova, PAGE_SIZE, PhysAddr, Segment, SourceId};
use vtd::spec::command::GlobalStatus;
use vtd::spec::second_stage::TableLevels;
use vtd::tables::{RequestWalk, walk_request};
use vtd::{ActiveUnit, EnforcementPort, FaultPort, InvalidationError};

use super::interrupts::{EntryBook, InterruptState};
use super::{IommuError, enforcement};
use crate::memory::direct;
use crate::memory::mmio::Mmio;
use crate::memory::tables::FrameMemory;
use crate::platform::clock::KernelClock;
use crate::sync::{InterruptsOff, IrqLock, rank};

/// The register window of one unit; it stays mapped for as long as the kernel runs.
pub type UnitWindow = &'static Mmio;

/// A unit that the firmware's table names, whether it could be taken or not.
pub struct Unit {
    /// Its place in the table.
    pub index: usize,
    /// The segment it serves.
    pub segment: Segment,
    /// Where its registers begin.
    pub base: PhysAddr,
    /// Bytes of its registers: by its own word, or the table's if it never answered.
    pub register_bytes: usize,
    /// What it said of itself; absent if it never answered.
    pub facts: Option<UnitFacts>,
    /// Its fault records, apart from the rest so that the fault handler needs no lock.
    pub faults: Option<FaultPort<UnitWindow>>,
    /// Why it could not be taken.
    pub failure: Option<String>,
    /// What is asked whether it still enforces; none if it could not be taken. The lock is held for no longer than a
    /// copy takes.
    pub(super) port: IrqLock<Option<EnforcementPort<UnitWindow>>, rank::Enforcement>,
    /// It did not confirm an invalidation in time.
    pub(super) silent: AtomicBool,
    /// Whether it remaps interrupts.
    pub interrupts: InterruptState,
    /// Whose interrupt entries are whose; none if it does not remap interrupts.
    pub(super) entries: IrqLock<Option<EntryBook>, rank::InterruptEntries>,
    control: IrqLock<Option<UnitController>, rank::Unit>,
}

/// A unit at work, and the ids of its domains.
pub type UnitController = ::iommu::Controller<Active>;

/// A unit that enforces.
pub type Active = ActiveUnit<UnitWindow, FrameMemory, KernelClock>;

/// What a unit said of itself.
#[derive(Clone, Copy)]
pub struct UnitFacts {
    /// Version, major and minor.
    pub version: (u32, u32),
    /// Its capabilities.
    pub capabilities: vtd::spec::capability::Capabilities,
    /// Its extended capabilities.
    pub extended: vtd::spec::capability::ExtendedCapabilities,
    /// The depth of tables in use; none if it walks tables of no depth that exists.
    pub levels: Option<TableLevels>,
}

impl Unit {
    /// A unit that was taken, with everything blocked.
    pub(super) fn taken(
        plan: &coverage::Unit,
        index: usize,
        active: Active,
        interrupts: InterruptState,
    ) -> Self {
        // Without memory for it nobody gets an entry, and so no interrupt.
        let book = EntryBook::new(&active).ok();
        let unit = active.unit();
        let faults = Some(unit.fault_port());
        let port = IrqLock::new(unit.enforcement_port());
        let facts = Some(UnitFacts::of(unit));
        let register_bytes = unit.register_bytes();
        Self {
            index,
            segment: plan.segment,
            base: plan.base,
            register_bytes,
            facts,
            faults,
            failure: None,
            port,
            silent: AtomicBool::new(false),
            interrupts,
            entries: IrqLock::new(book),
            control: IrqLock::new(Some(UnitController::new(active))),
        }
    }

    /// A unit that could not be taken. What it still records is drained all the same.
    pub(super) fn failed(
        plan: &coverage::Unit,
        index: usize,
        unit: Option<&vtd::Unit<UnitWindow>>,
        failure: String,
        interrupts: InterruptState,
    ) -> Self {
        Self {
            index,
            segment: plan.segment,
            base: plan.base,
            register_bytes: unit.map_or(plan.window_bytes as usize, vtd::Unit::register_bytes),
            facts: unit.map(UnitFacts::of),
            faults: unit.map(vtd::Unit::fault_port),
            failure: Some(failure),
            port: IrqLock::new(None),
            silent: AtomicBool::new(false),
            interrupts,
            entries: IrqLock::new(None),
            control: IrqLock::new(None),
        }
    }

    /// Reads its status; `None` if it could not be taken.
    pub fn status(&self) -> Option<GlobalStatus> {
        self.read(|active| active.unit().status())
    }

    /// The entries that it reads for a request, as they stand in memory now; `None` if it does not enforce.
    pub fn walk(&self, source: SourceId, iova: Option<Iova>) -> Option<RequestWalk> {
        let root = self.read(|active| active.roots().address())?;
        // The root table is a frame of ours; where an entry leads is looked at once a page.
        let known = Cell::new(root);
        let read = |at: PhysAddr| {
            let page = at.page();
            if known.get() != page {
                direct::is_ram(page, PAGE_SIZE).then(|| known.set(page))?;
            }
            Some(direct::read_word(at))
        };
        Some(walk_request(&read, root, source, iova))
    }

    /// Reads something of the unit at work; `None` if it could not be taken.
    pub fn read<T>(&self, read: impl FnOnce(&Active) -> T) -> Option<T> {
        self.control.lock().as_ref().map(|controller| read(controller.unit()))
    }

    /// Runs a sequence on the unit, which no other goes between. Where the unit did not confirm, everybody is asked
    /// whether they still enforce, and what is behind a unit that is dead is cut off.
    ///
    /// # Errors
    /// If the unit could not be taken, or as the sequence says.
    pub fn run<T>(
        &self,
        off: &InterruptsOff,
        sequence: impl FnOnce(&mut UnitController) -> Result<T, Error<InvalidationError>>,
    ) -> Result<T, IommuError> {
        let mut control = self.lock_control(off);
        let controller = control.as_mut().ok_or(IommuError::NotEnforcing { unit: self.index })?;
        let result = sequence(controller);
        let dead = controller.unit().is_dead();
        drop(control);
        if let Err(Error::Unconfirmed(_) | Error::NotNoted(_)) = result {
            self.after_failure(dead);
        }
        result.map_err(|error| IommuError::Sequence { unit: self.index, error })
    }

    /// What follows where it did not confirm.
    pub(super) fn after_failure(&self, dead: bool) {
        // Somebody may have switched its queue off, and the rest with it.
        enforcement::demand();
        if dead {
            self.fall_silent();
        }
    }

    /// Blocks requesters, whatever address spaces they are in. All are tried.
    ///
    /// # Errors
    /// If the unit did not confirm that it forgot an entry; bus mastering of all must stay off. The unit is asked again
    /// each time, until it has confirmed.
    pub fn block(&self, sources: impl IntoIterator<Item = SourceId>) -> Result<(), IommuError> {
        self.run(&InterruptsOff::new(), |controller| controller.block(sources))
    }

    /// The domain that a requester's entry names.
    pub fn domain_of(&self, source: SourceId) -> Option<DomainId> {
        self.read(|active| active.domain_of(source)).flatten()
    }

    /// The controlling half, if the unit could be taken, where interrupts are off already.
    #[inline(always)]
    pub(super) fn lock_control<'a>(
        &'a self,
        off: &'a InterruptsOff,
    ) -> impl DerefMut<Target = Option<UnitController>> + use<'a> {
        self.control.lock_within(off)
    }

    /// Tells whether its tables make every request see the processors' caches, whatever the device asks for.
    pub fn forces_snooping(&self) -> bool {
        self.facts.is_some_and(|facts| facts.extended.snoop_control())
    }

    /// Levels of the tables in use; 0 if there are none.
    pub fn table_levels(&self) -> u8 {
        self.facts.and_then(|facts| facts.levels).map_or(0, TableLevels::count)
    }

    /// Bits of address that it translates.
    pub fn width(&self) -> u8 {
        let width = |facts: UnitFacts| Some(facts.levels?.width().min(facts.capabilities.address_width()));
        self.facts.and_then(width).unwrap_or(0)
    }

    /// Domain ids in use.
    pub fn domains(&self) -> usize {
        self.control.lock().as_ref().map_or(0, UnitController::domains)
    }

    /// Every page of the tables that say who may do what: root and context tables, then the table of interrupts.
    pub fn table_pages(&self) -> Vec<PhysAddr> {
        self.read(|active| active.table_pages().collect()).unwrap_or_default()
    }

    /// The page of its invalidation queue, if it has one.
    pub fn queue_page(&self) -> Option<PhysAddr> {
        self.read(|active| active.unit().queue_page()).flatten()
    }

    /// Gets the invalidation queue going if an error has stopped it; says what it was.
    pub fn recover_queue(&self) {
        // Interrupts are off: whoever holds the lock was interrupted and looks for errors itself.
        let Some(mut control) = self.control.try_lock() else { return };
        if let Some(controller) = control.as_mut()
            && let Some(error) = controller.unit_mut().recover_queue()
        {
            log::error!("unit {}: invalidation queue stopped: {error}", self.index);
        }
    }
}

impl UnitFacts {
    fn of(unit: &vtd::Unit<UnitWindow>) -> Self {
        let version = unit.version();
        Self {
            version: (version.major(), version.minor()),
            capabilities: unit.capabilities(),
            extended: unit.extended_capabilities(),
            levels: unit.levels().ok(),
        }
    }

    pub(super) fn version_text(&self) -> String {
        let (major, minor) = self.version;
        alloc::format!("{major}.{minor}")
    }
}
