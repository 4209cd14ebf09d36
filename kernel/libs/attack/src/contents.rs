//! What attacks move: bytes that are recognised wherever they turn up.

use alloc::vec;
use alloc::vec::Vec;

use dma_types::Access;

use crate::Skill;

/// What the device is given to read or writes, and what lies in memory made for being aimed at. `seed` makes them differ
/// from those of other attacks.
pub fn contents(skill: &Skill, access: Access, seed: u64) -> (Vec<u8>, Vec<u8>) {
    match skill {
        Skill::Copies { bytes } => (pattern(seed, *bytes), pattern(!seed, *bytes)),
        // What it would know if it got there.
        Skill::Recognises { key, .. } if access == Access::Read => (key.clone(), key.clone()),
        Skill::Recognises { stamp, .. } => (stamp.clone(), complement(stamp)),
    }
}

/// Tells whether these bytes prove anything: a blocked read may give zeros too.
pub fn is_telling(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

/// Other bytes in every place.
pub(crate) fn complement(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

/// Where in a page what a device writes stands already, at a multiple of 4.
pub fn offset_of(stamp: &[u8], page: &[u8]) -> Option<u64> {
    let place = page.windows(stamp.len().max(1)).step_by(4).position(|window| window == stamp)?;
    Some(place as u64 * 4)
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
        chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
    block
}
