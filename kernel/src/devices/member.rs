//! A function as a member of its group: the switches of its hardware that the group's sequences use.

use ::iommu::group::{Member, MemberAttempt};
use ::iommu::{AtomicLifeCycle, Work};
use dma_types::SourceId;
use pci::control::{BusMaster, Transactions};

use super::{DeviceRecord, Role, above, messages};
use crate::iommu;
use crate::platform::pci as bus;

/// A function being let in, released or moved.
pub type DeviceAttempt = MemberAttempt<'static, DeviceRecord>;

impl Member for DeviceRecord {
    fn life(&self) -> &AtomicLifeCycle {
        self.life_events()
    }

    fn ids(&self) -> &[SourceId] {
        &self.aliases
    }

    fn work(&self) -> Work {
        if self.driver().is_some() { Work::OfDriver } else { Work::OfFirmware }
    }

    /// Always if it has a driver, otherwise, for firmware's regions, if firmware had it on.
    fn makes_requests(&self) -> bool {
        self.driver().is_some() || self.bus_master_at_boot
    }

    fn start_mastering(&self) {
        if !iommu::unit_of(self).is_some_and(iommu::Unit::forces_snooping) {
            bus::forbid_no_snoop(&self.pci);
        }
        bus::set_bus_master(self.bdf, BusMaster::On);
    }

    /// A bridge goes on passing on the requests of others: it is switched with those below it.
    fn stop_mastering(&self) {
        if self.role == Role::Endpoint {
            bus::set_bus_master(self.bdf, BusMaster::Off);
        }
    }

    fn withdraw_interrupts(&self) {
        messages::withdraw(self);
    }

    fn await_completion(&self) {
        if bus::drain(&self.pci) == Transactions::Pending {
            log::warn!("{self} does not complete its requests; its unit blocks what they still ask for");
        }
    }

    /// The bridges above pass on requests again, one that was closed for a storm too.
    fn open_way(&self) {
        for port in above(self) {
            port.life_events().open_for(self.life_events());
            port.report_change();
        }
    }

    fn forget_driver(&self) {
        self.clear_driver();
    }

    fn report_state(&self) {
        self.report_change();
    }
}
