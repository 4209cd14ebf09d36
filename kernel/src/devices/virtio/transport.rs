//! How a device is reached: the crate's PCI transport, with what it leaves out.
//!
//! The crate takes what configuration space says for granted, so it is shown checked numbers only. It gives no
//! interrupt vectors, so they are given here. It finds the place to notify a queue anew each time and trusts
//! it, so that is done here, once and checked. And the features that it agrees to do not name the IOMMU: here
//! they always do.

use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::time::Duration;

use virtio::common::{self, NO_VECTOR};
use virtio::{CheckedConfig, NegotiationError, Region, Window};
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{PhysAddr, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::VirtioError;
use super::hal::{KernelHal, Paper};
use super::offer::layout_of;
use crate::devices::{Function, StartError};
use crate::memory::mmio::Mmio;
use crate::platform::clock::{self, Deadline};

/// Queues of a device that can be used.
const QUEUES: usize = 3;

/// The entry of the message table that all queues use.
const VECTOR: u16 = 0;

/// Bytes of a window that are mapped at most.
const LARGEST_WINDOW: u64 = 16 << 20;

/// Longest time for a reset.
const RESET: Duration = Duration::from_secs(5);

/// How often the device is asked meanwhile.
const TICK: Duration = Duration::from_millis(1);

/// Times that the configuration is read until it does not change meanwhile.
const TRIES: u8 = 8;

/// A device whose requests pass through the IOMMU.
pub struct IsolatedTransport {
    /// Never dropped: dropping it waits for the device without limit.
    inner: ManuallyDrop<PciTransport>,
    common: Structure,
    notify: Structure,
    multiplier: usize,
    places: [Option<usize>; QUEUES],
    refused: Option<u16>,
}

/// Lets a moment pass, and tells whether the wait is over.
fn is_over(deadline: Deadline) -> bool {
    clock::sleep(TICK);
    deadline.expired()
}

/// A structure in the device's memory.
struct Structure {
    window: Mmio,
    region: Region,
}

impl Structure {
    fn at(&self, offset: usize) -> usize {
        self.region.offset as usize + offset
    }
}

impl IsolatedTransport {
    /// Finds a device's structures and maps them. The device is reset when this returns.
    ///
    /// # Errors
    /// If it has no such structures, or is not to be reset.
    pub fn new(function: &Function) -> core::result::Result<Self, StartError> {
        let layout = layout_of(function.pci().bdf).map_err(VirtioError::Layout)?;
        let mut windows = Vec::new();
        for bar in 0..6 {
            let bytes = layout.bytes_of(bar).min(LARGEST_WINDOW);
            if bytes > 0 {
                windows.push((bar, function.window(bar, bytes as usize)?));
            }
        }
        let seen: Vec<_> = windows
            .iter()
            .map(|(bar, window)| Window {
                bar: *bar,
                address: window.as_ptr().expose_provenance().get() as u64,
                bytes: window.len() as u64,
            })
            .collect();
        let record = function.record();
        let checked = CheckedConfig::new(record.id, &layout, &seen).map_err(VirtioError::Check)?;
        let structure = |region: Region| {
            let window = windows.iter().find(|(bar, _)| *bar == region.bar)?.1.clone();
            Some(Structure { window, region })
        };
        let missing = StartError::NoWindow { bar: layout.common.bar };
        let (Some(common), Some(notify)) = (structure(layout.common), structure(layout.notify)) else {
            return Err(missing);
        };
        let anywhere = DeviceFunction { bus: 0, device: 0, function: 0 };
        let inner = PciTransport::new::<KernelHal, _>(&mut PciRoot::new(Paper(checked)), anywhere)
            .map_err(|_| VirtioError::Transport)?;
        let mut this = Self {
            inner: ManuallyDrop::new(inner),
            common,
            notify,
            multiplier: layout.notify_multiplier as usize,
            places: [None; QUEUES],
            refused: None,
        };
        this.reset().map_err(VirtioError::Negotiation)?;
        Ok(this)
    }

    /// Resets the device.
    ///
    /// # Errors
    /// If it does not say in time that it is done.
    pub fn reset(&mut self) -> core::result::Result<(), NegotiationError> {
        let deadline = Deadline::after(RESET);
        (self.places, self.refused) = ([None; QUEUES], None);
        virtio::reset(self, || is_over(deadline))
    }

    /// Resets the device and settles on features, see [`virtio::negotiate`].
    ///
    /// # Errors
    /// If the device does not agree.
    pub fn negotiate(&mut self, wanted: u64) -> core::result::Result<u64, NegotiationError> {
        let deadline = Deadline::after(RESET);
        (self.places, self.refused) = ([None; QUEUES], None);
        virtio::negotiate(self, wanted, || is_over(deadline))
    }

    /// Lets the device work, once its queues are set up.
    ///
    /// # Errors
    /// If it took no interrupt vector for a queue, or has no place where one is notified.
    pub fn go(&mut self, queues: u16) -> core::result::Result<(), VirtioError> {
        if let Some(queue) = self.refused {
            return Err(VirtioError::Vector { queue });
        }
        let lost = self.places.iter().zip(0..queues).find(|(place, _)| place.is_none());
        if let Some((_, queue)) = lost {
            return Err(VirtioError::Notification { queue });
        }
        self.finish_init();
        Ok(())
    }

    /// Reads a device's configuration, as it stood at one time.
    ///
    /// # Errors
    /// If the device has none, or changes it again and again.
    pub fn config<T: FromBytes + IntoBytes>(&self, offset: usize) -> core::result::Result<T, VirtioError> {
        for _ in 0..TRIES {
            let before = self.read_config_generation();
            let value = self.read_config_space(offset)?;
            if self.read_config_generation() == before {
                return Ok(value);
            }
        }
        Err(VirtioError::Restless)
    }

    /// Tells whether the device has given up.
    pub fn is_broken(&self) -> bool {
        let status = self.get_status();
        !status.contains(DeviceStatus::DRIVER_OK)
            || status.intersects(DeviceStatus::DEVICE_NEEDS_RESET | DeviceStatus::FAILED)
    }

    /// Gives a queue its interrupt vector, and finds where it is notified.
    fn prepare(&mut self, queue: u16) {
        let Structure { window, .. } = &self.common;
        window.write16(self.common.at(common::QUEUE_SELECT), queue);
        let vector = self.common.at(common::QUEUE_VECTOR);
        window.write16(vector, VECTOR);
        if window.read16(vector) == NO_VECTOR {
            self.refused = Some(queue);
        }
        let factor = usize::from(window.read16(self.common.at(common::QUEUE_NOTIFY_OFFSET)));
        let place = factor * self.multiplier;
        let fits = place + size_of::<u16>() <= self.notify.region.length as usize;
        if let Some(entry) = self.places.get_mut(usize::from(queue)) {
            *entry = fits.then_some(place);
        }
    }
}

impl Transport for IsolatedTransport {
    fn device_type(&self) -> DeviceType {
        self.inner.device_type()
    }

    fn read_device_features(&mut self) -> u64 {
        self.inner.read_device_features()
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.inner.write_driver_features(driver_features | common::REQUIRED);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.inner.max_queue_size(queue)
    }

    fn notify(&mut self, queue: u16) {
        if let Some(place) = self.places.get(usize::from(queue)).copied().flatten() {
            self.notify.window.write16(self.notify.at(place), queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        self.inner.get_status()
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.inner.set_status(status);
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        self.inner.set_guest_page_size(guest_page_size);
    }

    fn requires_legacy_layout(&self) -> bool {
        self.inner.requires_legacy_layout()
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.prepare(queue);
        self.inner.queue_set(queue, size, descriptors, driver_area, device_area);
    }

    fn queue_unset(&mut self, queue: u16) {
        self.inner.queue_unset(queue);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.inner.queue_used(queue)
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        self.inner.ack_interrupt()
    }

    fn read_config_generation(&self) -> u32 {
        self.inner.read_config_generation()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        self.inner.read_config_space(offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        self.inner.write_config_space(offset, value)
    }
}
