//! Commands as they stand in a submission queue (Base "Submission Queue Entry").
//!
//! ```text
//! dword  0  command id 31:16 | PSDT 15:14 | fuse 9:8 | opcode 7:0
//!        1  namespace id
//!      6-7  PRP 1          8-9  PRP 2
//!    10-15  of the command itself
//! ```

use dma_types::Iova;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::registers::QueueId;
use crate::queue::CommandId;

/// One command of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct SubmissionEntry([u32; 16]);

const _: () = assert!(size_of::<SubmissionEntry>() == 64);

/// A namespace's number. Holding one proves nothing; the controller may not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceId(pub u32);

impl NamespaceId {
    /// No namespace: the command concerns the controller.
    pub const NONE: Self = Self(0);
    /// All namespaces.
    pub const ALL: Self = Self(u32::MAX);
}

/// Where the data of a command lie: two physical region page entries (Base "Physical Region Page Entry and List").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataPointer {
    /// PRP 1.
    pub first: u64,
    /// PRP 2: the second page, or the list of those after the first.
    pub second: u64,
}

/// What an I/O command does to blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// From the medium into memory.
    Read,
    /// From memory to the medium.
    Write,
    /// Reads both and tells whether they are equal.
    Compare,
}

/// Blocks of a namespace, in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The first block.
    pub first: u64,
    /// How many, at least one, less one: as the command holds it.
    pub count_less_one: u16,
}

/// Opcodes (Base "Opcodes for Admin Commands", NVM "Opcodes for NVM Commands").
mod opcode {
    pub const DELETE_SUBMISSION_QUEUE: u8 = 0x00;
    pub const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
    pub const GET_LOG_PAGE: u8 = 0x02;
    pub const DELETE_COMPLETION_QUEUE: u8 = 0x04;
    pub const CREATE_COMPLETION_QUEUE: u8 = 0x05;
    pub const IDENTIFY: u8 = 0x06;
    pub const SET_FEATURES: u8 = 0x09;

    pub const FLUSH: u8 = 0x00;
    pub const WRITE: u8 = 0x01;
    pub const READ: u8 = 0x02;
    pub const COMPARE: u8 = 0x05;
}

/// What an Identify command returns (Base "Identify", controller or namespace structure).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Structure {
    Namespace = 0,
    Controller = 1,
    ActiveNamespaces = 2,
}

/// The log page with the health of the medium.
const SMART_LOG: u32 = 0x02;

/// The feature that tells how many queues there are.
const NUMBER_OF_QUEUES: u32 = 0x07;

/// Bit 0 of dword 11: the queue lies in memory without gaps.
const CONTIGUOUS: u32 = 1 << 0;

/// Bit 1 of dword 11: the completion queue raises interrupts.
const INTERRUPTS: u32 = 1 << 1;

/// A queue to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewQueue {
    /// Its number.
    pub id: QueueId,
    /// Where it lies.
    pub base: Iova,
    /// How many entries it has, at least 2.
    pub entries: u16,
}

impl NewQueue {
    fn dword10(self) -> u32 {
        u32::from(self.entries.saturating_sub(1)) << 16 | u32::from(self.id.0)
    }

    fn pointer(self) -> DataPointer {
        DataPointer { first: self.base.as_u64(), second: 0 }
    }
}

/// Commands for the admin queue.
impl SubmissionEntry {
    /// Describes the controller, in 4096 bytes.
    pub fn identify_controller(data: DataPointer) -> Self {
        Self::identify(Structure::Controller, NamespaceId::NONE, data)
    }

    /// Describes a namespace, in 4096 bytes.
    pub fn identify_namespace(namespace: NamespaceId, data: DataPointer) -> Self {
        Self::identify(Structure::Namespace, namespace, data)
    }

    /// Lists the active namespaces above a number, in 4096 bytes.
    pub fn active_namespaces(above: NamespaceId, data: DataPointer) -> Self {
        Self::identify(Structure::ActiveNamespaces, above, data)
    }

    fn identify(what: Structure, namespace: NamespaceId, data: DataPointer) -> Self {
        Self::new(opcode::IDENTIFY, namespace, data).with(10, what as u32)
    }

    /// Asks for so many pairs of I/O queues; the result tells how many there are (Base "Number of Queues").
    pub fn set_queue_pairs(pairs: u16) -> Self {
        let zero_based = u32::from(pairs.saturating_sub(1));
        Self::new(opcode::SET_FEATURES, NamespaceId::NONE, DataPointer::default())
            .with(10, NUMBER_OF_QUEUES)
            .with(11, zero_based << 16 | zero_based)
    }

    /// Creates a completion queue that raises the interrupt with a number.
    pub fn create_completion_queue(queue: NewQueue, interrupt: u16) -> Self {
        Self::new(opcode::CREATE_COMPLETION_QUEUE, NamespaceId::NONE, queue.pointer())
            .with(10, queue.dword10())
            .with(11, u32::from(interrupt) << 16 | INTERRUPTS | CONTIGUOUS)
    }

    /// Creates a submission queue whose commands complete in the queue with the given number.
    pub fn create_submission_queue(queue: NewQueue, completion: QueueId) -> Self {
        Self::new(opcode::CREATE_SUBMISSION_QUEUE, NamespaceId::NONE, queue.pointer())
            .with(10, queue.dword10())
            .with(11, u32::from(completion.0) << 16 | CONTIGUOUS)
    }

    /// Deletes a submission queue.
    pub fn delete_submission_queue(queue: QueueId) -> Self {
        let entry = Self::new(opcode::DELETE_SUBMISSION_QUEUE, NamespaceId::NONE, DataPointer::default());
        entry.with(10, u32::from(queue.0))
    }

