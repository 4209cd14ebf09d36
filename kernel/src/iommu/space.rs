//! An address space on a unit: tables, and the requesters that work in it.
#![expect(unsafe_code, reason = "UNSAFETY: puts bare addresses into tables that devices go by")]

use dma_types::{DomainId, Iova, Permissions, PhysAddr, SourceId};
use iova::IovaRange;
use vtd::BatchPlan;
use vtd::tables::{RequestWalk, SecondStage, Stale, Unmapped};

use super::hardware::{FrameMemory, KernelClock};
use super::unit::Control;
use super::{IommuError, Unit};
use crate::sync::InterruptsOff;

/// The tables of one domain, and its number on its unit.
pub struct AddressSpace {
    unit: &'static Unit,
    id: DomainId,
    tables: SecondStage,
    /// Whether the unit is told of what was mapped, or finds it by itself.
    maps: Maps,
}

/// What a unit wants to know of new mappings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maps {
    /// Nothing.
    Found,
    /// All: it remembers what was not there, or a buffer before it holds writes back.
    Announced,
}

/// How far an unmap in few steps came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unmapping {
    /// All is done.
    Done,
    /// The entries are cleared, but the unit may still use them.
    Cleared,
    /// Nothing has changed.
    NotBegun,
}

/// How large the tables of an address space are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Bytes that translate.
    pub mapped_bytes: u64,
    /// Pages of tables.
    pub table_pages: u64,
}

impl AddressSpace {
    /// Makes an empty address space.
    ///
    /// # Errors
    /// If the unit does not enforce, has no domain id left, or there is no memory.
    pub fn new(unit: &'static Unit) -> Result<Self, IommuError> {
        let format = unit.format().ok_or(IommuError::NotEnforcing { unit: unit.index })?;
        let (id, notes_maps) =
            unit.control(|control| Ok((control.take_domain(unit.index)?, control.unit.notes_maps())))?;
        let maps = if notes_maps { Maps::Announced } else { Maps::Found };
        match SecondStage::new(&mut FrameMemory, format) {
            Ok(tables) => Ok(Self { unit, id, tables, maps }),
            Err(error) => {
                unit.control(|control| {
                    control.give_domain_back(id);
                    Ok(())
                })?;
                Err(error.into())
            }
        }
    }

