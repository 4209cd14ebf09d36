//! One unit of the machine.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::DerefMut;
use core::sync::atomic::AtomicBool;

use dma_types::{DomainId, Iova, PAGE_SIZE, PhysAddr, Segment, SourceId};
use vtd::spec::command::GlobalStatus;
use vtd::spec::second_stage::TableLevels;
use vtd::tables::{Format, RequestWalk, RootTable, TableError, walk_request};
use vtd::{EnforcementPort, FaultPort, Invalidation};

use super::hardware::{FrameMemory, KernelClock, Window};
use super::{IommuError, enforcement, silence};
use crate::memory::direct;
use crate::sync::{InterruptsOff, IrqLock, rank};

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
    pub facts: Option<Facts>,
    /// Its fault records, apart from the rest so that the fault handler needs no lock.
    pub faults: Option<FaultPort<Window>>,
    /// Why it could not be taken.
    pub failure: Option<String>,
    /// What is asked whether it still enforces; none if it could not be taken. The lock is held for no longer than a
    /// copy takes.
    pub(super) port: IrqLock<Option<EnforcementPort<Window>>, rank::Enforcement>,
    /// It did not confirm an invalidation in time.
    pub(super) silent: AtomicBool,
    control: IrqLock<Option<Control>, rank::Unit>,
}

/// What a unit said of itself.
#[derive(Clone, Copy)]
pub struct Facts {
    /// Version, major and minor.
    pub version: (u32, u32),
    /// Its capabilities.
    pub capabilities: vtd::spec::capability::Capabilities,
    /// Its extended capabilities.
    pub extended: vtd::spec::capability::ExtendedCapabilities,
    /// The depth of tables in use; none if it walks tables of no depth that exists.
    pub levels: Option<TableLevels>,
}

/// The half of a unit that changes what it does.
pub(super) struct Control {
    /// The unit.
    pub unit: vtd::Unit<Window>,
    /// Who belongs to which domain.
    pub roots: RootTable,
    /// The first domain id that was never used.
    next_domain: u32,
    /// Domain ids that came back.
    free_domains: Vec<DomainId>,
}

