//! Error codes of exceptions.

use crate::Vector;
use bitflags::bitflags;
use core::fmt;

bitflags! {
    /// The error code of a page fault (SDM "Interrupt 14—Page-Fault Exception (#PF)").
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct PageFaultFlags: u64 {
        /// The page was mapped, its rights were too narrow.
        const PRESENT = 1 << 0;
        /// The access was a write.
        const WRITE = 1 << 1;
        /// The access came from user mode.
        const USER = 1 << 2;
        /// A reserved bit was set in a paging entry.
        const RESERVED_BIT = 1 << 3;
        /// The access was an instruction fetch.
        const FETCH = 1 << 4;
        /// A protection key forbade it.
        const PROTECTION_KEY = 1 << 5;
        /// The access was to a shadow stack.
        const SHADOW_STACK = 1 << 6;
        /// The hypervisor-managed translation forbade it.
        const HLAT = 1 << 7;
        /// An enclave's rules forbade it.
        const ENCLAVE = 1 << 15;
    }
}

/// An error code together with the vector that gives it its meaning; `Display` decodes it in words.
///
/// Bits without a meaning are kept and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    vector: Vector,
    bits: u64,
}

impl ErrorCode {
    /// The error code of an exception, `None` where its vector has none.
    pub fn new(vector: Vector, bits: u64) -> Option<Self> {
        vector.has_error_code().then_some(Self { vector, bits })
    }

    /// The bits as the processor pushed them.
    pub const fn bits(self) -> u64 {
        self.bits
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}: ", self.bits)?;
        match self.vector.0 {
            14 => page_fault(PageFaultFlags::from_bits_retain(self.bits), f),
            10..=13 => selector(self.bits, f),
            // A double fault or alignment check always pushes zero.
            8 | 17 if self.bits == 0 => f.write_str("says nothing more"),
            21 => control_protection(self.bits, f),
            _ => f.write_str("as the hypervisor or processor defines it"),
        }
    }
}

/// Words for the error code of a page fault.
fn page_fault(flags: PageFaultFlags, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let access = if flags.contains(PageFaultFlags::FETCH) {
        "instruction fetch from"
    } else if flags.contains(PageFaultFlags::WRITE) {
        "write to"
    } else {
        "read of"
    };
    let page = if flags.contains(PageFaultFlags::RESERVED_BIT) {
        "a page whose entry has a reserved bit set"
    } else if flags.contains(PageFaultFlags::PRESENT) {
        "a page that does not permit it"
    } else {
        "a page that is not mapped"
    };
    let mode = if flags.contains(PageFaultFlags::USER) { "user mode" } else { "the kernel" };
    write!(f, "{access} {page}, by {mode}")?;
    for (flag, words) in [
        (PageFaultFlags::PROTECTION_KEY, "protection key"),
        (PageFaultFlags::SHADOW_STACK, "shadow stack"),
        (PageFaultFlags::HLAT, "hypervisor-managed translation"),
        (PageFaultFlags::ENCLAVE, "enclave"),
    ] {
        if flags.contains(flag) {
            write!(f, ", {words}")?;
        }
    }
    unknown_bits(flags.difference(PageFaultFlags::all()).bits(), f)
}

/// Words for an error code that names a segment selector (SDM "Error Code").
fn selector(bits: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if bits == 0 {
        return f.write_str("no selector involved");
    }
    let index = bits >> 3 & 0x1fff;
    match bits >> 1 & 3 {
        0 => write!(f, "entry {index} of the global descriptor table")?,
        2 => write!(f, "entry {index} of the local descriptor table")?,
        _ => write!(f, "entry {index} of the interrupt descriptor table")?,
    }
    if bits & 1 != 0 {
        f.write_str(", while an outside event was delivered")?;
    }
    unknown_bits(bits & !0xffff, f)
}

/// Words for a control-protection error code (SDM "Interrupt 21—Control Protection Exception (#CP)").
fn control_protection(bits: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match bits & 0x7fff {
        1 => "near return",
        2 => "far return or interrupt return",
        3 => "missing branch target",
        4 => "restore of a shadow stack",
        5 => "shadow stack busy",
        _ => "unknown cause",
    })?;
    unknown_bits(bits & !0xffff, f)
}

/// Adds the bits that have no name, if any is set.
fn unknown_bits(bits: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if bits == 0 { Ok(()) } else { write!(f, ", unknown bits {bits:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn codes_are_decoded_in_words() {
        for (vector, bits, words) in [
            (14, 0, "0x0: read of a page that is not mapped, by the kernel"),
            (14, 2, "0x2: write to a page that is not mapped, by the kernel"),
            (14, 3, "0x3: write to a page that does not permit it, by the kernel"),
            (14, 0x11, "0x11: instruction fetch from a page that does not permit it, by the kernel"),
            (14, 5, "0x5: read of a page that does not permit it, by user mode"),
            (14, 9, "0x9: read of a page whose entry has a reserved bit set, by the kernel"),
            (14, 0x21, "0x21: read of a page that does not permit it, by the kernel, protection key"),
            (14, 0x1_0000, "0x10000: read of a page that is not mapped, by the kernel, unknown bits 0x10000"),
            (13, 0, "0x0: no selector involved"),
            (13, 0x10, "0x10: entry 2 of the global descriptor table"),
            (13, 0x282, "0x282: entry 80 of the interrupt descriptor table"),
            (
                11,
                0x283,
                "0x283: entry 80 of the interrupt descriptor table, while an outside event was delivered",
            ),
            (10, 0x14, "0x14: entry 2 of the local descriptor table"),
            (12, 0x1_0010, "0x10010: entry 2 of the global descriptor table, unknown bits 0x10000"),
            (8, 0, "0x0: says nothing more"),
            (8, 1, "0x1: as the hypervisor or processor defines it"),
            (17, 0, "0x0: says nothing more"),
            (21, 3, "0x3: missing branch target"),
            (21, 99, "0x63: unknown cause"),
            (29, 0x72, "0x72: as the hypervisor or processor defines it"),
            (30, 1, "0x1: as the hypervisor or processor defines it"),
        ] {
            let code = ErrorCode::new(Vector(vector), bits).expect("the vector has an error code");
            assert_eq!(format!("{code}"), words);
            assert_eq!(code.bits(), bits);
        }
    }

    #[test]
    fn vectors_without_an_error_code_get_none() {
        for vector in (0..=255).map(Vector).filter(|v| !v.has_error_code()) {
            assert_eq!(ErrorCode::new(vector, 0), None);
        }
    }
}
