//! A disk in memory (virtio "Block Device").

use super::Trick;
use super::card::Kind;
use crate::evil::random::Random;

/// Blocks of the disk, and bytes of one.
const BLOCKS: u64 = 2048;
const BLOCK: usize = 512;
/// Bytes of a request's head, and of a name.
const HEAD: usize = 16;
const NAME: usize = 20;
/// What is asked.
const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const IDENTIFY: u32 = 8;
/// How it went.
const OK: u8 = 0;
const FAILED: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// Features: the size of blocks is told; there is a flush.
const FEATURES: u64 = 1 << 6 | 1 << 9;

/// The disk behind its queue.
#[derive(Debug)]
pub(super) struct Disk {
    medium: Vec<u8>,
    trick: Trick,
    random: Random,
}

impl Disk {
    /// Every block holds its own number.
    pub(super) fn new(trick: Trick) -> Self {
        let medium = (0..BLOCKS).flat_map(|block| block.to_le_bytes().repeat(BLOCK / 8)).collect();
        Self { medium, trick, random: Random::new(13) }
    }

    /// What its registers say.
    pub(super) fn kind(trick: Trick) -> Kind {
        let capacity = match trick {
            Trick::NoCapacity => 0,
            Trick::HugeCapacity => u64::MAX,
            _ => BLOCKS,
        };
        let block: u32 = if trick == Trick::OddBlocks { 3 } else { BLOCK as u32 };
        let mut config = capacity.to_le_bytes().to_vec();
        config.extend([0; 12]);
        config.extend(block.to_le_bytes());
        Kind { device: 0x1042, class: 0x01_0000, features: FEATURES, queues: 1, config }
    }

    /// Whether a request is one by which the driver gets to know the device: those are served as they should be.
    pub(super) fn is_greeting(asked: &[u8]) -> bool {
        head(asked).0 == IDENTIFY
    }

    /// Serves a request with room for so many bytes: what the driver gets, of which the last byte is the status.
    pub(super) fn serve(&mut self, asked: &[u8], room: usize) -> Vec<u8> {
        let (kind, block) = head(asked);
        let bytes = room.saturating_sub(1);
        let start = usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(BLOCK);
        let written = asked.get(HEAD..).unwrap_or_default();
        let (mut data, status) = match kind {
            READ => match self.medium.get(start..start.saturating_add(bytes)) {
                Some(data) => (data.to_vec(), OK),
                None => (Vec::new(), FAILED),
            },
            WRITE => match self.medium.get_mut(start..start.saturating_add(written.len())) {
                Some(place) => {
                    place.copy_from_slice(written);
                    (Vec::new(), OK)
                }
                None => (Vec::new(), FAILED),
            },
            FLUSH => (Vec::new(), OK),
            IDENTIFY => (self.name(), OK),
            _ => (Vec::new(), UNSUPPORTED),
        };
        data.resize(bytes, 0);
        match if Self::is_greeting(asked) { Trick::None } else { self.trick } {
            Trick::HalfTheData => data.truncate(data.len() / 2),
            Trick::NoStatus => (),
            Trick::StatusOfNoMeaning => data.push(0x77),
            Trick::EveryRequestFails => data.push(FAILED),
            _ => data.push(status),
        }
        data
    }

    fn name(&mut self) -> Vec<u8> {
        if self.trick == Trick::NameOfChance {
            return (0..NAME).map(|_| self.random.next() as u8).collect();
        }
        b"EVIL".to_vec()
    }
}

/// What is asked, and from which block on.
fn head(asked: &[u8]) -> (u32, u64) {
    let number = |at: usize| asked.get(at..).and_then(|bytes| bytes.first_chunk()).copied();
    let kind = number(0).map_or(u32::MAX, |bytes: [u8; 8]| u64::from_le_bytes(bytes) as u32);
    (kind, number(8).map_or(u64::MAX, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(kind: u32, block: u64, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &[0; 4], &block.to_le_bytes(), data].concat()
    }

    #[test]
    fn blocks_are_kept_and_hold_their_numbers() {
        let mut disk = Disk::new(Trick::None);
        let read = disk.serve(&ask(READ, 3, &[]), BLOCK + 1);
        assert_eq!((read.len(), &read[..8], read[BLOCK]), (BLOCK + 1, &[3, 0, 0, 0, 0, 0, 0, 0][..], OK));
        assert_eq!(disk.serve(&ask(WRITE, 3, &[7; BLOCK]), 1), [OK]);
        assert_eq!(disk.serve(&ask(READ, 3, &[]), BLOCK + 1)[..BLOCK], [7; BLOCK]);
        assert_eq!(disk.serve(&ask(READ, BLOCKS, &[]), BLOCK + 1)[BLOCK], FAILED);
        assert_eq!(disk.serve(&ask(READ, u64::MAX, &[]), BLOCK + 1)[BLOCK], FAILED);
        assert_eq!(disk.serve(&ask(77, 0, &[]), 1), [UNSUPPORTED]);
        assert_eq!(disk.serve(&ask(IDENTIFY, 0, &[]), NAME + 1)[..5], *b"EVIL\0");
    }

    #[test]
    fn half_an_answer_has_no_status() {
        let mut disk = Disk::new(Trick::HalfTheData);
        assert_eq!(disk.serve(&ask(READ, 0, &[]), BLOCK + 1).len(), BLOCK / 2);
    }
}
