//! The walk over the device entries of a unit.

use core::fmt;
use core::iter::FusedIterator;

use dma_types::SourceId;

use super::entry::{AcpiDevice, DeviceEntry, DeviceSettings, EntryDetail, EntryKind, SpecialVariety};
use crate::reader::Reader;

/// The device entries of a unit in order. An error is the last item.
///
/// An empty one stands for blocks that list no devices.
#[derive(Clone, Debug, Default)]
pub struct DeviceEntries<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for DeviceEntries<'a> {
    type Item = Result<DeviceEntry<'a>, EntryError>;

    /// Each step takes at least four bytes or ends the walk.
    fn next(&mut self) -> Option<Self::Item> {
        let kind = EntryKind(*self.rest.first()?);
        let mut rest = Reader::new(self.rest);
        let decoded = take_entry(&mut rest, kind, self.offset);
        match decoded {
            Ok(entry) => {
                self.offset = self.offset.saturating_add(usize::from(entry.length));
                self.rest = rest.rest();
            }
            Err(_) => self.rest = &[],
        }
        Some(decoded)
    }
}

impl FusedIterator for DeviceEntries<'_> {}

/// Decodes the entry of a kind that begins at `offset` in the table.
fn take_entry<'a>(
    list: &mut Reader<'a>,
    kind: EntryKind,
    offset: usize,
) -> Result<DeviceEntry<'a>, EntryError> {
    let left = list.rest().len();
    let length =
        entry_bytes(list.rest(), kind).ok_or(EntryError::Truncated { offset, kind: kind.0, left })?;
    let overrun = EntryError::Overrun { offset, kind: kind.0, length, left };
    let mut fields = list.take(usize::from(length)).map(Reader::new).ok_or(overrun)?;
    let mut decode = || {
        let _kind = fields.u8()?;
        Some(DeviceEntry {
            offset,
            length,
            kind,
            device_id: SourceId::from_bits(fields.u16()?),
            settings: DeviceSettings::from_bits_retain(fields.u8()?),
            detail: detail(&mut fields, kind)?,
        })
    };
    decode().ok_or(overrun)
}

/// Bytes of the entry that `list` begins with; `None` if the byte that tells is not there.
fn entry_bytes(list: &[u8], kind: EntryKind) -> Option<u16> {
    let fixed = kind.bytes();
    if kind != EntryKind::ACPI_HID {
        return Some(fixed);
    }
    let uid_bytes = list.get(usize::from(fixed).checked_sub(1)?)?;
    fixed.checked_add(u16::from(*uid_bytes))
}

/// Decodes what follows the first four bytes.
fn detail<'a>(fields: &mut Reader<'a>, kind: EntryKind) -> Option<EntryDetail<'a>> {
    Some(match kind {
        EntryKind::PADDING
        | EntryKind::ALL
        | EntryKind::SELECT
        | EntryKind::RANGE_START
        | EntryKind::RANGE_END => EntryDetail::None,
        EntryKind::ALIAS_SELECT | EntryKind::ALIAS_RANGE_START => {
            let before = fields.u8()?;
            let source = SourceId::from_bits(fields.u16()?);
            EntryDetail::Alias { source, reserved: [before, fields.u8()?] }
        }
        EntryKind::EXTENDED_SELECT | EntryKind::EXTENDED_RANGE_START => EntryDetail::Extended(fields.u32()?),
        EntryKind::SPECIAL => EntryDetail::Special {
            handle: fields.u8()?,
            source: SourceId::from_bits(fields.u16()?),
            variety: SpecialVariety(fields.u8()?),
        },
        EntryKind::ACPI_HID => {
            let (hid, cid, uid_format) = (fields.bytes()?, fields.bytes()?, fields.u8()?);
            let _uid_bytes = fields.u8()?;
            EntryDetail::Acpi(AcpiDevice { hid, cid, uid_format, uid: fields.rest() })
        }
        _ => EntryDetail::Unknown(fields.rest()),
    })
}

/// The bytes of a block that hold its device entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryList<'a> {
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> EntryList<'a> {
    /// The list that stands after `fixed_bytes` of the block at `block`.
    pub(super) fn after(block: usize, fixed_bytes: usize, bytes: &'a [u8]) -> Self {
        Self { offset: block.saturating_add(fixed_bytes), bytes }
    }

    /// Walks it.
    pub(super) fn iter(&self) -> DeviceEntries<'a> {
        DeviceEntries { rest: self.bytes, offset: self.offset }
    }
}

/// Why a device entry could not be read. The walk over the entries ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The block ends before the entry's own length stands.
    Truncated {
        /// Where in the table.
        offset: usize,
        /// The entry's kind.
        kind: u8,
        /// Bytes left there.
        left: usize,
    },
    /// The entry reaches past its block's end.
    Overrun {
        /// Where in the table.
        offset: usize,
        /// The entry's kind.
        kind: u8,
        /// Its length.
        length: u16,
        /// Bytes left there.
        left: usize,
    },
}

impl EntryError {
    /// Where in the table the entry begins.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Truncated { offset, .. } | Self::Overrun { offset, .. } => *offset,
        }
    }
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset, kind, left } => write!(
                f,
                "device entry at {offset:#x}: kind {kind:#x} has {left} bytes left, expected at least 22; the \
                 rest of the list is lost"
            ),
            Self::Overrun { offset, kind, length, left } => write!(
                f,
                "device entry at {offset:#x}: kind {kind:#x} has length {length}, but only {left} bytes are \
                 left; the rest of the list is lost"
            ),
        }
    }
}

impl core::error::Error for EntryError {}
