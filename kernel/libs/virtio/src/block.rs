//! What a block device is asked and what it answers, virtio "Block Device".

/// Its device ids, the first with the legacy interface.
pub const DEVICES: [u16; 2] = [0x1001, 0x1042];

/// Bytes of a block, whatever the medium's own are.
pub const BLOCK: u32 = 512;
/// Bytes of a request's header.
pub const HEADER: usize = 16;
/// Bytes of the answer to [`Request::Identify`].
pub const IDENTIFIER: usize = 20;
/// The one queue.
pub const QUEUE: u16 = 0;

/// Feature: the medium cannot be written.
pub const READ_ONLY: u64 = 1 << 5;
/// Feature: the device has a cache, which it flushes when told.
pub const FLUSH: u64 = 1 << 9;
/// Feature: the medium is divided into zones, which a request without data can erase.
pub const ZONED: u64 = 1 << 17;

/// Device configuration: blocks of the medium (64 bits).
pub const CAPACITY: usize = 0;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Blocks from this one on go into memory.
    Read {
        /// The first one.
        block: u64,
    },
    /// Memory goes into blocks from this one on.
    Write {
        /// The first one.
        block: u64,
    },
    /// What was written is to last.
    Flush,
    /// The device tells its name.
    Identify,
}

impl Request {
    /// What the device reads first.
    pub fn header(self) -> [u8; HEADER] {
        let (kind, block) = match self {
            Self::Read { block } => (0u32, block),
            Self::Write { block } => (1, block),
            Self::Flush => (4, 0),
            Self::Identify => (8, 0),
        };
        let mut header = [0; HEADER];
        for (to, byte) in
            header.iter_mut().zip(kind.to_le_bytes().into_iter().chain([0; 4]).chain(block.to_le_bytes()))
        {
            *to = byte;
        }
        header
    }
}

/// What the device writes last: how a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// It was done.
    pub const OK: Self = Self(0);
    /// The medium or the device failed.
    pub const IO_ERROR: Self = Self(1);
    /// The device does not know the request.
    pub const UNSUPPORTED: Self = Self(2);
    /// What stands in its place before the device has answered.
    pub const NONE: Self = Self(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_little_endian_kind_nothing_block() {
        let expected = [0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11];
        assert_eq!(Request::Read { block: 0x1122_3344_5566_7788 }.header(), expected);
        assert_eq!(Request::Write { block: 2 }.header(), [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Request::Flush.header()[..4], [4, 0, 0, 0]);
        assert_eq!(Request::Identify.header()[..4], [8, 0, 0, 0]);
    }
}
