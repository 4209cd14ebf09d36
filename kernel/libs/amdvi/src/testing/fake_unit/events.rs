//! Logging what happens.

use dma_types::{Access, Iova, PhysAddr, SourceId};

use crate::spec::control::Control;
use crate::spec::status::Status;
use crate::testing::walker::Blocked;

use super::State;

impl State {
    pub(super) fn log_blocked(&mut self, source: SourceId, iova: Iova, access: Access, blocked: Blocked) {
        let write = u64::from(access != Access::Read) << 53;
        let domain = self.caches.entries.get(&source.bits()).map_or(0, |entry| (entry[1] & 0xffff) << 32);
        let device = u64::from(source.bits());
        let (code, flags, address) = match blocked {
            // Said by the entry itself to be no matter of the log.
            Blocked::Closed => return,
            Blocked::IllegalEntry => (1, 1 << 55, iova.as_u64()),
            Blocked::Unreadable(at) => (4, domain, at.as_u64()),
            Blocked::Reserved => (2, domain | 1 << 55, iova.as_u64()),
            Blocked::NotMapped => (2, domain, iova.as_u64()),
            Blocked::NoPermission => (2, domain | 1 << 52, iova.as_u64()),
        };
        self.log(code << 60 | flags | write | device, address);
    }

    pub(super) fn log(&mut self, low: u64, high: u64) {
        if !self.status.contains(Status::EVENTS_RUN) {
            self.lost += 1;
            return;
        }
        let next = (self.events.tail + 1) % self.events.base.entries();
        if next == self.events.head {
            self.lost += 1;
            self.status.insert(Status::EVENT_OVERFLOW);
            self.status.remove(Status::EVENTS_RUN);
        } else {
            self.write_event(self.events.tail, low, high);
            self.events.tail = next;
            self.status.insert(Status::EVENT_INTERRUPT);
        }
        self.messages += usize::from(self.control.contains(Control::EVENT_INTERRUPT));
    }

    pub(super) fn write_late_event(&mut self, low: u64, high: u64) {
        let entries = self.events.base.entries();
        self.write_event((self.events.tail + entries - 1) % entries, low, high);
    }

    fn write_event(&self, index: usize, low: u64, high: u64) {
        let at = self.events.base.address().as_u64() + index as u64 * 16;
        self.memory.device_write64(PhysAddr::new(at + 8), high);
        self.memory.device_write64(PhysAddr::new(at), low);
    }
}