    /// The unit.
    pub fn unit(&self) -> &'static Unit {
        self.unit
    }

    /// Its number on the unit.
    pub fn id(&self) -> DomainId {
        self.id
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        Size { mapped_bytes: self.tables.mapped_bytes(), table_pages: self.tables.table_pages() }
    }

    /// Lets requests to `[iova, iova + bytes)` reach the memory at `phys`, in one direction or both.
    ///
    /// # Errors
    /// If the range is taken or out of reach, or there is no memory; nothing has changed then. If the unit confirmed
    /// neither the mapping nor its end, the memory [may be reached](IommuError::may_be_reached) and must never be
    /// used again.
    ///
    /// # Safety
    /// The memory is the caller's, or one that firmware reserved for the devices, until the range is unmapped and that is
    /// confirmed; what the devices write there is nobody's undoing.
    pub unsafe fn map(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
        off: &InterruptsOff,
    ) -> Result<(), IommuError> {
        self.tables.map(&mut FrameMemory, iova, phys, bytes, permissions)?;
        match self.maps {
            Maps::Found => Ok(()),
            Maps::Announced => self.announce(iova, bytes, off),
        }
    }

    /// The common case of [`map`](Self::map) in few steps. Tells whether it was that; if not, nothing has
    /// changed.
    ///
    /// # Safety
    /// As [`map`](Self::map).
    #[must_use = "if it was not, map in the general way"]
    #[inline(always)]
    pub unsafe fn map_at_once(
        &mut self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: Permissions,
    ) -> bool {
        self.maps == Maps::Found
            && self.tables.map_at_once(&mut FrameMemory, (iova, phys), bytes, permissions)
    }

    /// Ends what [`map`](Self::map) began. When this returns, the unit has forgotten the range, and requests
    /// that were under way have drained.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap(&mut self, iova: Iova, bytes: u64, off: &InterruptsOff) -> Result<(), IommuError> {
        let Self { unit, id, tables, .. } = self;
        unit.control_within(off, |control| {
            Ok(control.unit.unmap(tables, *id, (iova, bytes), &mut FrameMemory, &KernelClock)?)
        })
    }

    /// The common case of [`unmap`](Self::unmap) in few steps, as far as it goes.
    #[inline(always)]
    pub fn unmap_at_once(&mut self, iova: Iova, bytes: u64, off: &InterruptsOff) -> Unmapping {
        if !self.clear_at_once(iova, bytes) {
            return Unmapping::NotBegun;
        }
        let mut control = self.unit.lock_control(off);
        let Some(control) = control.as_mut() else { return Unmapping::Cleared };
        if control.unit.after_unmap_at_once(self.id, pages(iova, bytes), &mut FrameMemory) {
            Unmapping::Done
        } else {
            Unmapping::Cleared
        }
    }

    /// Clears entries in few steps, if that is possible; if not, nothing has changed. The unit knows nothing of it.
    #[must_use = "if it was not, unmap in the general way; if it was, have the unit forget the range"]
    #[inline(always)]
    pub fn clear_at_once(&mut self, iova: Iova, bytes: u64) -> bool {
        self.tables.unmap_at_once(&mut FrameMemory, iova, bytes)
    }

    /// Unmaps from where the few steps ended.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap_from(
        &mut self,
        progress: Unmapping,
        iova: Iova,
        bytes: u64,
        off: &InterruptsOff,
    ) -> Result<(), IommuError> {
        match progress {
            Unmapping::Done => Ok(()),
            Unmapping::Cleared => self.forget(iova, bytes, Stale::Range, off),
            Unmapping::NotBegun => self.unmap(iova, bytes, off),
        }
    }

    /// Unmaps many ranges. When this returns, the unit has forgotten all of them, after one wait.
    ///
    /// # Errors
    /// If one is not mapped or the unit did not confirm: all of the memory may still be reached and must never
    /// be used again.
    pub fn unmap_all(&mut self, ranges: &[IovaRange], off: &InterruptsOff) -> Result<(), IommuError> {
        let mut plan = BatchPlan::new(self.id, ranges.len());
        let mut unlinked: Option<Unmapped> = None;
        let mut result = Ok(());
        let mut rest = ranges;
        while let [next, ..] = rest {
            let bounds = rest.iter().map(|range| (range.start(), range.length()));
            let (mut done, unmapped) = self.tables.unmap_run(&mut FrameMemory, bounds);
            let mut stale = unmapped.stale();
            join(&mut unlinked, unmapped);
            if done == 0 {
                done = 1;
                match self.tables.unmap(&mut FrameMemory, next.start(), next.length()) {
                    Ok(unmapped) => {
                        stale = unmapped.stale();
                        join(&mut unlinked, unmapped);
                    }
                    Err(error) => result = Err(error.into()),
                }
            }
            let (together, behind) = rest.split_at(done);
            plan.add_all(together.iter().map(|range| (range.start(), range.pages())), stale);
            rest = behind;
        }
        let forgotten = self.unit.control_within(off, |control| {
            Ok(control.unit.after_batch(&plan, &mut FrameMemory, &KernelClock)?)
        });
        match (unlinked, &forgotten) {
            (Some(unlinked), Ok(())) => unlinked.release(&mut FrameMemory),
            (Some(unlinked), Err(_)) => unlinked.give_up(),
            (None, _) => {}
        }
        forgotten.and(result)
    }

    /// Has the unit forget a range of which entries were cleared.
    fn forget(&self, iova: Iova, bytes: u64, stale: Stale, off: &InterruptsOff) -> Result<(), IommuError> {
        self.unit.control_within(off, |control| {
            let range = pages(iova, bytes);
            Ok(control.unit.after_unmap(self.id, range, stale, &mut FrameMemory, &KernelClock)?)
        })
    }

    /// Has the unit take note of what was mapped; otherwise it is unmapped again.
    #[cold]
    fn announce(&mut self, iova: Iova, bytes: u64, off: &InterruptsOff) -> Result<(), IommuError> {
        let Self { unit, id, tables, .. } = self;
        unit.control_within(off, |control| {
            Ok(control.unit.announce(tables, *id, (iova, bytes), &mut FrameMemory, &KernelClock)?)
        })
    }

    /// Puts a requester into this address space.
    ///
    /// # Errors
    /// If it is in one already, or the unit did not take note; it is blocked then.
    pub fn attach(&self, source: SourceId) -> Result<(), IommuError> {
        let (who, tables) = ((source, self.id), (self.tables.root(), self.tables.levels()));
        self.unit.control(|control| {
            let Control { unit, roots, .. } = control;
            Ok(unit.attach(roots, who, tables, &mut FrameMemory, &KernelClock)?)
        })
    }

    /// Blocks a requester, whatever address space it is in.
    ///
    /// # Errors
    /// If the unit did not confirm that it forgot the entry; its bus mastering must stay off. The unit is asked again
    /// each time, until it has confirmed.
    pub fn block(unit: &Unit, source: SourceId) -> Result<(), IommuError> {
        unit.control(|control| {
            let Control { unit, roots, .. } = control;
            Ok(unit.block(roots, source, &mut FrameMemory, &KernelClock)?)
        })
    }

    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(&self, iova: Iova) -> Option<(PhysAddr, Permissions)> {
        let (phys, permissions, _) = self.tables.translate(&FrameMemory, iova)?;
        Some((phys, permissions))
    }

    /// Tells whether all that a walk met is as it was written for a requester of this space, every bit.
    pub fn wrote(&self, walk: &RequestWalk) -> bool {
        walk.leads_to(self.id, self.tables.root(), self.tables.levels())
            && self.tables.may_have_written(&walk.path)
    }

    /// The domain that a requester's entry names.
    pub fn domain_of(unit: &Unit, source: SourceId) -> Option<DomainId> {
        unit.control(|control| {
            let entry = control.roots.entry(&FrameMemory, source);
            Ok(entry.is_present().then(|| entry.domain()))
        })
        .ok()
        .flatten()
    }
}

/// Gives everything back. No requester may be attached any more.
impl Drop for AddressSpace {
    fn drop(&mut self) {
        let forgotten = self.unit.control(|control| {
            let Control { unit, roots, .. } = control;
            unit.retire(roots, self.id, &mut FrameMemory, &KernelClock)?;
            control.give_domain_back(self.id);
            Ok(())
        });
        match forgotten {
            Ok(()) => self.tables.release(&mut FrameMemory),
            // Their pages stay taken: the unit may still walk them.
            Err(error) => log::error!("the tables of domain {} are given up: {error}", self.id),
        }
    }
}

/// Puts the tables that an unmap unlinked to those of the unmaps before.
fn join(all: &mut Option<Unmapped>, next: Unmapped) {
    match all {
        Some(all) => all.join(&mut FrameMemory, next),
        None => *all = Some(next),
    }
}

/// A range as first page and number of pages.
#[inline]
fn pages(iova: Iova, bytes: u64) -> (Iova, u64) {
    (iova, bytes / dma_types::PAGE_SIZE)
}
