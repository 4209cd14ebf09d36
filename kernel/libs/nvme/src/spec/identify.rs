//! What a controller says of itself and its namespaces (Base "Identify", NVM "Identify Namespace").

use core::fmt;

use super::bytes::{array, u8_at, u16_at, u32_at, u64_at};
use super::command::NamespaceId;
use super::text::AsciiText;

/// Bytes of each structure.
pub const IDENTIFY_BYTES: usize = 4096;

/// What the controller is (Base "Identify Controller Data Structure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerInfo {
    /// SN: serial number.
    pub serial: AsciiText<20>,
    /// MN: model.
    pub model: AsciiText<40>,
    /// FR: firmware revision.
    pub firmware: AsciiText<8>,
    /// MDTS: the most bytes of one transfer; `None` if it states no limit.
    pub max_transfer: Option<u64>,
    /// NN: the highest number of a namespace.
    pub namespaces: u32,
    /// ONCS: whether it knows the command Compare.
    pub has_compare: bool,
    /// VWC: whether it has a cache that a flush empties.
    pub has_write_cache: bool,
    /// SQES and CQES: whether it takes queue entries of 64 and 16 bytes.
    pub takes_usual_entries: bool,
}

impl ControllerInfo {
    /// Reads the structure of a controller whose smallest page has so many bytes.
    pub fn parse(data: &[u8], min_page_bytes: u64) -> Self {
        Self {
            serial: AsciiText::new(array(data, 4)),
            model: AsciiText::new(array(data, 24)),
            firmware: AsciiText::new(array(data, 64)),
            max_transfer: match u8_at(data, 77) {
                0 => None,
                // Beyond 2^32 pages there is no difference to no limit.
                shift => min_page_bytes.checked_mul(1 << shift.min(32)),
            },
            namespaces: u32_at(data, 516),
            has_compare: u16_at(data, 520) & 1 != 0,
            has_write_cache: u8_at(data, 525) & 1 != 0,
            takes_usual_entries: sizes_include(u8_at(data, 512), 6) && sizes_include(u8_at(data, 513), 4),
        }
    }
}

/// Tells whether a pair of nibbles, smallest below and largest above, includes a size.
const fn sizes_include(nibbles: u8, exponent: u8) -> bool {
    nibbles & 0xf <= exponent && exponent <= nibbles >> 4
}

/// A namespace that can be used: plain blocks, of a size that is a power of two (NVM "Identify Namespace Data
/// Structure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// NSZE: how many blocks it has, at least one.
    pub blocks: u64,
    /// LBADS: bytes of one block, 512 to 64 KiB.
    pub block_bytes: u32,
}

/// Why a namespace cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceError {
    /// It has no blocks: there is none of that number.
    Absent,
    /// A block is not 512 bytes to 64 KiB.
    BlockSize {
        /// The power of two that it says.
        exponent: u8,
    },
    /// Its bytes cannot be counted in 64 bits.
    Size {
        /// Its blocks.
        blocks: u64,
    },
    /// Each block has further bytes behind it, which would have to be transferred too.
    Metadata {
        /// How many.
        bytes: u16,
    },
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it has no blocks"),
            Self::BlockSize { exponent } => {
                write!(f, "its blocks have 2^{exponent} bytes, expected 512 to 65536")
            }
            Self::Size { blocks } => write!(f, "{blocks} blocks are more than can be addressed"),
            Self::Metadata { bytes } => write!(f, "its blocks carry {bytes} bytes of metadata"),
        }
    }
}

impl core::error::Error for NamespaceError {}

impl NamespaceInfo {
    /// Reads the structure.
    ///
    /// # Errors
    /// If there is no such namespace, or its blocks are not plain ones.
    pub fn parse(data: &[u8]) -> Result<Self, NamespaceError> {
        let blocks = u64_at(data, 0);
        if blocks == 0 {
            return Err(NamespaceError::Absent);
        }
        // FLBAS: bits 3:0 and, above them, 6:5 number the format.
        let formatted = u8_at(data, 26);
        let format = formatted & 0xf | (formatted >> 5 & 0x3) << 4;
        let format = u32_at(data, 128 + 4 * usize::from(format));
        let (metadata, exponent) = (format as u16, (format >> 16) as u8);
        if metadata != 0 {
            return Err(NamespaceError::Metadata { bytes: metadata });
        }
        if !(9..=16).contains(&exponent) {
            return Err(NamespaceError::BlockSize { exponent });
        }
        let block_bytes = 1_u32 << exponent;
        if blocks.checked_mul(u64::from(block_bytes)).is_none() {
            return Err(NamespaceError::Size { blocks });
        }
        Ok(Self { blocks, block_bytes })
    }
}