impl Unit {
    /// A unit that was taken, with everything blocked.
    pub(super) fn taken(
        plan: &coverage::Unit,
        index: usize,
        unit: vtd::Unit<Window>,
        roots: RootTable,
    ) -> Self {
        let faults = Some(unit.fault_port());
        let port = IrqLock::new(unit.enforcement_port());
        let facts = Some(Facts::of(&unit));
        let register_bytes = unit.register_bytes();
        // Domain 0 tags entries that are not present where those are cached, so it is nobody's.
        let control = Control { unit, roots, next_domain: 1, free_domains: Vec::new() };
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
            control: IrqLock::new(Some(control)),
        }
    }

    /// A unit that could not be taken. What it still records is drained all the same.
    pub(super) fn failed(
        plan: &coverage::Unit,
        index: usize,
        unit: Option<&vtd::Unit<Window>>,
        failure: String,
    ) -> Self {
        Self {
            index,
            segment: plan.segment,
            base: plan.base,
            register_bytes: unit.map_or(plan.window_bytes as usize, vtd::Unit::register_bytes),
            facts: unit.map(Facts::of),
            faults: unit.map(vtd::Unit::fault_port),
            failure: Some(failure),
            port: IrqLock::new(None),
            silent: AtomicBool::new(false),
            control: IrqLock::new(None),
        }
    }

    /// Reads its status; `None` if it could not be taken.
    pub fn status(&self) -> Option<GlobalStatus> {
        self.control(|control| Ok(control.unit.status())).ok()
    }

    /// The entries that it reads for a request, as they stand in memory now; `None` if it does not enforce.
    pub fn walk(&self, source: SourceId, iova: Option<Iova>) -> Option<RequestWalk> {
        let root = self.control(|control| Ok(control.roots.address())).ok()?;
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

    /// Runs something with the controlling half.
    ///
    /// # Errors
    /// If the unit could not be taken, or as the closure says.
    pub(super) fn control<T>(
        &self,
        work: impl FnOnce(&mut Control) -> Result<T, IommuError>,
    ) -> Result<T, IommuError> {
        self.control_within(&InterruptsOff::new(), work)
    }

    /// Runs something with the controlling half, where interrupts are off already.
    ///
    /// # Errors
    /// If the unit could not be taken, or as the closure says.
    pub(super) fn control_within<T>(
        &self,
        off: &InterruptsOff,
        work: impl FnOnce(&mut Control) -> Result<T, IommuError>,
    ) -> Result<T, IommuError> {
        let mut control = self.lock_control(off);
        let result = work(control.as_mut().ok_or(IommuError::NotEnforcing { unit: self.index })?);
        let dead = control.as_ref().is_some_and(|control| control.unit.is_dead());
        drop(control);
        if let Err(IommuError::Invalidation(_) | IommuError::NotNoted(_)) = result {
            // Somebody may have switched its queue off, and the rest with it.
            enforcement::demand();
            if dead {
                silence::cut_off(self);
            }
        }
        result
    }

    /// The controlling half, if the unit could be taken, where interrupts are off already.
    #[inline(always)]
    pub(super) fn lock_control<'a>(
        &'a self,
        off: &'a InterruptsOff,
    ) -> impl DerefMut<Target = Option<Control>> + use<'a> {
        self.control.lock_within(off)
    }

    /// How the tables of its domains look; `None` if the unit never answered, or walks none.
    pub(super) fn format(&self) -> Option<Format> {
        let facts = self.facts?;
        Some(Format::of_unit(facts.levels?, facts.capabilities, facts.extended))
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
        let width = |facts: Facts| Some(facts.levels?.width().min(facts.capabilities.address_width()));
        self.facts.and_then(width).unwrap_or(0)
    }

    /// Domain ids in use.
    pub fn domains(&self) -> usize {
        self.control(|control| Ok(control.domains())).unwrap_or(0)
    }

    /// Every page of its root and context tables.
    pub fn root_pages(&self) -> Vec<PhysAddr> {
        self.control(|control| Ok(control.roots.pages(&FrameMemory).collect())).unwrap_or_default()
    }

    /// The page of its invalidation queue, if it has one.
    pub fn queue_page(&self) -> Option<PhysAddr> {
        self.control(|control| Ok(control.unit.queue_page())).ok().flatten()
    }

    /// Gets the invalidation queue going if an error has stopped it; says what it was.
    pub fn recover_queue(&self) {
        // Interrupts are off: whoever holds the lock was interrupted and looks for errors itself.
        let Some(mut control) = self.control.try_lock() else { return };
        if let Some(control) = control.as_mut()
            && let Some(error) = control.unit.recover_queue(&mut FrameMemory)
        {
            log::error!("unit {}: invalidation queue stopped: {error}", self.index);
        }
    }
}

impl Facts {
    fn of(unit: &vtd::Unit<Window>) -> Self {
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

impl Control {
    /// Takes a domain id that nobody has.
    pub(super) fn take_domain(&mut self, unit: usize) -> Result<DomainId, IommuError> {
        if let Some(id) = self.free_domains.pop() {
            return Ok(id);
        }
        // Room for it to come back, which must not fail.
        let room = (self.next_domain as usize).saturating_sub(self.free_domains.len());
        self.free_domains.try_reserve(room).map_err(|_| TableError::OutOfMemory)?;
        let id = u16::try_from(self.next_domain)
            .ok()
            .filter(|id| u32::from(*id) < self.unit.capabilities().domains());
        let id = id.ok_or(IommuError::NoDomainId { unit })?;
        self.next_domain += 1;
        Ok(DomainId(id))
    }

    /// Gives a domain id back; nothing of the domain may be cached any more.
    pub(super) fn give_domain_back(&mut self, id: DomainId) {
        self.free_domains.push(id);
    }

    /// Domain ids in use.
    fn domains(&self) -> usize {
        (self.next_domain as usize).saturating_sub(1 + self.free_domains.len())
    }

    /// Has all of it forgotten.
    pub(super) fn forget(&mut self, what: &[Invalidation]) -> Result<(), IommuError> {
        Ok(self.unit.invalidate_all(what, &mut FrameMemory, &KernelClock)?)
    }
}
