//! The kernel's page tables.
//!
//! They are made new, so that nothing of what firmware or loader mapped is left:
//!
//! - the image, code executable and read-only, constants read-only, variables writable; without the guard
//!   pages of its stacks
//! - all memory in the direct map, writable but for the image's file; never executable
//! - the framebuffer, where the loader had placed it
//! - device registers as they are asked for
//!
//! Everything is mapped with the largest pages that fit. (SDM "4-Level Paging and 5-Level Paging".)
#![expect(unsafe_code, reason = "UNSAFETY: writes page tables and control registers")]

use core::arch::asm;
use core::fmt;

use bootloader_api::BootInfo;
use dma_types::{PAGE_SIZE, PhysAddr};
use frames::{MemoryKind, Span};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr3, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::structures::paging::PageTableFlags;

use super::image::{self, Image, Use};
use super::layout::{DIRECT_MAP, DIRECT_MAP_BYTES};
use super::{direct, frames as allocator, map, stacks};
use crate::arch::cpu::{self, Features};
use crate::arch::interrupts::IrqLock;
use crate::platform::boot::BootFacts;

/// Bits of an address that a level of tables decodes.
const LEVEL_BITS: u32 = 9;
/// The level whose table CR3 names.
const TOP_LEVEL: u8 = 4;
/// Bits of an entry that hold a physical address.
const ADDRESS_BITS: u64 = 0x000f_ffff_ffff_f000;
/// Model-specific register of the page attribute table (SDM "IA32_PAT MSR").
const PAT_REGISTER: u32 = 0x277;
/// Its value after reset, but with write-combining in place of write-through in entry 1 (and 5).
const PAT_VALUE: u64 = 0x0007_0106_0007_0106;

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

/// A tree of page tables, by its top table.
#[derive(Debug)]
pub struct Tables {
    top: PhysAddr,
}

/// The kernel's tables, once they are in use.
static KERNEL: IrqLock<Option<Tables>> = IrqLock::new(None);

/// Maps whole pages in the kernel's tables.
pub(super) fn map_kernel(
    at: u64,
    pages: Span,
    purpose: Use,
    memory_type: MemoryType,
) -> Result<(), MapError> {
    match KERNEL.lock().as_mut() {
        Some(tables) => tables.map(at, pages, purpose, memory_type),
        None => Err(MapError::NoFrame),
    }
}

/// The physical address behind a virtual one, by the tables in use.
pub(super) fn translate(address: u64) -> Option<PhysAddr> {
    Tables { top: PhysAddr::new(Cr3::read().0.start_address().as_u64()) }.translate(address)
}

/// Makes the kernel's tables; the loader's are in use meanwhile, and say where things are.
pub(super) fn build(boot_info: &BootInfo) -> Result<Tables, MapError> {
    let mut tables = Tables { top: allocator::allocate_zeroed().ok_or(MapError::NoFrame)? };
    let Some(image) = image::get() else { return Ok(tables) };
    map_image(&mut tables, image)?;
    map_memory(&mut tables, image)?;
    if let Some(framebuffer) = boot_info.framebuffer.as_ref() {
        map_framebuffer(&mut tables, framebuffer.buffer())?;
    }
    Ok(tables)
}

