//! Typed access to registers: widths and access kinds follow from the register table.

use crate::hardware::Registers;
use crate::spec::registers::{Readable, Register, RegisterValue, Writable, WriteOneToClear};

/// Reads, writes and clears registers by their entry in the register table.
pub trait TypedAccess: Registers {
    /// Reads a register.
    fn get<V: RegisterValue, K: Readable>(&self, register: Register<V, K>) -> V {
        V::from_bits(if V::BYTES == 8 {
            self.read64(register.offset())
        } else {
            u64::from(self.read32(register.offset()))
        })
    }

    /// Writes a register.
    fn set<V: RegisterValue, K: Writable>(&self, register: Register<V, K>, value: V) {
        store(self, register.offset(), value);
    }

    /// Clears the bits of `mask` by writing 1 to them.
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
