//! Builds IVRS tables.

use std::vec::Vec;

use dma_types::{PhysAddr, Segment, SourceId};

use super::{header, seal};
use crate::ivrs::{EntryKind, Ivhd, IvmdFlags, Ivrs};

/// The unit that [`IvrsBuilder::ivhd`] adds as its own PCI function.
const UNIT: SourceId = SourceId::from_bits(0x0002);

/// Puts an IVRS table together, block by block.
#[derive(Clone, Debug)]
pub struct IvrsBuilder {
    bytes: Vec<u8>,
    last: usize,
}

impl Default for IvrsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IvrsBuilder {
    /// A table without blocks, for a machine of 48 address bits that opted in.
    pub fn new() -> Self {
        let mut bytes = header(Ivrs::SIGNATURE);
        bytes.extend((3_u32 | 48 << 8 | 64 << 15).to_le_bytes());
        bytes.extend([0; 8]);
        let last = bytes.len();
        Self { bytes, last }
    }

    /// Adds a unit; `entries` are its device entries as they stand.
    #[must_use]
    pub fn ivhd(self, kind: u8, segment: Segment, base: PhysAddr, entries: &[u8]) -> Self {
        let mut body = UNIT.bits().to_le_bytes().to_vec();
        body.extend([0x40, 0]);
        body.extend(base.as_u64().to_le_bytes());
        body.extend(segment.0.to_le_bytes());
        body.extend([0; 6]);
        if kind != Ivhd::KIND_10 {
            body.extend(0x22_u64.to_le_bytes());
            body.extend([0; 8]);
        }
        body.extend(entries);
        self.block(kind, 0xb0, &body)
    }

    /// Adds memory with special treatment.
    #[must_use]
    pub fn ivmd(
        self,
        kind: u8,
        flags: IvmdFlags,
        devices: [SourceId; 2],
        start: PhysAddr,
        bytes: u64,
    ) -> Self {
        let mut body: Vec<_> = devices.iter().flat_map(|device| device.bits().to_le_bytes()).collect();
        body.extend([0; 8]);
        body.extend(start.as_u64().to_le_bytes());
        body.extend(bytes.to_le_bytes());
        self.block(kind, flags.bits(), &body)
    }

    /// Adds a block of any kind; `body` is what follows its length.
    #[must_use]
    pub fn block(mut self, kind: u8, flags: u8, body: &[u8]) -> Self {
        let length = u16::try_from(4 + body.len()).unwrap();
        self.last = self.bytes.len();
        self.bytes.extend([kind, flags]);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(body);
        self
    }

    /// Adds bytes as they stand.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Overwrites bytes of the last block, counted from its start.
    #[must_use]
    pub fn patch_last(self, offset: usize, bytes: &[u8]) -> Self {
        let at = self.last + offset;
        self.patch(at, bytes)
    }

    /// Overwrites bytes of the table.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The table, with length and checksum set right.
    pub fn build(self) -> Vec<u8> {
        let mut table = self.bytes;
        seal(&mut table);
        table
    }
}

/// A device entry of four bytes.
pub fn device_entry(kind: EntryKind, device: SourceId) -> [u8; 4] {
    let [low, high] = device.bits().to_le_bytes();
    [kind.0, low, high, 0]
}
