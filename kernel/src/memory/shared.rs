//! Pages that the processor and a device use at the same time.
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes frames that a device may change meanwhile")]

use core::ptr::NonNull;

use dma_types::PhysAddr;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::direct;
use super::pages::{NoPages, Pages};

/// Owned pages without slices of them: every access is volatile and by value.
pub struct SharedPages(Pages);

impl SharedPages {
    /// Takes as many zeroed pages as hold `bytes`.
    ///
    /// # Errors
    /// If no such run is free.
    pub fn new(bytes: usize) -> Result<Self, NoPages> {
        Pages::holding(bytes).map(Self)
    }

    /// Its first physical address.
    pub const fn start(&self) -> PhysAddr {
        self.0.start()
    }

    /// Bytes it holds.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> u64 {
        self.0.len()
    }

    /// Where it lies in the kernel's address space, for crates that want pointers.
    pub fn as_ptr(&self) -> NonNull<u8> {
        NonNull::new(direct::frame_ptr(self.start())).unwrap_or(NonNull::dangling())
    }

    /// Reads element `index` of an array of `T`.
    ///
    /// # Panics
    /// If the pages do not hold it.
    pub fn read<T: FromBytes>(&self, index: usize) -> T {
        let at = self.element::<T>(index);
        // SAFETY: aligned memory of this value's own that any bit pattern is a `T` of; the device may write
        // it at the same time, hence the volatile access.
        unsafe { at.read_volatile() }
    }

    /// Writes element `index` of an array of `T`.
    ///
    /// # Panics
    /// If the pages do not hold it.
    #[inline(always)]
    pub fn write<T: IntoBytes + Immutable>(&self, index: usize, value: T) {
        let at = self.element::<T>(index);
        // SAFETY: aligned memory of this value's own, of which nobody has a reference; the device may read
        // it at the same time, hence the volatile access.
        unsafe { at.write_volatile(value) };
    }

    /// The place of an element, within the pages and aligned.
    #[inline(always)]
    fn element<T>(&self, index: usize) -> *mut T {
        const { assert!(align_of::<T>() <= dma_types::PAGE_SIZE as usize) };
        let offset = index.checked_mul(size_of::<T>());
        let end = offset.and_then(|offset| offset.checked_add(size_of::<T>()));
        assert!(end.is_some_and(|end| end as u64 <= self.len()), "element {index} lies beyond shared memory");
        direct::frame_ptr(self.start()).wrapping_add(offset.unwrap_or(0)).cast()
    }
}
