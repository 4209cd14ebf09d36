//! Interrupt vectors and the names of the first 32.

use core::fmt;

/// Vectors that the architecture keeps for exceptions.
pub const EXCEPTION_COUNT: u8 = 32;

/// One bit for each exception vector whose entry pushes an error code
/// (SDM "Error Code"; AMD64 volume 2 "Error Codes" for 29 and 30).
pub const ERROR_CODE_VECTORS: u32 = {
    let mut mask = 0;
    let mut vector = 0;
    while vector < EXCEPTIONS.len() {
        if matches!(EXCEPTIONS[vector].2, ErrorCode) {
            mask |= 1 << vector;
        }
        vector += 1;
    }
    mask
};

/// An interrupt vector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vector(pub u8);

impl Vector {
    /// Non-maskable interrupt.
    pub const NMI: Self = Self(2);
    /// Exception during the delivery of another.
    pub const DOUBLE_FAULT: Self = Self(8);
    /// An access that the page tables do not permit.
    pub const PAGE_FAULT: Self = Self(14);
    /// The hardware found an error in itself.
    pub const MACHINE_CHECK: Self = Self(18);

    /// Tells whether it is one of the 32 exception vectors.
    pub const fn is_exception(self) -> bool {
        self.0 < EXCEPTION_COUNT
    }

    /// Tells whether the processor pushes an error code for it.
    pub const fn has_error_code(self) -> bool {
        self.is_exception() && ERROR_CODE_VECTORS >> self.0 & 1 == 1
    }

    /// The manuals' short name, such as `#PF`; `-` where they give none.
    pub fn mnemonic(self) -> &'static str {
        EXCEPTIONS.get(usize::from(self.0)).map_or("-", |entry| entry.0)
    }

    /// The name in words; `device interrupt` above the exceptions.
    pub fn name(self) -> &'static str {
        EXCEPTIONS.get(usize::from(self.0)).map_or("device interrupt", |entry| entry.1)
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            "-" => write!(f, "{} (vector {})", self.name(), self.0),
            mnemonic => write!(f, "{mnemonic} {} (vector {})", self.name(), self.0),
        }
    }
}

/// What lies on the stack above the return address of an exception.
enum Pushes {
    Nothing,
    ErrorCode,
}

use Pushes::{ErrorCode, Nothing};

/// Short name, name, error code: indexed by vector (SDM "Exceptions and Interrupts").
const EXCEPTIONS: [(&str, &str, Pushes); EXCEPTION_COUNT as usize] = [
    ("#DE", "divide error", Nothing),
    ("#DB", "debug exception", Nothing),
    ("NMI", "non-maskable interrupt", Nothing),
    ("#BP", "breakpoint", Nothing),
    ("#OF", "overflow", Nothing),
    ("#BR", "bound range exceeded", Nothing),
    ("#UD", "invalid opcode", Nothing),
    ("#NM", "device not available", Nothing),
    ("#DF", "double fault", ErrorCode),
    ("-", "coprocessor segment overrun", Nothing),
    ("#TS", "invalid task state segment", ErrorCode),
    ("#NP", "segment not present", ErrorCode),
    ("#SS", "stack-segment fault", ErrorCode),
    ("#GP", "general protection fault", ErrorCode),
    ("#PF", "page fault", ErrorCode),
    ("-", "reserved exception", Nothing),
    ("#MF", "x87 floating-point error", Nothing),
    ("#AC", "alignment check", ErrorCode),
    ("#MC", "machine check", Nothing),
    ("#XM", "SIMD floating-point exception", Nothing),
    ("#VE", "virtualization exception", Nothing),
    ("#CP", "control protection exception", ErrorCode),
    ("-", "reserved exception", Nothing),
    ("-", "reserved exception", Nothing),
    ("-", "reserved exception", Nothing),
    ("-", "reserved exception", Nothing),
    ("-", "reserved exception", Nothing),
    ("-", "reserved exception", Nothing),
    ("#HV", "hypervisor injection exception", Nothing),
    ("#VC", "VMM communication exception", ErrorCode),
    ("#SX", "security exception", ErrorCode),
    ("-", "reserved exception", Nothing),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn error_codes_are_pushed_for_the_vectors_of_the_manuals() {
        let with_code: std::vec::Vec<u8> = (0..=255).filter(|&v| Vector(v).has_error_code()).collect();
        assert_eq!(with_code, [8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);
    }

    #[test]
    fn every_vector_has_words() {
        for (vector, words) in [
            (0, "#DE divide error (vector 0)"),
            (1, "#DB debug exception (vector 1)"),
            (2, "NMI non-maskable interrupt (vector 2)"),
            (3, "#BP breakpoint (vector 3)"),
            (4, "#OF overflow (vector 4)"),
            (5, "#BR bound range exceeded (vector 5)"),
            (6, "#UD invalid opcode (vector 6)"),
            (7, "#NM device not available (vector 7)"),
            (8, "#DF double fault (vector 8)"),
            (9, "coprocessor segment overrun (vector 9)"),
            (10, "#TS invalid task state segment (vector 10)"),
            (11, "#NP segment not present (vector 11)"),
            (12, "#SS stack-segment fault (vector 12)"),
            (13, "#GP general protection fault (vector 13)"),
            (14, "#PF page fault (vector 14)"),
            (15, "reserved exception (vector 15)"),
            (16, "#MF x87 floating-point error (vector 16)"),
            (17, "#AC alignment check (vector 17)"),
            (18, "#MC machine check (vector 18)"),
            (19, "#XM SIMD floating-point exception (vector 19)"),
            (20, "#VE virtualization exception (vector 20)"),
            (21, "#CP control protection exception (vector 21)"),
            (22, "reserved exception (vector 22)"),
            (23, "reserved exception (vector 23)"),
            (24, "reserved exception (vector 24)"),
            (25, "reserved exception (vector 25)"),
            (26, "reserved exception (vector 26)"),
            (27, "reserved exception (vector 27)"),
            (28, "#HV hypervisor injection exception (vector 28)"),
            (29, "#VC VMM communication exception (vector 29)"),
            (30, "#SX security exception (vector 30)"),
            (31, "reserved exception (vector 31)"),
            (32, "device interrupt (vector 32)"),
            (255, "device interrupt (vector 255)"),
        ] {
            assert_eq!(format!("{}", Vector(vector)), words);
        }
    }
}
