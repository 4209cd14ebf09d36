//! What attacks move: bytes that are recognised wherever they turn up.

use alloc::vec;
use alloc::vec::Vec;

use dma_types::{Access, PhysAddr};

use super::Skill;
use crate::memory::direct;

/// What the device is given to read or writes, and what lies in memory made for being aimed at.
pub fn contents(skill: &Skill, access: Access, seed: u64) -> (Vec<u8>, Vec<u8>) {
    match skill {
        Skill::Copies { bytes } => (pattern(seed, *bytes), pattern(!seed, *bytes)),
        // What it would know if it got there.
        Skill::Recognises { key, .. } if access == Access::Read => (key.clone(), key.clone()),
        Skill::Recognises { stamp, .. } => (stamp.clone(), complement(stamp)),
    }
}

/// Zeros prove nothing: a blocked read may give them too.
pub fn is_telling(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

/// Other bytes in every place.
pub fn complement(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// What lies in memory there; nothing if it is not RAM.
pub fn bytes_at(memory: PhysAddr, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    direct::read(memory, &mut bytes).ok()?;
    Some(bytes)
}

/// Bytes that do not stand anywhere else (xorshift64*).
fn pattern(seed: u64, length: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut block = vec![0; length as usize];
    for chunk in block.chunks_mut(8) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bytes = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    block
}