/// Goes over to the kernel's tables and stack, and on with `next`.
pub(super) fn enter(
    tables: Tables,
    facts: &'static mut BootFacts,
    next: extern "C" fn(&'static mut BootFacts) -> !,
) -> ! {
    let top = tables.top.as_u64();
    *KERNEL.lock() = Some(tables);
    protect();
    // SAFETY: the tables map this code and the stack where they are used, and the direct map and heap as the
    // loader's did; nothing on the old stack is used again.
    unsafe {
        asm!(
            "mov cr3, {top}",
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "call {next}",
            "ud2",
            top = in(reg) top,
            stack = in(reg) stacks::KERNEL.top(),
            next = in(reg) next,
            in("rdi") facts,
            options(noreturn),
        )
    }
}

/// Turns on what makes the processor keep to the tables.
fn protect() {
    // SAFETY: the loader's tables, still in use, have the no-execute bit set already.
    unsafe { Efer::update(|flags| flags.insert(EferFlags::NO_EXECUTE_ENABLE)) };
    // SAFETY: nothing relies on writing to read-only pages.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT)) };
    let mut wanted = Cr4Flags::PAGE_GLOBAL;
    for (feature, flag) in [
        (Features::SMEP, Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION),
        (Features::SMAP, Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION),
        (Features::UMIP, Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION),
    ] {
        if cpu::has(feature) {
            wanted.insert(flag);
        }
    }
    // SAFETY: the processor has each of them, and no page is a user's.
    unsafe { Cr4::update(|flags| flags.insert(wanted)) };
    if cpu::has(Features::PAT) {
        // SAFETY: the processor has the register; the one entry that changes is used by no mapping yet.
        unsafe { cpu::write_msr(PAT_REGISTER, PAT_VALUE) };
    }
}

/// Maps the image as its segments say, and notes its frames as the kernel's.
fn map_image(tables: &mut Tables, image: &Image) -> Result<(), MapError> {
    for segment in image.segments() {
        let mut page = segment.start;
        while page < segment.end {
            let Some(start) = translate(page).filter(|_| stacks::guarded_at(page).is_none()) else {
                page += PAGE_SIZE;
                continue;
            };
            let purpose = image.purpose(&segment, page);
            let mut length = PAGE_SIZE;
            // Neighbours in both address spaces with one use go together.
            while page + length < segment.end
                && translate(page + length) == start.checked_add(length)
                && stacks::guarded_at(page + length).is_none()
                && image.purpose(&segment, page + length) == purpose
            {
                length += PAGE_SIZE;
            }
            let frames = Span::with_length(start, length);
            tables.map(page, frames, purpose, MemoryType::WriteBack)?;
            map::set(frames, MemoryKind::Kernel);
            page += length;
        }
    }
    Ok(())
}

/// Maps all memory into the direct map; the image's file can only be read there.
fn map_memory(tables: &mut Tables, image: &Image) -> Result<(), MapError> {
    let limit = PhysAddr::new(DIRECT_MAP_BYTES);
    let mut from = PhysAddr::new(0);
    while let Some(ram) = map::next_ram(from) {
        from = ram.end();
        let (below, rest) = ram.split_at(limit).0.split_at(image.file.start());
        let (file, above) = rest.split_at(image.file.end());
        for (part, purpose) in [(below, Use::Write), (file, Use::Read), (above, Use::Write)] {
            tables.map(DIRECT_MAP + part.start().as_u64(), part, purpose, MemoryType::WriteBack)?;
        }
    }
    Ok(())
}

/// Maps the framebuffer where the loader mapped it.
fn map_framebuffer(tables: &mut Tables, buffer: &[u8]) -> Result<(), MapError> {
    let at = buffer.as_ptr() as u64;
    let Some(start) = translate(at) else { return Ok(()) };
    let pages = Span::with_length(start, buffer.len() as u64).outer_pages();
    tables.map(at, pages, Use::Write, MemoryType::WriteCombining)
}

/// Pages that follow each other in both address spaces.
#[derive(Clone, Copy)]
struct Run {
    virtual_start: u64,
    physical_start: u64,
    length: u64,
}

impl Tables {
    /// Maps whole pages.
    fn map(&mut self, at: u64, pages: Span, purpose: Use, memory_type: MemoryType) -> Result<(), MapError> {
        let rights = match purpose {
            Use::Execute => PageTableFlags::empty(),
            Use::Read => PageTableFlags::NO_EXECUTE,
            Use::Write => PageTableFlags::NO_EXECUTE | PageTableFlags::WRITABLE,
        };
        let leaf = PageTableFlags::PRESENT | PageTableFlags::GLOBAL | rights | memory_type.flags();
        let run = Run { virtual_start: at, physical_start: pages.start().as_u64(), length: pages.length() };
        fill(self.top, TOP_LEVEL, run, leaf)
    }

    /// The physical address that a virtual one is mapped to.
    fn translate(&self, address: u64) -> Option<PhysAddr> {
        let mut table = self.top;
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
}

/// Fills the part of a table, and of the tables below it, that a run covers.
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
            direct::write_word(at, run.physical_start | flags.bits());
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
    let table = allocator::allocate_zeroed().ok_or(MapError::NoFrame)?;
    let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
    direct::write_word(at, table.as_u64() | flags.bits());
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
