//! A command as the controller finds it in a submission queue.

use vfio_device::Port;

use crate::evil::sweep::PAGE;

/// Bytes of an entry of a submission queue.
pub(super) const ENTRY_BYTES: usize = 64;
/// Bytes of a block, and the most of one command.
pub(super) const BLOCK: usize = 512;
const MOST_BYTES: usize = 1 << 20;

/// Opcodes of the admin queue.
pub(super) const CREATE_SUBMISSION: u8 = 0x01;
pub(super) const GET_LOG: u8 = 0x02;
pub(super) const CREATE_COMPLETION: u8 = 0x05;
pub(super) const IDENTIFY: u8 = 0x06;
/// Opcodes of other queues.
pub(super) const READ: u8 = 0x02;

/// A command's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command(pub(super) [u32; ENTRY_BYTES / 4]);

impl Command {
    /// Takes a command from the bytes of an entry; words that are missing are zero.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut words = [0; ENTRY_BYTES / 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self(words)
    }

    pub(super) fn opcode(&self) -> u8 {
        self.0[0] as u8
    }

    pub(super) fn id(&self) -> u16 {
        (self.0[0] >> 16) as u16
    }

    /// The 64 bits at a word and the next.
    pub(super) fn pointer(&self, word: usize) -> u64 {
        u64::from(self.0[word]) | u64::from(self.0[word + 1]) << 32
    }

    /// Bytes that a transfer of blocks moves.
    pub(super) fn data_bytes(&self) -> usize {
        (((self.0[12] & 0xffff) as usize + 1) * BLOCK).min(MOST_BYTES)
    }

    /// The places of its data: its pointers, and its list's where two are not enough.
    pub(super) fn pages(&self, port: &Port, bytes: usize) -> Vec<u64> {
        let [first, second] = [self.pointer(6), self.pointer(8)];
        let rest = bytes.saturating_sub((PAGE - first % PAGE) as usize).div_ceil(PAGE as usize);
        let mut pages = vec![first];
        match rest {
            0 => (),
            1 => pages.push(second),
            _ => {
                let list = port.read(second, rest.min(512) * 8).unwrap_or_default();
                pages.extend(list.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
        }
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_from_an_entry() {
        let mut entry = [0; ENTRY_BYTES];
        entry[..4].copy_from_slice(&[READ, 0, 0x34, 0x12]);
        entry[24..32].copy_from_slice(&0x1_4000_0200_u64.to_le_bytes());
        entry[48] = 7;
        let command = Command::decode(&entry);
        assert_eq!((command.opcode(), command.id(), command.pointer(6)), (READ, 0x1234, 0x1_4000_0200));
        assert_eq!(command.data_bytes(), 8 * BLOCK);
        assert_eq!(Command::decode(&[]).opcode(), 0);
    }
}
