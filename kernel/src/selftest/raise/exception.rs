//! Exceptions raised on purpose, each by what raises it in earnest.
//!
//! For the self-tests: whoever calls one of these asks for the end of the kernel. One that returns has
//! raised nothing.
#![expect(unsafe_code, reason = "UNSAFETY: each function breaks one rule of the processor's on purpose")]

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;
use core::arch::{asm, global_asm};
use core::hint::black_box;

use crate::arch::{cpu, gdt};

/// Where nothing is mapped: the lower half of the address space is empty.
const UNMAPPED: u64 = 0x1234_5678;
/// An address whose upper bits are no extension of the others.
const NOT_CANONICAL: u64 = 1 << 63;
/// A selector far behind the end of the segment table.
const BEYOND_TABLE: u16 = 0xff8;
/// An instruction that returns, where only constants are.
static CONSTANT: [u8; 1] = [0xc3];

/// #DE: divides by zero.
pub fn divide_error() {
    // SAFETY: raises the exception, and changes nothing but the registers named.
    unsafe { asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _) };
}

/// #DB: goes on in single steps.
pub fn debug_exception() {
    // SAFETY: raises the exception after the instruction behind the change of flags.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") };
}

/// #BP: meets a breakpoint instruction.
pub fn breakpoint() {
    // SAFETY: raises the exception, and changes nothing.
    unsafe { asm!("int3") };
}

/// #UD: meets an instruction that is none.
pub fn invalid_opcode() {
    // SAFETY: raises the exception, and changes nothing.
    unsafe { asm!("ud2") };
}

/// #NM: uses the floating-point unit, which is switched off.
pub fn device_not_available() {
    // SAFETY: raises the exception; were it let through, it would only reset a unit that nobody uses.
    unsafe { asm!("fninit") };
}

/// #DF: raises an exception while the stack pointer leads nowhere.
pub fn double_fault() {
    // SAFETY: raises the exception; its handler has a stack of its own and never returns here.
    unsafe { asm!("mov rsp, {}", "ud2", in(reg) UNMAPPED, options(noreturn)) };
}

/// #NP: loads a segment that is marked absent.
pub fn segment_not_present() {
    let Some(selector) = gdt::absent_segment() else { return };
    // SAFETY: raises the exception; DS means nothing in 64-bit mode.
    unsafe { asm!("mov ds, {0:x}", in(reg) selector.0) };
}

/// #SS: loads an absent segment for the stack.
pub fn stack_segment_fault() {
    let Some(selector) = gdt::absent_segment() else { return };
    // SAFETY: raises the exception; SS stays as it is.
    unsafe { asm!("mov ss, {0:x}", in(reg) selector.0) };
}

/// #GP: reads from an address that is not canonical.
pub fn general_protection() {
    // SAFETY: raises the exception; nothing can be mapped there.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) NOT_CANONICAL => _) };
}

/// #GP with an error code: loads a segment from behind the table's end.
pub fn general_protection_by_selector() {
    // SAFETY: raises the exception; DS means nothing in 64-bit mode.
    unsafe { asm!("mov ds, {0:x}", in(reg) BEYOND_TABLE) };
}

/// #PF: reads where nothing is mapped.
pub fn page_fault_by_read() {
    // SAFETY: raises the exception; nothing is mapped there.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) UNMAPPED => _) };
}

/// #PF: writes where nothing is mapped.
pub fn page_fault_by_write() {
    // SAFETY: raises the exception; nothing is mapped there.
    unsafe { asm!("mov [{0}], {0}", in(reg) UNMAPPED) };
}

/// #PF: writes to the kernel's code.
pub fn page_fault_by_write_to_code() {
    let code = page_fault_by_write_to_code as *const () as u64;
    // SAFETY: raises the exception; were it let through, the byte would stay as it is.
    unsafe { asm!("lock or byte ptr [{}], 0", in(reg) code) };
}

/// #PF: runs a constant.
pub fn page_fault_by_fetch() {
    // SAFETY: raises the exception; were it let through, what stands there would return at once.
    unsafe { asm!("call {}", in(reg) CONSTANT.as_ptr()) };
}

/// #MF: divides by zero in the x87 unit with that exception unmasked.
pub fn x87_error() {
    cpu::permit_floating_point();
    // SAFETY: the unit was just switched on, and nobody has state in it.
    unsafe { raise_x87_error() };
    cpu::forbid_floating_point();
}

/// #XM: divides by zero in a vector register with that exception unmasked.
pub fn simd_error() {
    cpu::permit_floating_point();
    // SAFETY: the unit was just switched on, and nobody has state in it.
    unsafe { raise_simd_error() };
    cpu::forbid_floating_point();
}

/// Sizes of the blocks that [`write_after_free`] spoils, from 32 bytes to 64 KiB.
const SPOILED_SIZES: usize = 12;
/// Blocks of each size; every second one is freed, so that they stay apart.
const BLOCKS: usize = 8;

/// Writes to memory that was given back to the heap, which keeps its own books there: from now on the next
/// allocation may go anywhere.
pub fn write_after_free() {
    let layout = |exponent: usize| Layout::from_size_align(32 << exponent, 8).unwrap_or(Layout::new::<u64>());
    let mut blocks = [[core::ptr::null_mut::<u8>(); BLOCKS]; SPOILED_SIZES];
    for (exponent, blocks) in blocks.iter_mut().enumerate() {
        // SAFETY: the layouts are not empty.
        blocks.fill_with(|| black_box(unsafe { alloc(layout(exponent)) }));
    }
    let freed = || {
        blocks.iter().enumerate().flat_map(|(exponent, blocks)| {
            let layout = layout(exponent);
            blocks.iter().step_by(2).filter(|block| !block.is_null()).map(move |block| (*block, layout))
        })
    };
    for (block, layout) in freed() {
        // SAFETY: the block was allocated above with this layout, and is freed once.
        unsafe { dealloc(block, layout) };
    }
    for (block, layout) in freed() {
        let (bytes, filler) = (layout.size(), 0xa5_u8);
        // SAFETY: breaks the heap's books on purpose; no block that is in use lies there.
        unsafe { asm!("rep stosb", inout("rcx") bytes => _, inout("rdi") block => _, in("al") filler) };
    }
}

unsafe extern "C" {
    fn raise_x87_error();
    fn raise_simd_error();
}

// The compiler may not use these units, so it need not be told what is changed in them.
global_asm!(
    "raise_x87_error:",
    "fninit",
    // All exceptions masked but division by zero (SDM "x87 FPU Control Word").
    "push 0x37b",
    "fldcw [rsp]",
    "add rsp, 8",
    "fld1",
    "fldz",
    "fdivp",
    // The error is raised by the next instruction that waits for the unit.
    "fwait",
    "fninit",
    "ret",
    "raise_simd_error:",
    // All exceptions masked but division by zero (SDM "MXCSR Control and Status Register").
    "push 0x1d80",
    "ldmxcsr [rsp]",
    "add rsp, 8",
    "mov eax, 0x3f800000",
    "movd xmm0, eax",
    "xorps xmm1, xmm1",
    "divss xmm0, xmm1",
    "ret",
);
