//! Little-endian numbers at fixed places.

use core::marker::PhantomData;

/// A number that stands at an offset, in bytes, from the start of its structure.
pub(crate) struct Field<T> {
    at: usize,
    number: PhantomData<T>,
}

/// A number as it stands in memory.
pub(crate) trait Number: Sized {
    /// Reads it; `None` behind the end.
    fn get(bytes: &[u8], at: usize) -> Option<Self>;
    /// Writes it; nothing behind the end.
    fn set(self, bytes: &mut [u8], at: usize);
}

impl<const N: usize> Number for [u8; N] {
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        bytes.get(at..)?.first_chunk().copied()
    }

    fn set(self, bytes: &mut [u8], at: usize) {
        if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = self;
        }
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn get(bytes: &[u8], at: usize) -> Option<Self> {
                Number::get(bytes, at).map(Self::from_le_bytes)
            }

            fn set(self, bytes: &mut [u8], at: usize) {
                self.to_le_bytes().set(bytes, at);
            }
        }
    )*};
}
number!(u8, u16, u32, u64);

impl<T: Number> Field<T> {
    /// At an offset.
    pub(crate) const fn at(at: usize) -> Self {
        Self { at, number: PhantomData }
    }

    /// Reads the number; `None` if the bytes end before it does.
    pub(crate) fn get(&self, bytes: &[u8]) -> Option<T> {
        T::get(bytes, self.at)
    }

    /// Writes the number where the bytes have room for it.
    pub(crate) fn set(&self, bytes: &mut [u8], value: T) {
        value.set(bytes, self.at);
    }
}

/// A pair of 64-bit words, the lower half first.
impl Number for [u64; 2] {
    fn get(bytes: &[u8], at: usize) -> Option<Self> {
        Some([Number::get(bytes, at)?, Number::get(bytes, at.checked_add(8)?)?])
    }

    fn set(self, bytes: &mut [u8], at: usize) {
        let [low, high] = self;
        low.set(bytes, at);
        high.set(bytes, at.saturating_add(8));
    }
}
