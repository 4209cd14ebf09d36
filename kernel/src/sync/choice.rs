//! One of a few values, which handlers and commands read and change without a lock.

use core::sync::atomic::{AtomicU8, Ordering};

/// One of the values in a table, in an atomic. It stands alone: nothing else is published with it.
pub struct AtomicChoice<T: 'static, const N: usize> {
    /// Every value that is ever set.
    table: &'static [T; N],
    place: AtomicU8,
}

impl<T: Copy + PartialEq, const N: usize> AtomicChoice<T, N> {
    /// The first of the values in `table`, which holds every value that is ever set.
    pub const fn new(table: &'static [T; N]) -> Self {
        const { assert!(0 < N && N <= u8::MAX as usize, "a byte holds a place in the table") };
        Self { table, place: AtomicU8::new(0) }
    }

    /// The value.
    pub fn get(&self) -> T {
        self.at(self.place.load(Ordering::Relaxed))
    }

    /// Changes it; gives the value before. One that is not in the table changes nothing.
    pub fn set(&self, value: T) -> T {
        match (0..).zip(self.table).find(|(_, known)| **known == value) {
            Some((place, _)) => self.at(self.place.swap(place, Ordering::Relaxed)),
            None => self.get(),
        }
    }

    fn at(&self, place: u8) -> T {
        self.table[usize::from(place)]
    }
}
