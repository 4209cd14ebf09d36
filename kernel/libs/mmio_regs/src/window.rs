//! The window through which a device's registers are reached.

use crate::register::{Readable, Register, RegisterValue, Writable, WriteOneToClear};

/// The register window of one device.
///
/// Offsets are bytes from the window's start. Shared access suffices: a register access is volatile and the hardware
/// orders them. Implementations need not check that an offset lies in the window; whoever reads from a register where
/// others lie does, once, against [`len`](Self::len).
#[expect(clippy::len_without_is_empty, reason = "a register window is never empty")]
pub trait Registers {
    /// Bytes of the window that are mapped.
    fn len(&self) -> usize;
    /// Reads a 32-bit register.
    fn read32(&self, offset: usize) -> u32;
    /// Writes a 32-bit register.
    fn write32(&self, offset: usize, value: u32);

    /// Reads a 64-bit register: where this is not implemented by one access, as two halves, the lower first.
    fn read64(&self, offset: usize) -> u64 {
        let low = u64::from(self.read32(offset));
        low | u64::from(self.read32(offset.wrapping_add(4))) << 32
    }

    /// Writes a 64-bit register: where this is not implemented by one access, as two halves, the lower first.
    fn write64(&self, offset: usize, value: u64) {
        self.write32(offset, value as u32);
        self.write32(offset.wrapping_add(4), (value >> 32) as u32);
    }
}

impl<R: Registers + ?Sized> Registers for &R {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn read32(&self, offset: usize) -> u32 {
        (**self).read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        (**self).write32(offset, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        (**self).read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        (**self).write64(offset, value);
    }
}

/// Reads, writes and clears registers by their entry in a register table; every [`Registers`] has it.
pub trait TypedAccess: Registers {
    /// Reads a register, by one access of its width.
    fn get<V: RegisterValue, K: Readable>(&self, register: Register<V, K>) -> V {
        V::from_bits(if V::BYTES == 8 {
            self.read64(register.offset())
        } else {
            u64::from(self.read32(register.offset()))
        })
    }

    /// Writes a register, by one access of its width.
    fn set<V: RegisterValue, K: Writable>(&self, register: Register<V, K>, value: V) {
        store(self, register.offset(), value);
    }

    /// Clears the bits of `mask` by writing 1 to them; the others stay as they are.
    fn clear<V: RegisterValue>(&self, register: Register<V, WriteOneToClear>, mask: V) {
        store(self, register.offset(), mask);
    }
}

impl<R: Registers + ?Sized> TypedAccess for R {}

/// Writes as many bytes as the value's register has.
fn store<V: RegisterValue>(registers: &(impl Registers + ?Sized), offset: usize, value: V) {
    if V::BYTES == 8 {
        registers.write64(offset, value.into_bits());
    } else {
        registers.write32(offset, value.into_bits() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::{ReadWrite, WriteOneToClear};
    use std::cell::RefCell;
    use std::vec;
    use std::vec::Vec;

    const WIDE: Register<u64, ReadWrite> = Register::new("WIDE", 0x8);
    const NARROW: Register<u32, ReadWrite> = Register::new("NARROW", 0x4);
    const EVENTS: Register<u32, WriteOneToClear> = Register::new("EVENTS", 0x0);

    /// Keeps what was written, and answers a read with its offset.
    #[derive(Default)]
    struct Log(RefCell<Vec<(usize, u32)>>);

    impl Registers for Log {
        fn len(&self) -> usize {
            0x10
        }

        fn read32(&self, offset: usize) -> u32 {
            offset as u32
        }

        fn write32(&self, offset: usize, value: u32) {
            self.0.borrow_mut().push((offset, value));
        }
    }

    #[test]
    fn a_register_is_accessed_by_its_width() {
        let log = Log::default();
        log.set(NARROW, 7);
        log.clear(EVENTS, 1);
        assert_eq!((log.get(NARROW), log.get(EVENTS)), (4, 0));
        assert_eq!(log.0.take(), vec![(4, 7), (0, 1)]);
    }

    #[test]
    fn without_wide_accesses_the_lower_half_goes_first() {
        let log = Log::default();
        log.set(WIDE, 0x2_0000_0001);
        assert_eq!(log.0.take(), vec![(8, 1), (12, 2)]);
        assert_eq!(log.get(WIDE), 12 << 32 | 8);
    }
}
