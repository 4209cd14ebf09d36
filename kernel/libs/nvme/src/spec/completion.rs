//! Completions as a controller writes them (Base "Completion Queue Entry").
//!
//! ```text
//! dword 0  result of the command
//!       2  submission queue id 31:16 | submission queue head 15:0
//!       3  status 31:17 | phase 16 | command id 15:0
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::registers::QueueId;
use super::status::Status;
use crate::queue::CommandId;

/// One completion of 16 bytes, as read from memory that the device writes.
///
/// The phase tag tells whether the device has written it. It stands in the last word: who sees it change must
/// read the entry again before using the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct CompletionEntry([u32; 4]);

const _: () = assert!(size_of::<CompletionEntry>() == 16);

/// The phase tag: changes with each pass through the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The bit is clear, as in a new queue.
    Clear,
    /// The bit is set, as what the first pass writes.
    Set,
}

impl Phase {
    /// The tag of the next pass.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Clear => Self::Set,
            Self::Set => Self::Clear,
        }
    }
}

impl CompletionEntry {
    /// Puts an entry together, as a controller does.
    pub const fn new(
        queue: QueueId,
        head: u16,
        id: CommandId,
        phase: Phase,
        status: Status,
        result: u32,
    ) -> Self {
        let phase = match phase {
            Phase::Clear => 0,
            Phase::Set => 1 << 16,
        };
        let second = (queue.0 as u32) << 16 | head as u32;
        Self([result, 0, second, (status.0 as u32) << 17 | phase | id.bits() as u32])
    }

    /// What the command returns in dword 0.
    pub const fn result(self) -> u32 {
        self.0[0]
    }

    /// How far the controller has read the submission queue.
    pub const fn submission_head(self) -> u16 {
        self.0[2] as u16
    }

    /// The submission queue that the command came from.
    pub const fn queue(self) -> QueueId {
        QueueId((self.0[2] >> 16) as u16)
    }

    /// The command's id.
    pub const fn id(self) -> CommandId {
        CommandId::from_bits(self.0[3] as u16)
    }

    /// The phase tag.
    pub const fn phase(self) -> Phase {
        if self.0[3] & 1 << 16 == 0 { Phase::Clear } else { Phase::Set }
    }

    /// How the command ended.
    pub const fn status(self) -> Status {
        Status((self.0[3] >> 17) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_splits_into_its_fields() {
        let entry = CompletionEntry([0x12, 0, 0x0001_0007, 0x0103_00ab]);
        assert_eq!(entry.result(), 0x12);
        assert_eq!((entry.queue(), entry.submission_head()), (QueueId(1), 7));
        assert_eq!((entry.id(), entry.phase()), (CommandId::from_bits(0xab), Phase::Set));
        assert_eq!(entry.status(), Status(0x81));
        let id = CommandId::from_bits(0xab);
        assert_eq!(CompletionEntry::new(QueueId(1), 7, id, Phase::Set, Status(0x81), 0x12), entry);
        assert_eq!(Phase::Set.next(), Phase::Clear);
    }
}
