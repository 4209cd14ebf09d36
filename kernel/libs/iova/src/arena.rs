//! A growing array that never moves its elements and reports the lack of memory.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Index, IndexMut};

/// Elements of one chunk.
const CHUNK: usize = 64;

/// An array addressed by dense `u32` numbers, grown chunk by chunk.
///
/// Growth allocates one chunk and copies no element, so that a million elements cost no pause and no large
/// contiguous block. An element is reached in seven instructions.
#[derive(Debug)]
pub struct Arena<T> {
    chunks: Vec<Box<[T; CHUNK]>>,
    blank: T,
}

impl<T: Clone> Arena<T> {
    /// An empty arena whose elements will start as copies of `blank`; allocates nothing.
    pub const fn new(blank: T) -> Self {
        Self { chunks: Vec::new(), blank }
    }

    /// Makes every index below `len` valid.
    ///
    /// # Errors
    /// [`OutOfMemory`]; the elements are unchanged.
    pub fn reserve(&mut self, len: u32) -> Result<(), OutOfMemory> {
        while self.chunks.len().saturating_mul(CHUNK) < len as usize {
            self.chunks.try_reserve(1).map_err(|_| OutOfMemory)?;
            let mut chunk = Vec::new();
            chunk.try_reserve_exact(CHUNK).map_err(|_| OutOfMemory)?;
            chunk.resize(CHUNK, self.blank.clone());
            self.chunks.push(chunk.into_boxed_slice().try_into().map_err(|_| OutOfMemory)?);
        }
        Ok(())
    }

    /// The element at `index`, if the arena has grown so far.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.chunks.get(index as usize / CHUNK).map(|chunk| &chunk[index as usize % CHUNK])
    }

    /// The element at `index`, to be changed.
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks.get_mut(index as usize / CHUNK).map(|chunk| &mut chunk[index as usize % CHUNK])
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    /// # Panics
    /// If no room was reserved for the index: for numbers that the arena's owner gave out itself.
    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

/// The heap had no room. Nothing was changed by the call that returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_while_the_arena_grows() {
        let mut arena = Arena::new(7);
        assert_eq!(arena.get(0), None);
        for index in 0..1000 {
            arena.reserve(index + 1).unwrap();
            assert_eq!(arena[index], 7);
            arena[index] = index;
        }
        assert!((0..1000).all(|index| arena.get(index) == Some(&index)));
        assert_eq!(arena.get_mut(1023), Some(&mut 7));
        assert_eq!(arena.get(1024), None);
    }
}
