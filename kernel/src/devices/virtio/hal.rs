//! What the crate `virtio-drivers` asks of a kernel: memory for its queues, and addresses for its buffers.
//!
//! The crate's `Hal` has functions without a receiver, so who calls the crate says before whose turn it is: memory
//! for queues comes from that [`Lender`]'s device, and so lies in its domain alone.
//!
//! The crate cannot be told that a buffer was not mapped. So buffers are mapped before it sees them, where
//! errors are still values, and [`Lender::announce`] tells what addresses they got; `share` looks them up, and
//! for a buffer that was not announced gives an address that no table translates: the device's request for it
//! is blocked and reported. `unshare` takes nothing back, since those who lent buffers do that.
//!
//! What the crate says is entered in the device's [`Loans`], so that the verifier sees it share a buffer twice, give
//! up what it does not have, or leave something behind.
#![expect(unsafe_code, reason = "UNSAFETY: implements the crate's unsafe traits for memory and windows")]

use core::ptr::NonNull;

use arrayvec::ArrayVec;
use dma_types::{Direction, Iova, PAGE_SIZE};
use virtio::CheckedConfig;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use virtio_drivers::{BufferDirection, Hal};

use super::chain::PARTS;
use crate::dma::{self, Common, DmaError, Loans};
use crate::memory::arc::Arc;
use crate::sync::{Mutex, rank};

/// Serves the crate while somebody calls it.
static TURN: Mutex<Option<Lender>, rank::Turn> = Mutex::new(None);

/// Held while somebody calls the crate.
static CALLED: Mutex<(), rank::Called> = Mutex::new(());

/// An address that no table translates: it is beyond what any unit's tables hold.
const NOWHERE: u64 = !(PAGE_SIZE - 1);

/// Lends memory of one device to the crate.
///
/// Once its last clone is dropped, nothing that the crate still has is lent to the device.
#[derive(Clone)]
pub struct Lender(Arc<Account>);

/// What the crate has of a device.
struct Account {
    loans: Loans,
    parts: Mutex<ArrayVec<Announced, PARTS>, rank::Announced>,
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

impl Lender {
    /// Makes one for a device.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(device: Arc<dma::Device>) -> Result<Self, DmaError> {
        let parts = Mutex::new(ArrayVec::new_const());
        Ok(Self(Arc::try_new(Account { loans: Loans::new(device), parts })?))
    }

    /// Runs `work`, which calls the crate for the lender's device, and calls no other `serve`.
    pub fn serve<T>(&self, work: impl FnOnce() -> T) -> T {
        let _called = CALLED.lock();
        *TURN.lock() = Some(self.clone());
        let result = work();
        *TURN.lock() = None;
        result
    }

    /// Runs `submit` as [`serve`](Self::serve) does; the crate may ask for these buffers.
    ///
    /// # Errors
    /// If there is no memory to keep account of them.
    pub fn announce<T>(
        &self,
        parts: ArrayVec<Announced, PARTS>,
        submit: impl FnOnce() -> T,
    ) -> Result<T, DmaError> {
        self.0.loans.reserve(parts.len())?;
        *self.0.parts.lock() = parts;
        let result = self.serve(submit);
        self.0.parts.lock().clear();
        Ok(result)
    }

    /// Takes note that the crate will not give up a buffer any more, since its queue ends.
    pub fn withdraw(&self, part: &Announced) {
        self.0.loans.withdraw(part.memory, part.iova);
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
        let common = self.0.loans.allocate(bytes_of(pages)?, direction, "virtio queue");
        common.inspect_err(|error| log::warn!("no memory for a virtio queue: {error}")).ok()
    }

    /// Frees what [`allocate`](Self::allocate) made.
    #[track_caller]
    #[inline(never)]
    pub fn free(&self, common: Common, pages: usize) {
        if let Err(error) = self.0.loans.free(common, bytes_of(pages).unwrap_or(usize::MAX)) {
            log::warn!("a virtio queue is not freed: {error}");
        }
    }

    /// Tells the crate where the device sees a buffer.
    #[track_caller]
    #[inline(never)]
    pub fn share(&self, buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        let parts = self.0.parts.lock();
        let found = parts.iter().find(|part| core::ptr::eq(part.memory.as_ptr(), buffer.as_ptr()));
        let iova = found.map(|part| part.iova);
        self.0.loans.note_lent(buffer, iova, streaming(direction));
        iova.map_or(NOWHERE, Iova::as_u64)
    }

    /// Hears that the crate does not need a buffer's address any more.
    #[track_caller]
    #[inline(never)]
    pub fn unshare(&self, iova: Iova, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if let Err(error) = self.0.loans.note_returned(buffer, iova, streaming(direction)) {
            log::warn!("a virtio buffer is given up: {error}");
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.loans.close();
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

/// The lender whose turn it is.
fn lender() -> Option<Lender> {
    TURN.lock().clone()
}

/// The kernel, as the crate sees it.
pub struct KernelHal;

// SAFETY: memory is a zeroed area of whole pages that nobody has a reference to and that stays until it is
// deallocated; windows are mapped for as long as the kernel runs.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, direction: BufferDirection) -> (u64, NonNull<u8>) {
        // The crate takes address 0 for a failure.
        let common = lender().and_then(|lender| lender.allocate(pages, direction));
        common.map_or((0, NonNull::dangling()), |common| (common.iova.as_u64(), common.memory))
    }

    #[track_caller]
    unsafe fn dma_dealloc(iova: u64, memory: NonNull<u8>, pages: usize) -> i32 {
        if let Some(lender) = lender() {
            lender.free(Common { iova: Iova::new(iova), memory }, pages);
        }
        0
    }

    unsafe fn mmio_phys_to_virt(address: u64, _: usize) -> NonNull<u8> {
        // The crate reads addresses from `Paper`, where they are those of mapped windows.
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).unwrap_or(NonNull::dangling())
    }

    #[track_caller]
    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        match lender() {
            Some(lender) => lender.share(buffer, direction),
            None => NOWHERE,
        }
    }

    #[track_caller]
    unsafe fn unshare(iova: u64, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if let Some(lender) = lender() {
            lender.unshare(Iova::new(iova), buffer, direction);
        }
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
