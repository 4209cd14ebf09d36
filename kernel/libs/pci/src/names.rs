//! Names of vendors, devices and classes, for people.
//!
//! The table is `data/names.bin`, made from the PCI ID list by `examples/make_names.rs`; its licence stands in
//! `data/LICENSE`. A name should cost little at boot, so the list of vendors and devices is cut into blocks
//! of at most [`BLOCK_LEN`] bytes that are compressed on their own, and one block answers for a device and
//! its vendor. All numbers are little-endian:
//!
//! ```text
//! u32 number of blocks, u32 bytes of the list of classes
//! index: for each block      u64 first key, u32 end, counted from the start of the first block
//! list of classes            entries, not compressed
//! blocks                     raw deflate of: name of the first entry's vendor, entries
//! ```
//!
//! Entries stand by rising key, each as the distance from the key before it (the first one of a block: from
//! the block's first key; the first class: from 0) in LEB128, then the name. A name is its length in a byte
//! and its text in UTF-8.

use crate::class::ClassCode;
use crate::function::Function;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::fmt;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Bytes of an inflated block at most.
pub const BLOCK_LEN: usize = 1024;

/// The key of a vendor's name; those of its devices follow.
pub const fn vendor_key(vendor: u16) -> u64 {
    (vendor as u64) << 17
}

/// The key of a device's name.
pub const fn device_key(vendor: u16, device: u16) -> u64 {
    vendor_key(vendor) | 1 << 16 | device as u64
}

/// The key of a class's name: how many bytes of the class code count, and these bytes.
pub fn class_key(code: &[u8]) -> u64 {
    let bytes = code.iter().take(3);
    bytes.fold(code.len() as u64, |key, byte| key << 8 | u64::from(*byte))
}

/// Looks names up. Keeps the last inflated block, so that neighbours cost little; a lookup that inflates
/// takes about 50,000 instructions.
pub struct Names {
    state: Box<DecompressorOxide>,
    /// Room for an inflated block.
    block: Box<[u8]>,
    /// What the room holds.
    held: Option<Held>,
}

/// Which block was inflated, and how long it is.
#[derive(Clone, Copy, Debug)]
struct Held {
    index: usize,
    len: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Names {
    /// Prepares for lookups; takes about 12 KiB of heap.
    pub fn new() -> Self {
        Self { state: Box::default(), block: vec![0; BLOCK_LEN].into_boxed_slice(), held: None }
    }

    /// The name of a vendor.
    pub fn vendor(&mut self, vendor: u16) -> Option<String> {
        let key = vendor_key(vendor);
        if let Some(name) = self.held.and_then(|held| self.inflated(held)?.find(key)) {
            return Some(name.into());
        }
        self.find(key)
    }

    /// The name of a vendor's device, without the vendor's.
    pub fn device(&mut self, vendor: u16, device: u16) -> Option<String> {
        self.find(device_key(vendor, device))
    }

    /// Words for a function: vendor and device, as far as they are known, and the class where the device
    /// is not.
    pub fn describe(&mut self, function: &Function) -> String {
        let device_name = self.device(function.vendor, function.device);
        let vendor_name =
            self.vendor(function.vendor).unwrap_or_else(|| format!("vendor {:04x}", function.vendor));
        if let Some(device_name) = device_name {
            return format!("{vendor_name} {device_name}");
        }
        let class = class(function.class).unwrap_or_else(|| format!("class {}", function.class));
        format!("{vendor_name} device {:04x} ({class})", function.device)
    }

    fn find(&mut self, key: u64) -> Option<String> {
        let index = block_of(key)?;
        let held = match self.held {
            Some(held) if held.index == index => held,
            _ => self.inflate(index)?,
        };
        self.inflated(held)?.find(key).map(String::from)
    }

    fn inflate(&mut self, index: usize) -> Option<Held> {
        let compressed = compressed_block(index)?;
        self.held = None;
        self.state.init();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, _, len) = decompress(&mut self.state, compressed, &mut self.block, 0, flags);
        self.held = (status == TINFLStatus::Done).then_some(Held { index, len });
        self.held
    }

    fn inflated(&self, held: Held) -> Option<Block<'_>> {
        let first_key = index_entry(held.index)?.0;
        let (vendor_name, entries) = name(self.block.get(..held.len)?)?;
        Some(Block { first_key, vendor_name, entries })
    }
}

/// The name of a class: that of the sub-class, else of the base class, and the programming interface in
/// brackets where it has a name.
pub fn class(class: ClassCode) -> Option<String> {
    let code = [class.base, class.sub, class.interface];
    let list = class_list()?;
    let Some(name) = entry(0, list, class_key(&code[..2])) else {
        return entry(0, list, class_key(&code[..1])).map(String::from);
    };
    match entry(0, list, class_key(&code)) {
        Some(interface) => Some(format!("{name} [{interface}]")),
        None => Some(name.into()),
    }
}

/// A block, inflated.
struct Block<'a> {
    first_key: u64,
    vendor_name: &'a str,
    entries: &'a [u8],
}

impl<'a> Block<'a> {
    fn find(&self, key: u64) -> Option<&'a str> {
        if key == self.first_key & !0x1_ffff {
            return Some(self.vendor_name);
        }
        entry(self.first_key, self.entries, key)
    }
}

/// The table.
static TABLE: &[u8] = include_bytes!("../data/names.bin");
/// Bytes before the index.
const HEADER_LEN: usize = 8;
/// Bytes of an index entry.
const ENTRY_LEN: usize = 12;

fn u32_at(offset: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*TABLE.get(offset..)?.first_chunk()?)).ok()
}

fn u64_at(offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*TABLE.get(offset..)?.first_chunk()?))
}

