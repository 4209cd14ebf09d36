//! Numbers for self-tests that try many cases (xorshift64*).

use core::ops::Range;

/// A sequence of numbers that its seed decides.
pub(super) struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number within a range, which must not be empty.
    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        // The upper bits are the better ones.
        range.start + (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % (range.end - range.start)
    }

    /// One of several.
    pub(super) fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.within(0..from.len() as u64) as usize;
        &from[index]
    }
}
