//! Memory that a driver and its device use at the same time, for as long as the device works: rings, queues.
#![expect(unsafe_code, reason = "UNSAFETY: vouches for memory that devices write to")]

use core::marker::PhantomData;
use core::ptr::NonNull;

use dma_types::{Iova, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::mapping::{DirectionType, Mapping};
use super::{Buffer, Device, DmaError};
use crate::memory::shared::SharedPages;

/// An array that driver and device share.
///
/// Every access is by value and volatile: what the device writes meanwhile is seen at the next read, and
/// must be checked before it is used. Dropping it unmaps it.
pub struct Shared<T, D> {
    mapping: Mapping<D, SharedPages>,
    count: usize,
    element: PhantomData<fn() -> T>,
}

impl<T: FromBytes + IntoBytes + Immutable, D: DirectionType> Shared<T, D> {
    #[track_caller]
    pub(super) fn new(device: &Device, count: usize, label: &'static str) -> Result<Self, DmaError> {
        let bytes = count.saturating_mul(size_of::<T>());
        let mapping = device.map::<D, _>(SharedPages::new(bytes)?, label)?;
        Ok(Self { mapping, count, element: PhantomData })
    }

    /// The address of the first element, to tell the device.
    pub fn iova(&self) -> Iova {
        self.mapping.iova()
    }

    /// The address of an element, to tell the device.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn iova_of(&self, index: usize) -> Iova {
        self.check(index);
        Iova::new(self.iova().as_u64() + (index * size_of::<T>()) as u64)
    }

    /// Elements.
    #[expect(clippy::len_without_is_empty, reason = "nobody shares nothing")]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// What stands in an element now.
    ///
    /// # Panics
    /// If there is no such element: check an index that a device gave.
    pub fn read(&self, index: usize) -> T {
        self.check(index);
        self.pages().read(index)
    }

    /// Writes an element.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline(always)]
    pub fn write(&self, index: usize, value: T) {
        self.check(index);
        self.pages().write(index, value);
    }

    /// Where the first element lies in the kernel's address space, for crates that want pointers.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.pages().as_ptr()
    }

    fn pages(&self) -> &SharedPages {
        self.mapping.buffer()
    }

    fn check(&self, index: usize) {
        assert!(index < self.count, "element {index} of {} shared ones", self.count);
    }
}

impl Buffer for SharedPages {}

// SAFETY: the pages are the value's alone, and whole.
unsafe impl super::buffer::lend::Lend for SharedPages {
    fn phys(&self) -> PhysAddr {
        self.start()
    }

    fn bytes(&self) -> u64 {
        self.len()
    }
}
