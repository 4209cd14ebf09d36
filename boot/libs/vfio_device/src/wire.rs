//! The protocol's messages as bytes, little endian (vfio-user protocol 0.9; `DMA_READ` and `DMA_WRITE` as QEMU 11.1
//! sends them).

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 16;
/// The largest message that is taken: more than QEMU ever sends.
pub(crate) const MAX_BYTES: usize = 2 << 20;
/// The errno that says "not understood" (`EINVAL`).
pub(crate) const INVALID: u32 = 22;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) u16);

impl Command {
    pub(crate) const VERSION: Self = Self(1);
    pub(crate) const DMA_MAP: Self = Self(2);
    pub(crate) const DMA_UNMAP: Self = Self(3);
    pub(crate) const DEVICE_INFO: Self = Self(4);
    pub(crate) const REGION_INFO: Self = Self(5);
    pub(crate) const IRQ_INFO: Self = Self(7);
    pub(crate) const SET_IRQS: Self = Self(8);
    pub(crate) const REGION_READ: Self = Self(9);
    pub(crate) const REGION_WRITE: Self = Self(10);
    pub(crate) const DMA_READ: Self = Self(11);
    pub(crate) const DMA_WRITE: Self = Self(12);
    pub(crate) const RESET: Self = Self(13);
}

/// The first bytes of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) command: Command,
    /// Bytes of the message, these among them.
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) errno: u32,
}

impl Header {
    const KIND: u32 = 0xf;
    const REPLY: u32 = 1;
    const NO_REPLY: u32 = 1 << 4;
    const ERROR: u32 = 1 << 5;

    /// The header of a request of ours.
    pub(crate) fn request(id: u16, command: Command, body: usize) -> Self {
        Self { id, command, size: size(body), flags: 0, errno: 0 }
    }

    /// The header of an answer to this request: good, or an error.
    pub(crate) fn answer(&self, body: usize, errno: Option<u32>) -> Self {
        let flags = Self::REPLY | if errno.is_some() { Self::ERROR } else { 0 };
        Self { size: size(body), flags, errno: errno.unwrap_or(0), ..*self }
    }

    /// Whether this is an answer to a request of ours.
    pub(crate) fn is_answer(&self) -> bool {
        self.flags & Self::KIND == Self::REPLY
    }

    /// Whether the other side waits for an answer.
    pub(crate) fn wants_answer(&self) -> bool {
        self.flags & Self::NO_REPLY == 0
    }

    /// What an answer says besides that all is well.
    pub(crate) fn error(&self) -> Option<u32> {
        (self.flags & Self::ERROR != 0).then_some(self.errno)
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&self.id.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.command.0.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_le_bytes());
        bytes[12..].copy_from_slice(&self.errno.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let fields = Fields(bytes);
        Self {
            id: fields.u16(0),
            command: Command(fields.u16(2)),
            size: fields.u32(4),
            flags: fields.u32(8),
            errno: fields.u32(12),
        }
    }
}

fn size(body: usize) -> u32 {
    u32::try_from(HEADER_BYTES + body).unwrap_or(u32::MAX)
}

/// Numbers at fixed places; what lies beyond the end reads as zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn number<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0.get(offset..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or([0; N])
    }

    pub(crate) fn u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.number(offset))
    }

    pub(crate) fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.number(offset))
    }

    pub(crate) fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.number(offset))
    }
}

/// A body that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
}

/// Where the data of `REGION_READ`, `REGION_WRITE`, `DMA_READ` and `DMA_WRITE` begins.
pub(crate) const DATA: usize = 16;

/// A `REGION_READ` or the head of a `REGION_WRITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionAccess {
    pub(crate) offset: u64,
    pub(crate) region: u32,
    pub(crate) count: u32,
}

impl RegionAccess {
    pub(crate) fn decode(body: &[u8]) -> Self {
        let fields = Fields(body);
        Self { offset: fields.u64(0), region: fields.u32(8), count: fields.u32(12) }
    }
}

/// A `DMA_MAP` or `DMA_UNMAP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RangeChange {
    pub(crate) flags: u32,
    pub(crate) iova: u64,
    pub(crate) size: u64,
}

impl RangeChange {
    /// The flag of `DMA_UNMAP` that means every range there is.
    pub(crate) const ALL: u32 = 1 << 1;

    pub(crate) fn map(body: &[u8]) -> Self {
        let fields = Fields(body);
        Self { flags: fields.u32(4), iova: fields.u64(16), size: fields.u64(24) }
    }

    pub(crate) fn unmap(body: &[u8]) -> Self {
        let fields = Fields(body);
        Self { flags: fields.u32(4), iova: fields.u64(8), size: fields.u64(16) }
    }
}

/// A `SET_IRQS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetIrqs {
    pub(crate) index: u32,
    pub(crate) start: u32,
    pub(crate) count: u32,
}

impl SetIrqs {
    pub(crate) fn decode(body: &[u8]) -> Self {
        let fields = Fields(body);
        Self { index: fields.u32(8), start: fields.u32(12), count: fields.u32(16) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_encoding() {
        let header = Header::request(0x1234, Command::DMA_WRITE, 24);
        assert_eq!(header.encode(), [0x34, 0x12, 12, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Header::decode(&header.encode()), header);
        assert!(header.wants_answer() && !header.is_answer() && header.error().is_none());
    }

    #[test]
    fn an_answer_keeps_the_number_and_carries_the_error() {
        let asked = Header::request(7, Command::VERSION, 0);
        let good = asked.answer(8, None);
        assert!(good.is_answer() && good.error().is_none() && good.size == 24 && good.id == 7);
        assert_eq!(asked.answer(0, Some(19)).error(), Some(19));
        assert!(!Header { flags: 0x10, ..asked }.wants_answer());
    }

    #[test]
    fn ranges_are_read_from_where_each_message_has_them() {
        let map = Body::default().u32(32).u32(3).u64(9).u64(0x4000_0000).u64(0x1000).0;
        assert_eq!(RangeChange::map(&map), RangeChange { flags: 3, iova: 0x4000_0000, size: 0x1000 });
        let unmap = Body::default().u32(24).u32(RangeChange::ALL).u64(0x1000).u64(0x2000).0;
        assert_eq!(RangeChange::unmap(&unmap), RangeChange { flags: 2, iova: 0x1000, size: 0x2000 });
        let access = Body::default().u64(0x10).u32(7).u32(4).bytes(&[1, 2, 3, 4]).0;
        assert_eq!(RegionAccess::decode(&access), RegionAccess { offset: 0x10, region: 7, count: 4 });
        assert_eq!(&access[DATA..], [1, 2, 3, 4]);
        let irqs = Body::default().u32(20).u32(0x24).u32(2).u32(1).u32(3).0;
        assert_eq!(SetIrqs::decode(&irqs), SetIrqs { index: 2, start: 1, count: 3 });
    }

    #[test]
    fn a_short_body_reads_as_zeros() {
        assert_eq!(RegionAccess::decode(&[1]), RegionAccess { offset: 0, region: 0, count: 0 });
        assert_eq!(RangeChange::map(&[]), RangeChange { flags: 0, iova: 0, size: 0 });
    }
}