/// The numbers of active namespaces in a list of up to 1024 (Base "Active Namespace ID list"), as far as they rise
/// as they must.
pub fn active_namespaces(list: &[u8], above: NamespaceId) -> impl Iterator<Item = NamespaceId> {
    let mut last = above;
    (0..IDENTIFY_BYTES / 4).map(|place| NamespaceId(u32_at(list, 4 * place))).take_while(move |id| {
        let rises = *id > last && *id < NamespaceId::ALL;
        last = *id;
        rises
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn namespace(blocks: u64, format: u8, descriptor: u32) -> [u8; IDENTIFY_BYTES] {
        let mut data = [0; IDENTIFY_BYTES];
        data[..8].copy_from_slice(&blocks.to_le_bytes());
        data[26] = format;
        let place = 128 + 4 * usize::from(format & 0xf | (format >> 5 & 3) << 4);
        data[place..place + 4].copy_from_slice(&descriptor.to_le_bytes());
        data
    }

    #[test]
    fn a_controller_is_read() {
        let mut data = [0; IDENTIFY_BYTES];
        data[4..24].copy_from_slice(b"x1                  ");
        data[24..64].copy_from_slice(b"QEMU NVMe Ctrl                          ");
        data[64..72].copy_from_slice(b"10.0.2  ");
        data[77] = 7;
        (data[512], data[513]) = (0x66, 0x44);
        data[516] = 3;
        (data[520], data[525]) = (0x5d, 7);
        let info = ControllerInfo::parse(&data, 4096);
        assert_eq!(
            (info.serial.as_str(), info.model.as_str(), info.firmware.as_str()),
            ("x1", "QEMU NVMe Ctrl", "10.0.2")
        );
        assert_eq!((info.max_transfer, info.namespaces), (Some(512 << 10), 3));
        assert!(info.has_compare && info.has_write_cache && info.takes_usual_entries);
        assert_eq!(ControllerInfo::parse(&[], 4096).max_transfer, None);
    }

    #[test]
    fn a_transfer_limit_without_sense_is_no_limit() {
        let mut data = [0; IDENTIFY_BYTES];
        data[77] = 255;
        assert_eq!(ControllerInfo::parse(&data, 4096).max_transfer, Some(4096 << 32));
        assert_eq!(ControllerInfo::parse(&data, 1 << 63).max_transfer, None);
    }

    #[test]
    fn namespaces_with_plain_blocks_are_read() {
        let small = NamespaceInfo { blocks: 8, block_bytes: 512 };
        assert_eq!(NamespaceInfo::parse(&namespace(8, 0, 9 << 16)), Ok(small));
        let large = NamespaceInfo { blocks: 1 << 40, block_bytes: 4096 };
        assert_eq!(NamespaceInfo::parse(&namespace(1 << 40, 0x24, 12 << 16)), Ok(large));
    }

    #[test]
    fn other_namespaces_are_refused() {
        let parsed = |blocks, descriptor| NamespaceInfo::parse(&namespace(blocks, 0, descriptor));
        assert_eq!(parsed(0, 9 << 16), Err(NamespaceError::Absent));
        assert_eq!(parsed(1, 8 << 16), Err(NamespaceError::BlockSize { exponent: 8 }));
        assert_eq!(parsed(1, 0xff << 16), Err(NamespaceError::BlockSize { exponent: 255 }));
        assert_eq!(parsed(1, 9 << 16 | 8), Err(NamespaceError::Metadata { bytes: 8 }));
        assert_eq!(parsed(u64::MAX, 9 << 16), Err(NamespaceError::Size { blocks: u64::MAX }));
        assert_eq!(NamespaceInfo::parse(&[]), Err(NamespaceError::Absent));
    }

    #[test]
    fn a_list_ends_where_it_stops_rising() {
        let list = |ids: &[u32]| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<_>>();
        let read =
            |ids: &[u32]| active_namespaces(&list(ids), NamespaceId(0)).map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(read(&[1, 2, 7, 0, 9]), [1, 2, 7]);
        assert_eq!(read(&[1, 1, 2]), [1]);
        assert_eq!(read(&[3, 2]), [3]);
        assert_eq!(read(&[5, u32::MAX]), [5]);
        assert_eq!(active_namespaces(&list(&[2, 3]), NamespaceId(2)).count(), 0);
    }

    proptest! {
        #[test]
        fn no_data_panics(data in prop::collection::vec(any::<u8>(), 0..IDENTIFY_BYTES), page: u64) {
            ControllerInfo::parse(&data, page);
            if let Ok(info) = NamespaceInfo::parse(&data) {
                prop_assert!(info.blocks.checked_mul(u64::from(info.block_bytes)).is_some());
            }
            let ids: Vec<_> = active_namespaces(&data, NamespaceId(0)).collect();
            prop_assert!(ids.is_sorted() && ids.len() <= 1024);
        }
    }
}
