//! What the controller says of itself and of its namespace (NVM Express Base Specification 2.0, "Identify command").

use super::trick::Trick;
use crate::evil::random::Random;

/// Bytes of an answer.
const ANSWER_BYTES: usize = 4096;
/// Blocks of the namespace, and the exponent of a block's bytes.
const BLOCKS: u64 = 2048;
const BLOCK_EXPONENT: u8 = 9;

/// What is asked about, as the command's word 10 says it.
const NAMESPACE: u8 = 0;
const CONTROLLER: u8 = 1;
const NAMESPACE_LIST: u8 = 2;

/// The answer to an Identify command; zeros where there is nothing to say.
pub(super) fn answer(about: u8, trick: Trick, random: &mut Random) -> Vec<u8> {
    let mut data = vec![0; ANSWER_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| data[offset..offset + bytes.len()].copy_from_slice(bytes);
    match about {
        // Size, capacity, use; one format of blocks.
        NAMESPACE => {
            let blocks = if trick == Trick::HugeNamespace { u64::MAX } else { BLOCKS };
            for offset in [0, 8, 16] {
                put(offset, &blocks.to_le_bytes());
            }
            let exponent = if trick == Trick::OddBlocks { 63 } else { BLOCK_EXPONENT };
            put(128, &[0, 0, exponent, 0]);
        }
        CONTROLLER => {
            put(4, b"EVIL                ");
            put(24, b"a disk of no good                       ");
            put(64, b"1.0     ");
            // Transfers of up to 2^5 pages, entries of 64 and 16 bytes, one namespace.
            put(77, &[5]);
            put(80, &0x0001_0400_u32.to_le_bytes());
            put(512, &[0x66, 0x44]);
            put(516, &1_u32.to_le_bytes());
        }
        NAMESPACE_LIST if trick == Trick::EndlessNamespaces => {
            for (index, place) in data.as_chunks_mut().0.iter_mut().enumerate() {
                *place = (1024 - index as u32).to_le_bytes();
            }
        }
        NAMESPACE_LIST => put(0, &1_u32.to_le_bytes()),
        _ => (),
    }
    if trick == Trick::GarbageIdentity {
        data.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_namespace_has_blocks_of_a_usual_size() {
        let namespace = |trick| answer(NAMESPACE, trick, &mut Random::new(1));
        assert_eq!(namespace(Trick::None)[..8], BLOCKS.to_le_bytes());
        assert_eq!(namespace(Trick::None)[130], BLOCK_EXPONENT);
        assert_eq!(namespace(Trick::HugeNamespace)[..8], [0xff; 8]);
        assert_eq!(namespace(Trick::OddBlocks)[130], 63);
    }

    #[test]
    fn endless_namespaces_go_down_from_1024() {
        let list = answer(NAMESPACE_LIST, Trick::EndlessNamespaces, &mut Random::new(1));
        assert_eq!((&list[..4], &list[4092..]), (&1024_u32.to_le_bytes()[..], &1_u32.to_le_bytes()[..]));
        assert_eq!(answer(NAMESPACE_LIST, Trick::None, &mut Random::new(1))[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
