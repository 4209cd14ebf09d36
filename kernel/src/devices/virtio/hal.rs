//! What the crate `virtio-drivers` asks of a kernel: memory for its queues, and addresses for its buffers.
//!
//! The crate's `Hal` has functions without a receiver, so each device has a type of its own: [`SlotHal`] with
//! the number of the device's [`Slot`]. Memory for queues comes from that slot's device, and so lies in its
//! domain alone.
//!
//! The crate cannot be told that a buffer was not mapped. So buffers are mapped before it sees them, where
//! errors are still values, and [`Slot::announce`] tells what addresses they got; `share` looks them up, and
//! for a buffer that was not announced gives an address that no table translates: the device's request for it
//! is blocked and reported. `unshare` takes nothing back, since those who lent buffers do that.
//!
//! What the crate says is entered in the device's [`Loans`], so that the verifier sees it share a buffer twice, give
//! up what it does not have, or leave something behind.
#![expect(unsafe_code, reason = "UNSAFETY: implements the crate's unsafe traits for memory and windows")]

use core::ptr::NonNull;

use arrayvec::ArrayVec;
use dma_types::{Direction, Iova, PAGE_SIZE};
use spin::Mutex;
use virtio::CheckedConfig;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use virtio_drivers::{BufferDirection, Hal};

use super::chain::PARTS;
use crate::dma::{self, Common, DmaError, Loans};
use crate::memory::arc::Arc;

/// Devices that can be driven at the same time.
pub const SLOTS: usize = 6;

static TABLE: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];

/// An address that no table translates: it is beyond what any unit's tables hold.
const NOWHERE: u64 = !(PAGE_SIZE - 1);

/// What belongs to one device.
pub struct Slot {
    /// What the crate has, if a driver has the slot.
    loans: Mutex<Option<Loans>>,
    parts: Mutex<ArrayVec<Announced, PARTS>>,
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
        Self { loans: Mutex::new(None), parts: Mutex::new(ArrayVec::new_const()) }
    }

    /// Runs `submit`, in which the crate may ask for these buffers.
    ///
    /// # Errors
    /// If there is no memory to keep account of them.
    pub fn announce<T>(
        &self,
        parts: ArrayVec<Announced, PARTS>,
        submit: impl FnOnce() -> T,
    ) -> Result<T, DmaError> {
        if let Some(loans) = &*self.loans.lock() {
            loans.reserve(parts.len())?;
        }
        *self.parts.lock() = parts;
        let result = submit();
        self.parts.lock().clear();
        Ok(result)
    }

    /// Takes note that the crate will not give up a buffer any more, since its queue ends.
    pub fn withdraw(&self, part: &Announced) {
        if let Some(loans) = &*self.loans.lock() {
            loans.withdraw(part.memory, part.iova);
        }
    }

    /// Makes memory for a queue: where the device sees it, and where the crate does.
    #[track_caller]
    #[inline(never)]
    pub fn allocate(&self, pages: usize, direction: BufferDirection) -> Option<Common> {
        let direction = match direction {
            BufferDirection::DriverToDevice => Direction::ToDevice,
            // The device also reads flags back that it wrote.
            BufferDirection::DeviceToDriver | BufferDirection::Both => Direction::Bidirectional,
        };
        let common = self.loans.lock().as_ref()?.allocate(bytes_of(pages)?, direction, "virtio queue");
        common.inspect_err(|error| log::warn!("no memory for a virtio queue: {error}")).ok()
    }

    /// Frees what [`allocate`](Self::allocate) made.
    #[track_caller]
    #[inline(never)]
    pub fn free(&self, common: Common, pages: usize) {
        if let (Some(loans), Some(bytes)) = (&*self.loans.lock(), bytes_of(pages))
            && let Err(error) = loans.free(common, bytes)
        {
            log::warn!("a virtio queue is not freed: {error}");
        }
    }

    /// Tells the crate where the device sees a buffer.
    #[track_caller]
    #[inline(never)]
    pub fn share(&self, buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        let parts = self.parts.lock();
        let found = parts.iter().find(|part| core::ptr::eq(part.memory.as_ptr(), buffer.as_ptr()));
        let iova = found.map(|part| part.iova);
        if let Some(loans) = &*self.loans.lock() {
            loans.note_lent(buffer, iova, streaming(direction));
        }
        iova.map_or(NOWHERE, Iova::as_u64)
    }

    /// Hears that the crate does not need a buffer's address any more.
    #[track_caller]
    #[inline(never)]
    pub fn unshare(&self, iova: Iova, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if let Some(loans) = &*self.loans.lock()
            && let Err(error) = loans.note_returned(buffer, iova, streaming(direction))
        {
            log::warn!("a virtio buffer is given up: {error}");
        }
    }
}

/// Bytes in pages.
fn bytes_of(pages: usize) -> Option<usize> {
    pages.checked_mul(PAGE_SIZE as usize)
}

/// The direction of a buffer.
fn streaming(direction: BufferDirection) -> Direction {
    match direction {
        BufferDirection::DriverToDevice => Direction::ToDevice,
        BufferDirection::DeviceToDriver => Direction::FromDevice,
        BufferDirection::Both => Direction::Bidirectional,
    }
}

impl TakenSlot {
    /// Takes a free slot for a device; `None` if there is none.
    pub fn take(device: &Arc<dma::Device>) -> Option<Self> {
        let free = TABLE.iter().position(|slot| slot.loans.lock().is_none())?;
        *TABLE.get(free)?.loans.lock() = Some(Loans::new(device.clone()));
        Some(Self(free))
    }

    /// Tells whether one is free.
    pub fn is_free() -> bool {
        TABLE.iter().any(|slot| slot.loans.lock().is_none())
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
        if let Some(loans) = self.slot().loans.lock().take() {
            loans.close();
        }
    }
}

/// The device in slot `N`, as the crate sees a kernel.
pub struct SlotHal<const N: usize>;

// SAFETY: memory is a zeroed area of whole pages that nobody has a reference to and that stays until it is
// deallocated; windows are mapped for as long as the kernel runs.
unsafe impl<const N: usize> Hal for SlotHal<N> {
    fn dma_alloc(pages: usize, direction: BufferDirection) -> (u64, NonNull<u8>) {
        // The crate takes address 0 for a failure.
        let common = TABLE[N].allocate(pages, direction);
        common.map_or((0, NonNull::dangling()), |common| (common.iova.as_u64(), common.memory))
    }

    #[track_caller]
    unsafe fn dma_dealloc(iova: u64, memory: NonNull<u8>, pages: usize) -> i32 {
        TABLE[N].free(Common { iova: Iova::new(iova), memory }, pages);
        0
    }

    unsafe fn mmio_phys_to_virt(address: u64, _: usize) -> NonNull<u8> {
        // The crate reads addresses from `Paper`, where they are those of mapped windows.
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).unwrap_or(NonNull::dangling())
    }

    #[track_caller]
    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        TABLE[N].share(buffer, direction)
    }

    #[track_caller]
    unsafe fn unshare(iova: u64, buffer: NonNull<[u8]>, direction: BufferDirection) {
        TABLE[N].unshare(Iova::new(iova), buffer, direction);
    }
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
