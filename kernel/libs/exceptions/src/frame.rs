//! The register frame that the entry stubs build on the stack.
//!
//! ```text
//!   higher addresses
//!   | ss | rsp | rflags | cs | rip |   pushed by the processor
//!   | error code                   |   by the processor, or a zero by the stub
//!   | vector                       |   by the stub
//!   | 15 general registers         |   by the common entry; rsp points at their start
//!   lower addresses
//! ```

use core::mem::{offset_of, size_of};

/// The interrupted state, as the entry stubs save it and restore it.
///
/// A handler may read all of it. What it changes is what the interrupted code goes on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "each field is the register of its name")]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// The interrupt vector, 0 to 255.
    pub vector: u64,
    /// The error code, 0 for vectors that have none.
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// Bytes of the general registers at the frame's start.
pub const GENERAL_REGISTER_BYTES: usize = offset_of!(TrapFrame, vector);

// What the processor pushes has a fixed order (SDM "64-Bit Mode Stack Frame"); the stubs push the two words below.
const _: () = {
    assert!(GENERAL_REGISTER_BYTES == 15 * 8);
    assert!(offset_of!(TrapFrame, error_code) == GENERAL_REGISTER_BYTES + 8);
    assert!(offset_of!(TrapFrame, rip) == GENERAL_REGISTER_BYTES + 16);
    assert!(offset_of!(TrapFrame, cs) == GENERAL_REGISTER_BYTES + 24);
    assert!(offset_of!(TrapFrame, rflags) == GENERAL_REGISTER_BYTES + 32);
    assert!(offset_of!(TrapFrame, rsp) == GENERAL_REGISTER_BYTES + 40);
    assert!(offset_of!(TrapFrame, ss) == GENERAL_REGISTER_BYTES + 48);
    assert!(size_of::<TrapFrame>() == GENERAL_REGISTER_BYTES + 56);
    // The processor aligns the stack to 16 before it pushes, so the dispatcher's call is aligned too.
    assert!(size_of::<TrapFrame>().is_multiple_of(16));
};
