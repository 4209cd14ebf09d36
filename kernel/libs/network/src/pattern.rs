//! Bytes that both ends of a transfer can make, without having exchanged them.

use core::mem;

const WORD_BYTES: u64 = 8;

/// A sequence of bytes: what SplitMix64 gives from the state 0, each number in little-endian order.
#[derive(Clone, Debug, Default)]
pub struct Pattern {
    /// Bytes given so far.
    position: u64,
}

impl Pattern {
    /// The sequence from its beginning.
    pub const fn new() -> Self {
        Self { position: 0 }
    }

    /// Fills a buffer with the next bytes.
    pub fn fill(&mut self, mut room: &mut [u8]) {
        while !room.is_empty() {
            let bytes = word(self.position / WORD_BYTES).to_le_bytes();
            let rest = bytes.get((self.position % WORD_BYTES) as usize..).unwrap_or_default();
            let length = rest.len().min(room.len());
            let (filled, later) = mem::take(&mut room).split_at_mut(length);
            filled.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.position = self.position.wrapping_add(length as u64);
            room = later;
        }
    }
}

/// The number at an index.
const fn word(index: u64) -> u64 {
    let state = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn begins_as_the_generator_does() {
        let mut bytes = [0; 16];
        Pattern::new().fill(&mut bytes);
        assert_eq!(bytes[..8], 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
        assert_eq!(bytes[8..], 0x6e78_9e6a_a1b9_65f4_u64.to_le_bytes());
    }

    #[test]
    fn the_same_in_pieces_of_any_size() {
        let mut whole = vec![0; 1000];
        Pattern::new().fill(&mut whole);
        for size in [1, 3, 7, 8, 9, 64, 999] {
            let mut pieces = vec![0; 1000];
            let mut pattern = Pattern::new();
            pieces.chunks_mut(size).for_each(|piece| pattern.fill(piece));
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
    }
}
