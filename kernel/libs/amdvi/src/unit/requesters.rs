//! Which domain a requester belongs to, in the table and in what the unit remembers.
//!
//! What the unit did not confirm is remembered in the requester's entry until it does: no second attempt, no error and no
//! domain that goes away forgets it.

use dma_types::{DomainId, SourceId};
use iommu::{Error, TableMemory};
use mmio_regs::{Clock, Registers};

use crate::invalidation::{Invalidation, InvalidationError};
use crate::spec::device_entry::PageTableRoot;
use crate::tables::{DeviceTable, Standing};

use super::Unit;

impl<R: Registers> Unit<R> {
    /// Puts a requester into a domain: its requests translate once this returns.
    ///
    /// The entry names the domain first, still blocking, and the unit forgets what it had; only then does it lead to the
    /// page table. So the unit never remembers a translation of this domain under another one's number.
    ///
    /// # Errors
    /// The requester is attached already; or the unit did not confirm: it is blocked then, and what the unit may remember of
    /// it stands in its entry, until [`Unit::block`] has it confirmed.
    pub fn attach(
        &mut self,
        table: &mut DeviceTable,
        (source, domain): (SourceId, DomainId),
        root: PageTableRoot,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        if self.is_dead() {
            return Err(Error::Unconfirmed(InvalidationError::Dead));
        }
        if let Standing::Unconfirmed(_) = table.standing(memory, source) {
            self.block(table, source, memory, clock).map_err(Error::Unconfirmed)?;
        }
        table.name_domain(memory, source, domain, root)?;
        let entry = [Invalidation::DeviceEntry(source)];
        let named = self.invalidate_all(&entry, memory, clock);
        let noted = named.and_then(|()| {
            table.open(memory, source, root);
            self.invalidate_all(&entry, memory, clock)
        });
        if noted.is_err() {
            // The unit may have used the entry already. If it does not confirm this either, the entry says so.
            let _ = self.block(table, source, memory, clock);
        }
        noted.map_err(Error::Unconfirmed)
    }

    /// Blocks a requester, whatever domain it is in: no request of it passes any more once this returns.
    ///
    /// # Errors
    /// The requester may still reach everything that the domain maps. That stands in its entry, and this asks the unit again
    /// each time until it has confirmed.
    pub fn block(
        &mut self,
        table: &mut DeviceTable,
        source: SourceId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), InvalidationError> {
        let Some(domain) = table.block(memory, source) else { return Ok(()) };
        let entry = Invalidation::DeviceEntry(source);
        self.invalidate_all(&[entry, Invalidation::Domain(domain)], memory, clock)?;
        table.forget_blocked(memory, source);
        // Until it forgets the entry once more it logs nothing of what it blocks.
        self.invalidate_all(&[entry], memory, clock)
    }

    /// Has the unit forget a domain for good: its number and its tables may be used again once this returns.
    ///
    /// # Errors
    /// A requester is attached to it, or the unit did not confirm that it forgot the domain or a requester of it: number and
    /// tables may still be in use.
    pub fn retire(
        &mut self,
        table: &mut DeviceTable,
        domain: DomainId,
        memory: &mut impl TableMemory,
        clock: &impl Clock,
    ) -> Result<(), Error<InvalidationError>> {
        while let Some(source) = table.named_in(memory, domain) {
            if let Standing::Attached(_) = table.standing(memory, source) {
                return Err(Error::StillAttached(source));
            }
            self.block(table, source, memory, clock).map_err(Error::Unconfirmed)?;
        }
        self.invalidate_all(&[Invalidation::Domain(domain)], memory, clock).map_err(Error::Unconfirmed)
    }
}
