//! Entry of exceptions and interrupts.
//!
//! Every vector has a stub. It pushes a zero where the processor has pushed no error code, then its number, and
//! goes on to a common part that saves the general registers, calls a function with a pointer to the
//! [`TrapFrame`] that lies on the stack then, and takes all of it back:
//!
//! ```text
//!   stub   rsp -> vector, error code, rip, cs, rflags, rsp, ss
//!   save   rsp -> r15 .. rax, vector, error code, rip, cs, rflags, rsp, ss      = TrapFrame
//! ```
//!
//! The processor has aligned the stack to 16 bytes before it pushed, and the frame is a multiple of 16 long,
//! so the call is aligned as the C ABI wants it. Loading RFLAGS with 2 clears the direction flag, and AC, so
//! that SMAP holds in handlers whatever the interrupted code did; interrupts stay off until `iretq`.
//!
//! The kernel is compiled without vector and floating-point instructions (target `x86_64-unknown-none`), and
//! CR0.TS makes any that slips in fault, so there is no extended state to save. FS and GS bases are not touched
//! either.
#![expect(unsafe_code, reason = "UNSAFETY: the entry stubs are assembly")]

use core::arch::global_asm;
use core::mem::offset_of;

use exceptions::{ERROR_CODE_VECTORS, GENERAL_REGISTER_BYTES, TrapFrame};

/// The fault event of every remapping unit: its stub calls `ivt_handle_interrupt` and nothing else.
pub const FAULT_VECTOR: u8 = 0xf8;

/// Bytes from one stub to the next.
const STUB_BYTES: u64 = 16;

unsafe extern "C" {
    /// The stub of vector 0; the others follow at [`STUB_BYTES`].
    safe fn trap_stubs();
    /// The stub of [`FAULT_VECTOR`] alone.
    safe fn fault_stub();
    /// Sends a trap to its handler, which stands in `irq`; the stubs call it with the frame on their stack.
    fn ivt_handle_trap(frame: &mut TrapFrame);
    /// Answers the fault event, in `faults`.
    fn ivt_handle_interrupt(frame: *mut TrapFrame);
}

/// The address of the stub that a vector's gate points to.
pub fn stub_address(vector: u8) -> u64 {
    if vector == FAULT_VECTOR {
        fault_stub as *const () as u64
    } else {
        trap_stubs as *const () as u64 + u64::from(vector) * STUB_BYTES
    }
}

// Two assembler macros, so that both users of them save and restore the same frame; in one piece, since the compiler keeps
// no order between pieces.
global_asm!(
    ".macro save_registers",
    "sub rsp, {general}",
    "mov [rsp + {rax}], rax",
    "mov [rsp + {rbx}], rbx",
    "mov [rsp + {rcx}], rcx",
    "mov [rsp + {rdx}], rdx",
    "mov [rsp + {rsi}], rsi",
    "mov [rsp + {rdi}], rdi",
    "mov [rsp + {rbp}], rbp",
    "mov [rsp + {r8}], r8",
    "mov [rsp + {r9}], r9",
    "mov [rsp + {r10}], r10",
    "mov [rsp + {r11}], r11",
    "mov [rsp + {r12}], r12",
    "mov [rsp + {r13}], r13",
    "mov [rsp + {r14}], r14",
    "mov [rsp + {r15}], r15",
    "push 2",
    "popfq",
    "mov rdi, rsp",
    ".endm",
    ".macro restore_registers_and_return",
    "mov rax, [rsp + {rax}]",
    "mov rbx, [rsp + {rbx}]",
    "mov rcx, [rsp + {rcx}]",
    "mov rdx, [rsp + {rdx}]",
    "mov rsi, [rsp + {rsi}]",
    "mov rdi, [rsp + {rdi}]",
    "mov rbp, [rsp + {rbp}]",
    "mov r8, [rsp + {r8}]",
    "mov r9, [rsp + {r9}]",
    "mov r10, [rsp + {r10}]",
    "mov r11, [rsp + {r11}]",
    "mov r12, [rsp + {r12}]",
    "mov r13, [rsp + {r13}]",
    "mov r14, [rsp + {r14}]",
    "mov r15, [rsp + {r15}]",
    // Vector and error code go with the registers.
    "add rsp, {general} + 16",
    "iretq",
    ".endm",
    ".set trap_vector, 0",
    ".balign {stub_bytes}",
    ".global trap_stubs",
    "trap_stubs:",
    ".rept 256",
    "  .balign {stub_bytes}",
    "  .if trap_vector >= 32 || (({error_codes} >> trap_vector) & 1) == 0",
    "    push 0",
    "  .else",
    // The processor has aligned the stack before it pushed five words, or six with an error code.
    "    test spl, 8",
    "    jz 2f",
    "    push 0",
    "2:",
    "  .endif",
    "  push trap_vector",
    "  jmp trap_common",
    "  .set trap_vector, trap_vector + 1",
    ".endr",
    "trap_common:",
    "save_registers",
    "call {dispatch}",
    "restore_registers_and_return",
    ".global fault_stub",
    "fault_stub:",
    "push 0",
    "push {vector}",
    "save_registers",
    "call {handler}",
    "restore_registers_and_return",
    general = const GENERAL_REGISTER_BYTES,
    rax = const offset_of!(TrapFrame, rax),
    rbx = const offset_of!(TrapFrame, rbx),
    rcx = const offset_of!(TrapFrame, rcx),
    rdx = const offset_of!(TrapFrame, rdx),
    rsi = const offset_of!(TrapFrame, rsi),
    rdi = const offset_of!(TrapFrame, rdi),
    rbp = const offset_of!(TrapFrame, rbp),
    r8 = const offset_of!(TrapFrame, r8),
    r9 = const offset_of!(TrapFrame, r9),
    r10 = const offset_of!(TrapFrame, r10),
    r11 = const offset_of!(TrapFrame, r11),
    r12 = const offset_of!(TrapFrame, r12),
    r13 = const offset_of!(TrapFrame, r13),
    r14 = const offset_of!(TrapFrame, r14),
    r15 = const offset_of!(TrapFrame, r15),
    stub_bytes = const STUB_BYTES,
    error_codes = const ERROR_CODE_VECTORS,
    dispatch = sym ivt_handle_trap,
    vector = const FAULT_VECTOR,
    handler = sym ivt_handle_interrupt,
);
