//! Trees of page tables: filling them with the largest pages that fit, and following them.
//!
//! A tree is made of frames that it owns and never gives back: every entry above the leaves is 0 or names one of them.
#![expect(unsafe_code, reason = "UNSAFETY: writes entries of page tables")]

use core::fmt;

use dma_types::{PAGE_SIZE, PhysAddr};
use frames::Span;
use x86_64::structures::paging::PageTableFlags;

use crate::arch::cpu::{self, Features};
use crate::memory::direct;
use crate::memory::frames::Frame;
use crate::memory::image::Use;

/// Bits of an address that a level of tables decodes.
const LEVEL_BITS: u32 = 9;
/// The level whose table CR3 names.
const TOP_LEVEL: u8 = 4;
/// Bits of an entry that hold a physical address.
const ADDRESS_BITS: u64 = 0x000f_ffff_ffff_f000;

/// A tree of page tables, by its top table.
#[derive(Debug)]
pub struct Tables {
    top: PhysAddr,
}

impl Tables {
    /// An empty tree.
    pub(super) fn new() -> Result<Self, MapError> {
        Ok(Self { top: Frame::zeroed().ok_or(MapError::NoFrame)?.into_raw() })
    }

    /// Its top table.
    pub(super) const fn top(&self) -> PhysAddr {
        self.top
    }

    /// Maps whole pages.
    pub(super) fn map(
        &mut self,
        at: u64,
        pages: Span,
        purpose: Use,
        memory_type: MemoryType,
    ) -> Result<(), MapError> {
        let rights = match purpose {
            Use::Execute => PageTableFlags::empty(),
            Use::Read => PageTableFlags::NO_EXECUTE,
            Use::Write => PageTableFlags::NO_EXECUTE | PageTableFlags::WRITABLE,
        };
        let leaf = PageTableFlags::PRESENT | PageTableFlags::GLOBAL | rights | memory_type.flags();
        let run = Run { virtual_start: at, physical_start: pages.start().as_u64(), length: pages.length() };
        fill(self.top, TOP_LEVEL, run, leaf)
    }
}

/// The physical address that a virtual one is mapped to by the tree under a top table, whoever made it.
pub(super) fn translate(top: PhysAddr, address: u64) -> Option<PhysAddr> {
    let mut table = top;
    for level in (1..=TOP_LEVEL).rev() {
        let entry = direct::read_word(entry_address(table, level, address));
        let flags = PageTableFlags::from_bits_truncate(entry);
        if !flags.contains(PageTableFlags::PRESENT) {
            return None;
        }
        if level == 1 || flags.contains(PageTableFlags::HUGE_PAGE) {
            let offset = address % entry_bytes(level);
            return Some(PhysAddr::new(entry & ADDRESS_BITS & !(entry_bytes(level) - 1) | offset));
        }
        table = PhysAddr::new(entry & ADDRESS_BITS);
    }
    None
}

/// How the processor treats accesses to a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Memory.
    WriteBack,
    /// A framebuffer: writes are gathered.
    WriteCombining,
    /// Device registers: every access reaches the device, in order.
    Uncached,
}

impl MemoryType {
    /// The bits that choose an entry of the page attribute table.
    fn flags(self) -> PageTableFlags {
        match self {
            Self::WriteBack => PageTableFlags::empty(),
            Self::WriteCombining if cpu::has(Features::PAT) => PageTableFlags::WRITE_THROUGH,
            Self::WriteCombining | Self::Uncached => PageTableFlags::WRITE_THROUGH | PageTableFlags::NO_CACHE,
        }
    }
}

/// Why a range could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame is left for a table.
    NoFrame,
    /// Something is mapped there already.
    Occupied {
        /// The address.
        address: u64,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrame => f.write_str("no frame left for a page table"),
            Self::Occupied { address } => write!(f, "something is mapped at {address:#x} already"),
        }
    }
}

impl core::error::Error for MapError {}

/// Pages that follow each other in both address spaces.
#[derive(Clone, Copy)]
struct Run {
    virtual_start: u64,
    physical_start: u64,
    length: u64,
}

/// Fills the part of a table of the tree, and of the tables below it, that a run covers.
fn fill(table: PhysAddr, level: u8, run: Run, leaf: PageTableFlags) -> Result<(), MapError> {
    let size = entry_bytes(level);
    let mut run = run;
    while run.length > 0 {
        let part = run.length.min(size - run.virtual_start % size);
        let at = entry_address(table, level, run.virtual_start);
        let entry = direct::read_word(at);
        let fits = part == size && run.physical_start.is_multiple_of(size);
        if level == 1 || (level <= largest_leaf() && fits && entry == 0) {
            if entry != 0 {
                return Err(MapError::Occupied { address: run.virtual_start });
            }
            let flags = if level == 1 { leaf } else { leaf | PageTableFlags::HUGE_PAGE };
            // SAFETY: an entry of a table of the tree, which nobody else changes meanwhile.
            unsafe { direct::write_word(at, run.physical_start | flags.bits()) };
        } else {
            if entry & PageTableFlags::HUGE_PAGE.bits() != 0 {
                return Err(MapError::Occupied { address: run.virtual_start });
            }
            let below = table_below(at, entry)?;
            fill(below, level - 1, Run { length: part, ..run }, leaf)?;
        }
        run.virtual_start += part;
        run.physical_start += part;
        run.length -= part;
    }
    Ok(())
}

/// The table that an entry names; a new one if it names none.
fn table_below(at: PhysAddr, entry: u64) -> Result<PhysAddr, MapError> {
    if entry != 0 {
        return Ok(PhysAddr::new(entry & ADDRESS_BITS));
    }
    let table = Frame::zeroed().ok_or(MapError::NoFrame)?.into_raw();
    let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
    // SAFETY: an entry of a table of the tree, which nobody else changes meanwhile.
    unsafe { direct::write_word(at, table.as_u64() | flags.bits()) };
    Ok(table)
}

/// The highest level whose entries can be pages.
fn largest_leaf() -> u8 {
    if cpu::has(Features::PAGES_1G) { 3 } else { 2 }
}

/// Bytes that an entry of a level covers.
const fn entry_bytes(level: u8) -> u64 {
    PAGE_SIZE << (LEVEL_BITS * (level as u32 - 1))
}

/// Where the entry for a virtual address lies in a table of a level.
const fn entry_address(table: PhysAddr, level: u8, address: u64) -> PhysAddr {
    let index = address / entry_bytes(level) % (1 << LEVEL_BITS);
    PhysAddr::new(table.as_u64() + index * 8)
}
