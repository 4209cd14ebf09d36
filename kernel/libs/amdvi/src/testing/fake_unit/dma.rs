//! Requests of devices: by what is remembered first, by memory else.

use dma_types::{Access, Iova, PhysAddr, SourceId};
use iommu::testing::View;

use crate::spec::control::Control;
use crate::testing::walker::{Blocked, Found, device_entry, follow, permit};
use crate::unit::Caching;

use super::caches::TableAbove;
use super::{Entries, State};

impl State {
    pub(super) fn dma(&mut self, source: SourceId, iova: Iova, access: Access) -> Result<PhysAddr, Blocked> {
        let untold = self.config.entries == Entries::WhenTold && !self.told.contains(&source.bits());
        if !self.control.contains(Control::UNIT) || self.is_excluded(iova) || untold {
            return Ok(PhysAddr::new(iova.as_u64()));
        }
        let start = self.walk_start();
        let request = (source.bits(), iova.as_u64() >> 12);
        if let Some((_, found)) = self.caches.requests.get(&request)
            && permit(*found, access).is_ok()
        {
            return Ok(PhysAddr::new(found.phys.page().as_u64() | iova.as_u64() & 0xfff));
        }
        let entry = match self.caches.entries.get(&source.bits()) {
            Some(entry) => Ok(*entry),
            None => device_entry(&self.memory, &start, source),
        };
        let result = entry.and_then(|entry| {
            self.caches.entries.insert(source.bits(), entry);
            let found = self.translate(entry, iova, access)?;
            self.remember_request(source, iova, entry, found);
            Ok(found)
        });
        if let Err(blocked) = result {
            self.log_blocked(source, iova, access, blocked);
        }
        result.map(|found| found.phys)
    }

    /// Remembers what a request led to, unless it passed untranslated.
    pub(super) fn remember_request(&mut self, source: SourceId, iova: Iova, entry: [u64; 4], found: Found) {
        if entry[0] & 1 != 0 {
            let request = (source.bits(), iova.as_u64() >> 12);
            self.caches.requests.insert(request, (entry[1] as u16, found));
        }
    }

    fn is_excluded(&self, iova: Iova) -> bool {
        let (base, limit) = self.exclusion;
        base & 1 != 0 && (base & !0xfff..=limit | 0xfff).contains(&iova.as_u64())
    }

    /// Translates by an entry that is remembered now.
    pub(super) fn translate(
        &mut self,
        entry: [u64; 4],
        iova: Iova,
        access: Access,
    ) -> Result<Found, Blocked> {
        let start = self.walk_start();
        let [first, second, ..] = entry;
        let is_translated = first & 3 == 3 && first >> 9 & 7 != 0;
        if !is_translated {
            return follow(&self.memory, &start, entry, iova, access);
        }
        let domain = second as u16;
        let page = (domain, iova.as_u64() >> 12);
        let offset = iova.as_u64() & 0xfff;
        // What the entry itself forbids is forbidden whatever is remembered.
        let narrow = |found: Found| Found {
            phys: PhysAddr::new(found.phys.page().as_u64() | offset),
            reads: found.reads && first & 1 << 61 != 0,
            writes: found.writes && first & 1 << 62 != 0,
            ..found
        };
        if let Some(found) = self.caches.pages.get(&page) {
            return permit(narrow(*found), access);
        }
        if self.caches.absent.contains(&page) {
            return Err(Blocked::NotMapped);
        }
        let above = self.caches.tables.get(&(domain, iova.as_u64() >> 21)).copied();
        let found = match above.and_then(|above| self.by_table(above, iova)) {
            Some(found) => Ok(found),
            None => self.by_walk(entry, iova),
        };
        match found {
            Ok(found) => {
                self.caches.pages.insert(page, found);
                permit(narrow(found), access)
            }
            Err(blocked) => {
                if self.config.caching == Caching::Everything && blocked == Blocked::NotMapped {
                    self.caches.absent.insert(page);
                }
                Err(blocked)
            }
        }
    }

    /// By a table that is remembered, linked or not.
    fn by_table(&self, above: TableAbove, iova: Iova) -> Option<Found> {
        let at = PhysAddr::new(above.table.as_u64() + (iova.as_u64() >> 12 & 0x1ff) * 8);
        let entry = self.memory.device_read(at, View::Coherent)?;
        (entry & 1 != 0 && entry >> 9 & 7 == 0).then_some(Found {
            phys: PhysAddr::new(entry & 0x000f_ffff_ffff_f000),
            order: 12,
            reads: above.reads && entry & 1 << 61 != 0,
            writes: above.writes && entry & 1 << 62 != 0,
        })
    }

    /// By memory; the table of pages that served is remembered.
    fn by_walk(&mut self, entry: [u64; 4], iova: Iova) -> Result<Found, Blocked> {
        let start = self.walk_start();
        let [first, second, ..] = entry;
        // With the permissions of the entry itself set, so that what is remembered is the page tables' own.
        let open = [first | 3 << 61, second, 0, 0];
        let allowed = |access| follow(&self.memory, &start, open, iova, access);
        let found = match (allowed(Access::Read), allowed(Access::Write)) {
            (Ok(found), _) | (_, Ok(found)) => found,
            (Err(blocked), _) => return Err(blocked),
        };
        if found.order == 12
            && let Some(table) = self.table_of_pages(first, iova)
        {
            let above = TableAbove { table, reads: true, writes: true };
            self.caches.tables.insert((second as u16, iova.as_u64() >> 21), above);
        }
        Ok(found)
    }

    /// The table of level 1 that serves an address.
    fn table_of_pages(&self, first: u64, iova: Iova) -> Option<PhysAddr> {
        let mut table = first & 0x000f_ffff_ffff_f000;
        let mut level = first >> 9 & 7;
        while level > 1 {
            let at = table + (iova.as_u64() >> (12 + 9 * (level - 1)) & 0x1ff) * 8;
            let entry = self.memory.device_read(PhysAddr::new(at), View::Coherent)?;
            (table, level) = (entry & 0x000f_ffff_ffff_f000, entry >> 9 & 7);
        }
        (level == 1).then_some(PhysAddr::new(table))
    }
}