    /// Deletes a completion queue.
    pub fn delete_completion_queue(queue: QueueId) -> Self {
        let entry = Self::new(opcode::DELETE_COMPLETION_QUEUE, NamespaceId::NONE, DataPointer::default());
        entry.with(10, u32::from(queue.0))
    }

    /// Tells the health of the whole controller, in 512 bytes (Base "SMART / Health Information").
    pub fn smart_log(data: DataPointer) -> Self {
        const DWORDS_LESS_ONE: u32 = 512 / 4 - 1;
        Self::new(opcode::GET_LOG_PAGE, NamespaceId::ALL, data).with(10, DWORDS_LESS_ONE << 16 | SMART_LOG)
    }
}

/// Commands for an I/O queue.
impl SubmissionEntry {
    /// Moves or compares blocks.
    #[inline]
    pub fn transfer(transfer: Transfer, blocks: Blocks, data: DataPointer) -> Self {
        let opcode = match transfer {
            Transfer::Read => opcode::READ,
            Transfer::Write => opcode::WRITE,
            Transfer::Compare => opcode::COMPARE,
        };
        Self::new(opcode, blocks.namespace, data)
            .with(10, blocks.first as u32)
            .with(11, (blocks.first >> 32) as u32)
            .with(12, u32::from(blocks.count_less_one))
    }

    /// Brings what was written to the medium.
    pub fn flush(namespace: NamespaceId) -> Self {
        Self::new(opcode::FLUSH, namespace, DataPointer::default())
    }
}

impl SubmissionEntry {
    #[inline]
    fn new(opcode: u8, namespace: NamespaceId, data: DataPointer) -> Self {
        let mut words = [0; 16];
        words[0] = u32::from(opcode);
        words[1] = namespace.0;
        (words[6], words[7]) = (data.first as u32, (data.first >> 32) as u32);
        (words[8], words[9]) = (data.second as u32, (data.second >> 32) as u32);
        Self(words)
    }

    #[inline]
    fn with(mut self, dword: usize, value: u32) -> Self {
        self.0[dword] = value;
        self
    }

    /// The same command under an id.
    #[must_use]
    #[inline]
    pub fn with_id(self, id: CommandId) -> Self {
        let word = self.0[0] & 0xffff | u32::from(id.bits()) << 16;
        self.with(0, word)
    }

    /// The id that it stands under.
    pub fn id(&self) -> CommandId {
        CommandId::from_bits((self.0[0] >> 16) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: DataPointer = DataPointer { first: 0x1_2345_6780, second: 0x2_0000_1000 };

    /// The words that are not zero, by number.
    fn words(entry: SubmissionEntry) -> std::vec::Vec<(usize, u32)> {
        entry.0.into_iter().enumerate().filter(|(_, word)| *word != 0).collect()
    }

    #[test]
    fn io_commands_are_the_words_of_the_specification() {
        let blocks = Blocks { namespace: NamespaceId(2), first: 0x1_0000_0005, count_less_one: 7 };
        let common = [(6, 0x2345_6780), (7, 1), (8, 0x1000), (9, 2), (10, 5), (11, 1), (12, 7)];
        for (transfer, opcode) in [(Transfer::Read, 2), (Transfer::Write, 1), (Transfer::Compare, 5)] {
            let entry =
                SubmissionEntry::transfer(transfer, blocks, DATA).with_id(CommandId::from_bits(0xabcd));
            let mut expected = std::vec![(0, 0xabcd_0000 | opcode), (1, 2)];
            expected.extend(common);
            assert_eq!(words(entry), expected);
            assert_eq!(entry.id(), CommandId::from_bits(0xabcd));
        }
        assert_eq!(words(SubmissionEntry::flush(NamespaceId(3))), [(1, 3)]);
    }

    #[test]
    fn identify_asks_for_the_right_structure() {
        let pointer = [(6, 0x2345_6780), (7, 1), (8, 0x1000), (9, 2)];
        let with = |head: &[(usize, u32)], tail: &[(usize, u32)]| [head, &pointer, tail].concat();
        assert_eq!(words(SubmissionEntry::identify_controller(DATA)), with(&[(0, 6)], &[(10, 1)]));
        let namespace = SubmissionEntry::identify_namespace(NamespaceId(9), DATA);
        assert_eq!(words(namespace), with(&[(0, 6), (1, 9)], &[]));
        let list = SubmissionEntry::active_namespaces(NamespaceId(4), DATA);
        assert_eq!(words(list), with(&[(0, 6), (1, 4)], &[(10, 2)]));
        let smart = with(&[(0, 2), (1, u32::MAX)], &[(10, 0x007f_0002)]);
        assert_eq!(words(SubmissionEntry::smart_log(DATA)), smart);
    }

    #[test]
    fn queues_are_created_with_zero_based_sizes() {
        let queue = NewQueue { id: QueueId(1), base: Iova::new(0x7000), entries: 64 };
        assert_eq!(
            words(SubmissionEntry::create_completion_queue(queue, 3)),
            [(0, 5), (6, 0x7000), (10, 0x003f_0001), (11, 0x0003_0003)]
        );
        assert_eq!(
            words(SubmissionEntry::create_submission_queue(queue, QueueId(1))),
            [(0, 1), (6, 0x7000), (10, 0x003f_0001), (11, 0x0001_0001)]
        );
        assert_eq!(words(SubmissionEntry::delete_submission_queue(QueueId(1))), [(10, 1)]);
        assert_eq!(words(SubmissionEntry::delete_completion_queue(QueueId(1))), [(0, 4), (10, 1)]);
        assert_eq!(words(SubmissionEntry::set_queue_pairs(2)), [(0, 9), (10, 7), (11, 0x0001_0001)]);
    }
}