fn block_count() -> Option<usize> {
    u32_at(0)
}

/// Where the list of classes starts.
fn classes_start() -> Option<usize> {
    block_count()?.checked_mul(ENTRY_LEN)?.checked_add(HEADER_LEN)
}

fn class_list() -> Option<&'static [u8]> {
    TABLE.get(classes_start()?..)?.get(..u32_at(4)?)
}

/// The first key of a block and where it ends.
fn index_entry(index: usize) -> Option<(u64, usize)> {
    let offset = index.checked_mul(ENTRY_LEN)?.checked_add(HEADER_LEN)?;
    Some((u64_at(offset)?, u32_at(offset.checked_add(8)?)?))
}

/// The block that holds a key, if any does: the last one that does not start behind it.
fn block_of(key: u64) -> Option<usize> {
    let (mut low, mut high) = (0, block_count()?);
    while low < high {
        let middle = low.midpoint(high);
        if index_entry(middle)?.0 <= key { low = middle + 1 } else { high = middle }
    }
    low.checked_sub(1)
}

fn compressed_block(index: usize) -> Option<&'static [u8]> {
    let start = match index.checked_sub(1) {
        Some(before) => index_entry(before)?.1,
        None => 0,
    };
    let blocks = TABLE.get(classes_start()?.checked_add(u32_at(4)?)?..)?;
    blocks.get(start..index_entry(index)?.1)
}

/// Searches a run of entries.
fn entry(first_key: u64, mut entries: &[u8], wanted: u64) -> Option<&str> {
    let mut key = first_key;
    while key <= wanted && !entries.is_empty() {
        let (distance, rest) = leb128(entries)?;
        let (text, rest) = name_bytes(rest)?;
        key = key.checked_add(distance)?;
        if key == wanted {
            return core::str::from_utf8(text).ok();
        }
        entries = rest;
    }
    None
}

/// Splits a name off.
fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = name_bytes(bytes)?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

fn name_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn leb128(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn names_are_found_in_any_order() {
        let mut names = Names::new();
        for _ in 0..2 {
            assert_eq!(names.device(0x8086, 0x10d3).unwrap(), "82574L Gigabit Network Connection");
            assert_eq!(names.vendor(0x8086).unwrap(), "Intel Corporation");
            assert_eq!(names.vendor(0x0001).unwrap(), "SafeNet (wrong ID)");
            assert_eq!(names.vendor(0xffff).unwrap(), "Illegal Vendor ID");
            assert_eq!(names.device(0x0010, 0x8139).unwrap(), "AT-2500TX V3 Ethernet");
            assert_eq!(names.device(0x1b36, 0x000c).unwrap(), "QEMU PCIe Root port");
            assert_eq!(
                names.device(0x8086, 0x2922).unwrap(),
                "82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]"
            );
        }
    }

    #[test]
    fn unknown_ids_have_no_name() {
        let mut names = Names::new();
        for (vendor, device) in [(0, 0), (0xffff, 0xffff), (0x8086, 0xffff), (0x8087, 0), (0x1234, 0)] {
            assert_eq!(names.device(vendor, device), None, "{vendor:04x}:{device:04x}");
        }
        assert_eq!((names.vendor(0), names.vendor(0xfff0)), (None, None));
        assert_eq!(class(ClassCode { base: 0x7f, sub: 0, interface: 0 }), None);
    }

    #[test]
    fn classes_are_named_as_far_as_they_are_known() {
        let class = |base, sub, interface| class(ClassCode { base, sub, interface }).unwrap();
        assert_eq!(class(0x01, 0x08, 0x02), "Non-Volatile memory controller [NVM Express]");
        assert_eq!(class(0x02, 0x00, 0x00), "Ethernet controller");
        assert_eq!(class(0x02, 0x7f, 0x00), "Network controller");
        assert_eq!(class(0xff, 0x00, 0x00), "Unassigned class");
    }

    #[test]
    fn functions_are_described_by_what_is_known() {
        let topology = FakeSpace::new()
            .endpoint("00:01.0", 0x8086, 0x10d3)
            .endpoint("00:02.0", 0x8086, 0xffff)
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .endpoint("00:04.0", 0xfff0, 0x0001)
            .with("00:04.0", |f| f.set32(8, 0x7f01_0200))
            .enumerate();
        let mut names = Names::new();
        let mut describe = |at| names.describe(topology.get(bdf(at)).unwrap());
        assert_eq!(describe("00:01.0"), "Intel Corporation 82574L Gigabit Network Connection");
        assert_eq!(describe("00:02.0"), "Intel Corporation device ffff (Unassigned class)");
        assert_eq!(describe("00:03.0"), "QEMU edu, educational device");
        assert_eq!(describe("00:04.0"), "vendor fff0 device 0001 (class 7f0102)");
    }

    #[test]
    fn every_block_of_the_table_decodes_in_order() {
        let mut names = Names::new();
        let (mut count, mut last) = (0, 0);
        for index in 0..block_count().unwrap() {
            let held = names.inflate(index).unwrap();
            let block = names.inflated(held).unwrap();
            assert!(block.first_key > last && !block.vendor_name.is_empty(), "block {index}");
            let (mut rest, mut key) = (block.entries, block.first_key);
            while !rest.is_empty() {
                let (distance, after) = leb128(rest).unwrap();
                assert_eq!(distance == 0, rest.len() == block.entries.len(), "block {index}");
                key += distance;
                let (text, after) = name(after).unwrap();
                assert_eq!(entry(block.first_key, block.entries, key), Some(text));
                rest = after;
                count += 1;
            }
            last = key;
        }
        assert!(count > 19_000);
        assert!(TABLE.len() < 600 << 10);
    }
}
