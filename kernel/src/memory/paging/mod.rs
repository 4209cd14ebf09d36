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

mod tables;

use core::arch::asm;

use bootloader_api::BootInfo;
use dma_types::{PAGE_SIZE, PhysAddr};
use frames::{MemoryKind, Span};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr3, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};

use super::boot::BootFacts;
use super::image::{self, Image, Use};
use super::layout::{DIRECT_MAP, DIRECT_MAP_BYTES};
use super::map;
use crate::arch::cpu::{self, Features};
use crate::arch::stacks;
use crate::sync::{IrqLock, rank};

pub use tables::{MapError, MemoryType, Tables};

/// Model-specific register of the page attribute table (SDM "IA32_PAT MSR").
const PAT_REGISTER: u32 = 0x277;
/// Its value after reset, but with write-combining in place of write-through in entry 1 (and 5).
const PAT_VALUE: u64 = 0x0007_0106_0007_0106;

/// The kernel's tables, once they are in use.
static KERNEL: IrqLock<Option<Tables>, rank::Paging> = IrqLock::new(None);

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
    tables::translate(PhysAddr::new(Cr3::read().0.start_address().as_u64()), address)
}

/// Makes the kernel's tables; the loader's are in use meanwhile, and say where things are.
pub(super) fn build(boot_info: &BootInfo) -> Result<Tables, MapError> {
    let mut tables = Tables::new()?;
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
    let top = tables.top().as_u64();
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
