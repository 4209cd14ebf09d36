//! An address space on a unit: tables, and the requesters that work in it.

use dma_types::{DomainId, Iova, PhysAddr, SourceId};
use vtd::Invalidation;
use vtd::tables::SecondStage;

use super::hardware::{FrameMemory, KernelClock};
use super::{IommuError, Unit};
use crate::arch::interrupts::IrqLock;

/// The tables of one domain, and its number on its unit.
pub struct AddressSpace {
    unit: &'static Unit,
    id: DomainId,
    /// Gone only while the space is being released.
    tables: IrqLock<Option<SecondStage>>,
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
        let id = unit.control(|control| control.take_domain(unit.index))?;
        match SecondStage::new(&mut FrameMemory, format) {
            Ok(tables) => Ok(Self { unit, id, tables: IrqLock::new(Some(tables)) }),
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
        self.tables.lock().as_ref().map_or(Size::default(), |tables| Size {
            mapped_bytes: tables.mapped_bytes(),
            table_pages: tables.table_pages(),
        })
    }

    /// Works on the tables.
    fn with_tables<T>(
        &self,
        work: impl FnOnce(&mut SecondStage) -> Result<T, IommuError>,
    ) -> Result<T, IommuError> {
        let gone = IommuError::NotEnforcing { unit: self.unit.index };
        work(self.tables.lock().as_mut().ok_or(gone)?)
    }

    /// Lets requests to `[iova, iova + bytes)` reach the memory at `phys`, in one direction or both.
    ///
    /// # Errors
    /// If the range is taken or out of reach, or there is no memory; nothing has changed then.
    pub fn map(
        &self,
        iova: Iova,
        phys: PhysAddr,
        bytes: u64,
        permissions: dma_types::Permissions,
    ) -> Result<(), IommuError> {
        self.with_tables(|tables| {
            tables.map(&mut FrameMemory, iova, phys, bytes, permissions)?;
            let published = self.unit.control(|control| {
                Ok(control.unit.after_map(self.id, pages(iova, bytes), &mut FrameMemory, &KernelClock)?)
            });
            if published.is_err() {
                // The unit may still walk what is unlinked here: it is given up, not freed.
                core::mem::forget(tables.unmap(&mut FrameMemory, iova, bytes)?);
            }
            published
        })
    }

    /// Ends what [`map`](Self::map) began. When this returns, the unit has forgotten the range, and requests
    /// that were under way have drained.
    ///
    /// # Errors
    /// If the unit did not confirm: the memory may still be reached and must never be used again.
    pub fn unmap(&self, iova: Iova, bytes: u64) -> Result<(), IommuError> {
        self.with_tables(|tables| {
            let unmapped = tables.unmap(&mut FrameMemory, iova, bytes)?;
            let (range, stale) = (pages(iova, bytes), unmapped.stale());
            let forgotten = self.unit.control(|control| {
                Ok(control.unit.after_unmap(self.id, range, stale, &mut FrameMemory, &KernelClock)?)
            });
            match forgotten {
                Ok(()) => unmapped.release(&mut FrameMemory),
                Err(_) => core::mem::forget(unmapped),
            }
            forgotten
        })
    }

    /// Puts a requester into this address space.
    ///
    /// # Errors
    /// If it is in one already, or the unit did not take note; it is blocked then.
    pub fn attach(&self, source: SourceId) -> Result<(), IommuError> {
        let (root, levels) = self.with_tables(|tables| Ok((tables.root(), tables.levels())))?;
        self.unit.control(|control| {
            let attached = control.roots.attach(&mut FrameMemory, source, self.id, root, levels)?;
            let entry = (source, self.id);
            let noted = control.unit.after_attach(attached, entry, &mut FrameMemory, &KernelClock);
            if noted.is_err() {
                let _ = control.roots.block(&mut FrameMemory, source);
            }
            Ok(noted?)
        })
    }

    /// Blocks a requester, whatever address space it is in.
    ///
    /// # Errors
    /// If the unit did not confirm that it forgot the entry; its bus mastering must stay off.
    pub fn block(unit: &Unit, source: SourceId) -> Result<(), IommuError> {
        unit.control(|control| {
            let previous = control.roots.block(&mut FrameMemory, source);
            Ok(control.unit.after_block(previous, source, &mut FrameMemory, &KernelClock)?)
        })
    }

    /// What the tables say of an address: the memory behind it and the way it may be used.
    pub fn translate(&self, iova: Iova) -> Option<(PhysAddr, dma_types::Permissions)> {
        let found = self.with_tables(|tables| Ok(tables.translate(&FrameMemory, iova)));
        let (phys, permissions, _) = found.ok().flatten()?;
        Some((phys, permissions))
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
        let Some(tables) = self.tables.lock().take() else { return };
        let forgotten = self.unit.control(|control| {
            if let Some(source) = control.attached_to(self.id) {
                return Err(IommuError::StillAttached { source });
            }
            control.forget(&[Invalidation::IotlbDomain(self.id)])?;
            control.give_domain_back(self.id);
            Ok(())
        });
        match forgotten {
            Ok(()) => tables.release(&mut FrameMemory),
            // Their pages stay taken: the unit may still walk them.
            Err(error) => log::error!("the tables of domain {} are given up: {error}", self.id),
        }
    }
}

/// A range as first page and number of pages.
fn pages(iova: Iova, bytes: u64) -> (Iova, u64) {
    (iova, bytes.div_ceil(dma_types::PAGE_SIZE))
}
