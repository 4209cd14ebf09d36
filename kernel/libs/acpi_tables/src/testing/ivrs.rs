//! Builds IVRS tables.

use std::vec::Vec;

use dma_types::{PhysAddr, Segment, SourceId};

use super::builder::TableBuilder;
use crate::ivrs::{EntryKind, Ivhd, IvmdFlags, Ivrs};

/// The unit that [`IvrsBuilder::ivhd`] adds as its own PCI function.
const UNIT: SourceId = SourceId::from_bits(0x0002);

/// Puts an IVRS table together, block by block.
pub type IvrsBuilder = TableBuilder<Ivrs<'static>>;

impl Default for IvrsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IvrsBuilder {
    /// A table without blocks, for a machine of 48 address bits that opted in.
    pub fn new() -> Self {
        let mut fields = [0; 12];
        fields[..4].copy_from_slice(&(3_u32 | 48 << 8 | 64 << 15).to_le_bytes());
        Self::with_fields(Ivrs::SIGNATURE, &fields)
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
    pub fn block(self, kind: u8, flags: u8, body: &[u8]) -> Self {
        self.part([kind, flags], body)
    }
}

/// A device entry of four bytes.
pub fn device_entry(kind: EntryKind, device: SourceId) -> [u8; 4] {
    let [low, high] = device.bits().to_le_bytes();
    [kind.0, low, high, 0]
}
