//! Packs bytes as raw DEFLATE, RFC 1951.
//!
//! One block with the fixed codes, and the longest match that a short chain of places finds: what repeats in a report is
//! long and lies near. Other packers build their tables on the stack, for which the kernel's is too small; this one has
//! 130 KiB on the heap while it works.

use alloc::vec;
use alloc::vec::Vec;

/// How far back a match may lie.
const WINDOW: usize = 1 << 15;
/// The shortest and the longest match.
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// Places of a chain that are tried.
const TRIES: usize = 64;
/// A place in no chain.
const NOWHERE: u32 = u32::MAX;

/// "Compressed blocks (length and distance codes)": the lowest length of each code from 257 on, and its extra bits.
const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The lowest distance of each code, and its extra bits.
const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// Packs bytes.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = Bits { bytes: Vec::with_capacity(bytes.len() / 3), pending: 0, count: 0 };
    // The last block, with fixed codes.
    out.put(1, 1);
    out.put(1, 2);
    let mut places = Places::new();
    let mut at = 0;
    while at < bytes.len() {
        let found = places.longest(bytes, at);
        let length = match found {
            Some((length, distance)) => {
                out.copy(length, distance);
                length
            }
            None => {
                out.literal(u16::from(bytes.get(at).copied().unwrap_or_default()));
                1
            }
        };
        (at..at + length).for_each(|place| places.note(bytes, place));
        at += length;
    }
    out.literal(END);
    out.finish()
}

/// "End of block".
const END: u16 = 256;

/// Bits on their way to bytes, the lowest first.
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u8) {
        self.pending |= value << self.count;
        self.count += u32::from(bits);
        while self.count >= 8 {
            self.bytes.push((self.pending & 0xff) as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Puts a code, whose highest bit comes first.
    fn code(&mut self, code: u16, bits: u8) {
        self.put(u32::from(code.reverse_bits() >> (16 - bits)), bits);
    }

    /// Puts a literal or a length's code: "Compression with fixed Huffman codes".
    fn literal(&mut self, symbol: u16) {
        match symbol {
            0..=143 => self.code(0x30 + symbol, 8),
            144..=255 => self.code(0x190 + symbol - 144, 9),
            256..=279 => self.code(symbol - 256, 7),
            _ => self.code(0xc0 + symbol - 280, 8),
        }
    }

    fn copy(&mut self, length: usize, distance: usize) {
        let (code, extra, bits) = code_of(&LENGTHS, length);
        self.literal(257 + code);
        self.put(extra, bits);
        let (code, extra, bits) = code_of(&DISTANCES, distance);
        self.code(code, 5);
        self.put(extra, bits);
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.bytes
    }
}

/// The code of a length or distance, the value of its extra bits, and how many those are.
fn code_of(codes: &[(u16, u8)], value: usize) -> (u16, u32, u8) {
    let mut found = (0, 0, 0);
    for (code, &(lowest, bits)) in (0..).zip(codes) {
        if usize::from(lowest) <= value {
            found = (code, (value - usize::from(lowest)) as u32, bits);
        }
    }
    found
}

/// Where three bytes were seen before: the last place, and of each place the one before with the same hash.
struct Places {
    last: Vec<u32>,
    before: Vec<u32>,
}

impl Places {
    fn new() -> Self {
        Self { last: vec![NOWHERE; 1 << 12], before: vec![NOWHERE; WINDOW] }
    }

    fn hash(bytes: &[u8], at: usize) -> Option<usize> {
        let [a, b, c] = *bytes.get(at..)?.first_chunk()?;
        let word = u32::from(a) | u32::from(b) << 8 | u32::from(c) << 16;
        Some((word.wrapping_mul(0x9e37_79b1) >> 20) as usize)
    }

    fn note(&mut self, bytes: &[u8], at: usize) {
        let (Some(hash), Ok(place)) = (Self::hash(bytes, at), u32::try_from(at)) else { return };
        if let (Some(last), Some(before)) = (self.last.get_mut(hash), self.before.get_mut(at % WINDOW)) {
            *before = *last;
            *last = place;
        }
    }

    /// Length and distance of the longest match.
    fn longest(&self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let mut best: Option<(usize, usize)> = None;
        let mut place = *self.last.get(Self::hash(bytes, at)?)?;
        for _ in 0..TRIES {
            let from = place as usize;
            let distance = at.checked_sub(from).filter(|distance| place != NOWHERE && *distance <= WINDOW);
            let Some(distance) = distance else { break };
            let (old, new) = (bytes.get(from..)?, bytes.get(at..)?);
            let length = old.iter().zip(new).take(LONGEST).take_while(|(a, b)| a == b).count();
            if length >= SHORTEST && best.is_none_or(|(longest, _)| length > longest) {
                best = Some((length, distance));
            }
            let before = *self.before.get(from % WINDOW)?;
            // A place that was written over leads nowhere older.
            if before >= place {
                break;
            }
            place = before;
        }
        best
    }
}
