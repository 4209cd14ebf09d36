//! What the crate `virtio-drivers` asks of a kernel: memory for its queues, and addresses for its buffers.
//!
//! The crate's `Hal` has functions without a receiver, so each device has a type of its own: [`SlotHal`] with
//! the number of the device's [`Slot`]. Memory for queues comes from that slot's device, and so lies in its
//! domain alone.
//!
//! The crate cannot be told that a buffer was not mapped. So buffers are mapped before it sees them, where
//! errors are still values, and [`Slot::announce`] tells what addresses they got; `share` looks them up, and
//! for a buffer that was not announced gives an address that no table translates: the device's request for it
//! is blocked and reported. `unshare` has nothing to do, since buffers are taken back by those who lent them.
#![expect(unsafe_code, reason = "UNSAFETY: implements the crate's unsafe traits for memory and windows")]

use alloc::vec::Vec;
use core::ptr::NonNull;

use arrayvec::ArrayVec;
use dma_types::{Iova, PAGE_SIZE};
use spin::Mutex;
use virtio::CheckedConfig;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use virtio_drivers::{BufferDirection, Hal};

use super::chain::PARTS;
use crate::dma::{self, Both, Shared, ToDevice};
use crate::memory::arc::Arc;

/// Devices that can be driven at the same time.
pub const SLOTS: usize = 6;

static TABLE: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];

/// An address that no table translates: it is beyond what any unit's tables hold.
const NOWHERE: u64 = !(PAGE_SIZE - 1);

/// What belongs to one device.
pub struct Slot {
    device: Mutex<Option<Arc<dma::Device>>>,
    areas: Mutex<Vec<Area>>,
    parts: Mutex<ArrayVec<Announced, PARTS>>,
}

/// Memory of queues.
enum Area {
    /// What the driver writes.
    ToDevice(Shared<u8, ToDevice>),
    /// What the device writes; it also reads flags back that it wrote.
    Both(Shared<u8, Both>),
}

/// A buffer that the crate is about to ask for, and the address that it has for the device.
#[derive(Clone, Copy)]
pub struct Announced {
    /// Where the crate sees it.
    pub memory: NonNull<[u8]>,
    /// Where the device sees it.
    pub iova: Iova,
}

// SAFETY: the pointer is only compared, never followed.
unsafe impl Send for Announced {}

/// A slot that a driver has; given back when dropped.
pub struct TakenSlot(usize);

impl Slot {
    const fn new() -> Self {
        Self {
            device: Mutex::new(None),
            areas: Mutex::new(Vec::new()),
            parts: Mutex::new(ArrayVec::new_const()),
        }
    }

    /// Runs `submit`, in which the crate may ask for these buffers.
    pub fn announce<T>(&self, parts: ArrayVec<Announced, PARTS>, submit: impl FnOnce() -> T) -> T {
        *self.parts.lock() = parts;
        let result = submit();
        self.parts.lock().clear();
        result
    }

    fn allocate(&self, pages: usize, direction: BufferDirection) -> Option<(u64, NonNull<u8>)> {
        let device = self.device.lock().clone()?;
        let bytes = pages.checked_mul(PAGE_SIZE as usize)?;
        let label = "virtio queue";
        let area = match direction {
            BufferDirection::DriverToDevice => device.share(bytes, label).map(Area::ToDevice),
            BufferDirection::DeviceToDriver | BufferDirection::Both => {
                device.share(bytes, label).map(Area::Both)
            }
        };
        let area = area.inspect_err(|error| log::warn!("no memory for a virtio queue: {error}")).ok()?;
        let place = (area.iova().as_u64(), area.memory());
        self.areas.lock().push(area);
        Some(place)
    }

    fn free(&self, iova: u64) {
        let mut areas = self.areas.lock();
        if let Some(index) = areas.iter().position(|area| area.iova().as_u64() == iova) {
            areas.swap_remove(index);
        }
    }

    fn address_of(&self, buffer: NonNull<[u8]>) -> u64 {
        let parts = self.parts.lock();
        let found = parts.iter().find(|part| core::ptr::eq(part.memory.as_ptr(), buffer.as_ptr()));
        found.map_or(NOWHERE, |part| part.iova.as_u64())
    }
}

impl Area {
    fn iova(&self) -> Iova {
        match self {
            Self::ToDevice(shared) => shared.iova(),
            Self::Both(shared) => shared.iova(),
        }
    }

    fn memory(&self) -> NonNull<u8> {
        match self {
            Self::ToDevice(shared) => shared.as_ptr(),
            Self::Both(shared) => shared.as_ptr(),
        }
    }
}

impl TakenSlot {
    /// Takes a free slot for a device; `None` if there is none.
    pub fn take(device: &Arc<dma::Device>) -> Option<Self> {
        let free = TABLE.iter().position(|slot| slot.device.lock().is_none())?;
        *TABLE.get(free)?.device.lock() = Some(device.clone());
        Some(Self(free))
    }

    /// Tells whether one is free.
    pub fn is_free() -> bool {
        TABLE.iter().any(|slot| slot.device.lock().is_none())
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.0
    }

    /// What belongs to its device.
    pub fn slot(&self) -> &'static Slot {
        &TABLE[self.0]
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        let slot = self.slot();
        slot.areas.lock().clear();
        *slot.device.lock() = None;
    }
}

/// The device in slot `N`, as the crate sees a kernel.
pub struct SlotHal<const N: usize>;

// SAFETY: memory is a zeroed area of whole pages that nobody has a reference to and that stays until it is
// deallocated; windows are mapped for as long as the kernel runs.
unsafe impl<const N: usize> Hal for SlotHal<N> {
    fn dma_alloc(pages: usize, direction: BufferDirection) -> (u64, NonNull<u8>) {
        // The crate takes address 0 for a failure.
        TABLE[N].allocate(pages, direction).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(iova: u64, _: NonNull<u8>, _: usize) -> i32 {
        TABLE[N].free(iova);
        0
    }

    unsafe fn mmio_phys_to_virt(address: u64, _: usize) -> NonNull<u8> {
        // The crate reads addresses from `Paper`, where they are those of mapped windows.
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> u64 {
        TABLE[N].address_of(buffer)
    }

    unsafe fn unshare(_: u64, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A configuration space that is not the device's own, see [`CheckedConfig`].
pub struct Paper(pub CheckedConfig);

impl ConfigurationAccess for Paper {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        self.0.read_word(offset)
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, value: u32) {
        self.0.write_word(offset, value);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self(self.0.clone())
    }
}
