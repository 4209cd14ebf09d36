//! Devices that agree, that lack something, that take their word back, and that never answer.

use super::*;
use core::cell::Cell;
use virtio_drivers::transport::{DeviceType, InterruptStatus};
use virtio_drivers::{Error, PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What a fake device does with its status.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    TakesFeaturesBack,
    NeverResets,
    /// Reads as all ones.
    Gone,
    /// Resets after it was asked so many times.
    Slow(u32),
}

struct Fake {
    manner: Manner,
    offered: u64,
    accepted: u64,
    status: DeviceStatus,
    asked: Cell<u32>,
}

impl Fake {
    fn new(manner: Manner, offered: u64) -> Self {
        // As firmware could have left it.
        let status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER_OK;
        Self { manner, offered, accepted: 0, status, asked: Cell::new(0) }
    }

    fn negotiate(&mut self, wanted: u64) -> core::result::Result<u64, NegotiationError> {
        let mut patience = 10;
        negotiate(self, wanted, || {
            patience -= 1;
            patience == 0
        })
    }
}

impl Transport for Fake {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        self.offered
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.accepted = driver_features;
    }

    fn get_status(&self) -> DeviceStatus {
        self.asked.set(self.asked.get() + 1);
        match self.manner {
            Manner::Gone => DeviceStatus::all(),
            Manner::Slow(times) if self.asked.get() < times => DeviceStatus::DRIVER_OK,
            _ => self.status,
        }
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.status = match self.manner {
            Manner::NeverResets if status.is_empty() => self.status,
            Manner::TakesFeaturesBack => status - DeviceStatus::FEATURES_OK,
            _ => status,
        };
    }

    fn max_queue_size(&mut self, _: u16) -> u32 {
        0
    }

    fn notify(&mut self, _: u16) {}

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, _: u16, _: u32, _: PhysAddr, _: PhysAddr, _: PhysAddr) {}

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, _: u16) -> bool {
        false
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, _: usize) -> Result<T> {
        Err(Error::ConfigSpaceMissing)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<()> {
        Err(Error::ConfigSpaceMissing)
    }
}

#[test]
fn what_both_sides_want_is_accepted_and_the_iommu_with_it() {
    let mut device = Fake::new(Manner::Honest, REQUIRED | 0b0110);
    assert_eq!(device.negotiate(0b0011), Ok(REQUIRED | 0b0010));
    assert_eq!(device.accepted, REQUIRED | 0b0010);
    assert!(device.status.contains(DeviceStatus::FEATURES_OK));
    assert!(!device.status.contains(DeviceStatus::DRIVER_OK), "its queues come first");
}

#[test]
fn a_device_outside_of_the_iommu_is_given_up() {
    for missing in [crate::common::ACCESS_PLATFORM, crate::common::VERSION_1] {
        let mut device = Fake::new(Manner::Honest, (REQUIRED | 0b0110) & !missing);
        assert_eq!(device.negotiate(0b0110), Err(NegotiationError::Missing { features: missing }));
        assert_eq!(device.accepted, 0);
        assert!(device.status.contains(DeviceStatus::FAILED));
    }
}

#[test]
fn a_device_that_takes_its_word_back_is_given_up() {
    let mut device = Fake::new(Manner::TakesFeaturesBack, REQUIRED);
    assert_eq!(device.negotiate(0), Err(NegotiationError::Refused { features: REQUIRED }));
    assert!(device.status.contains(DeviceStatus::FAILED));
}

#[test]
fn a_reset_is_waited_for_and_not_for_ever() {
    assert_eq!(Fake::new(Manner::Slow(5), REQUIRED).negotiate(0), Ok(REQUIRED));
    let mut device = Fake::new(Manner::NeverResets, REQUIRED);
    let status = device.status.bits();
    assert_eq!(device.negotiate(0), Err(NegotiationError::Reset { status }));
    assert_eq!(device.accepted, 0);
}

#[test]
fn a_device_that_is_gone_is_not_waited_for() {
    let mut fake = Fake::new(Manner::Gone, REQUIRED);
    assert_eq!(fake.negotiate(0), Err(NegotiationError::Reset { status: DeviceStatus::all().bits() }));
    assert_eq!(fake.asked.get(), 1);
}
