//! One entry of a register table, and what it may hold.

use core::fmt;
use core::marker::PhantomData;

/// What one register holds, and how wide it is.
pub trait RegisterValue: Copy {
    /// Bytes of the register: 4 or 8.
    const BYTES: usize;
    /// Takes the bits as read; a 32-bit register fills the lower half.
    fn from_bits(bits: u64) -> Self;
    /// The bits to write; a 32-bit register uses the lower half.
    fn into_bits(self) -> u64;
}

impl RegisterValue for u32 {
    const BYTES: usize = 4;

    fn from_bits(bits: u64) -> Self {
        bits as Self
    }

    fn into_bits(self) -> u64 {
        u64::from(self)
    }
}

impl RegisterValue for u64 {
    const BYTES: usize = 8;

    fn from_bits(bits: u64) -> Self {
        bits
    }

    fn into_bits(self) -> u64 {
        self
    }
}

/// Makes a type over `u32` or `u64` a [`RegisterValue`]: `flags` for what the `bitflags` crate made, unknown bits kept;
/// `fields` for a newtype with one unnamed field.
#[macro_export]
macro_rules! register_value {
    (flags $name:ident: $word:ty) => {
        impl $crate::RegisterValue for $name {
            const BYTES: usize = <$word as $crate::RegisterValue>::BYTES;

            fn from_bits(bits: u64) -> Self {
                Self::from_bits_retain(<$word as $crate::RegisterValue>::from_bits(bits))
            }

            fn into_bits(self) -> u64 {
                u64::from(self.bits())
            }
        }
    };
    (fields $name:ident: $word:ty) => {
        impl $crate::RegisterValue for $name {
            const BYTES: usize = <$word as $crate::RegisterValue>::BYTES;

            fn from_bits(bits: u64) -> Self {
                Self(<$word as $crate::RegisterValue>::from_bits(bits))
            }

            fn into_bits(self) -> u64 {
                u64::from(self.0)
            }
        }
    };
}

/// Access kind: may be read only.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly;
/// Access kind: may be written only; what it reads as means nothing.
#[derive(Clone, Copy, Debug)]
pub struct WriteOnly;
/// Access kind: may be read and written.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite;
/// Access kind: may be read, and its bits cleared by writing 1 to them.
#[derive(Clone, Copy, Debug)]
pub struct WriteOneToClear;

/// An access kind that permits reads.
pub trait Readable {}
impl Readable for ReadOnly {}
impl Readable for ReadWrite {}
impl Readable for WriteOneToClear {}

/// An access kind that permits plain writes.
pub trait Writable {}
impl Writable for WriteOnly {}
impl Writable for ReadWrite {}

/// One register: where it lies, what it holds (`V`), how it may be touched (`K`).
pub struct Register<V, K> {
    name: &'static str,
    offset: usize,
    types: PhantomData<(V, K)>,
}

impl<V, K> Register<V, K> {
    /// Names a register at an offset, in bytes from the window's start.
    pub const fn new(name: &'static str, offset: usize) -> Self {
        Self { name, offset, types: PhantomData }
    }

    /// The specification's mnemonic, for messages about this register.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes from the window's start to the register.
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl<V, K> Clone for Register<V, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, K> Copy for Register<V, K> {}

impl<V, K> fmt::Debug for Register<V, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name, self.offset)
    }
}
