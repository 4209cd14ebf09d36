//! What is told about an exception that nothing expected.

use crate::{CpuState, ErrorCode, Vector};
use core::fmt;

/// The most return addresses that a report holds.
pub const MAX_RETURN_ADDRESSES: usize = 16;

/// Return addresses found on the interrupted stack, the innermost first.
///
/// They were searched for, not followed: one may be a leftover of an earlier call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReturnAddresses {
    addresses: [u64; MAX_RETURN_ADDRESSES],
    count: usize,
}

impl ReturnAddresses {
    /// Adds one at the outer end; does nothing once [`MAX_RETURN_ADDRESSES`] are held.
    pub fn push(&mut self, address: u64) {
        if let Some(slot) = self.addresses.get_mut(self.count) {
            *slot = address;
            self.count += 1;
        }
    }

    /// Tells whether no more will be kept.
    pub const fn is_full(&self) -> bool {
        self.count == MAX_RETURN_ADDRESSES
    }

    /// Those held, the innermost first.
    pub fn as_slice(&self) -> &[u64] {
        self.addresses.get(..self.count).unwrap_or(&[])
    }
}

/// How the interrupted stack was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackCondition {
    /// The stack pointer lay within the named stack.
    Within(&'static str),
    /// The named stack ran into its guard page.
    Overflowed(&'static str),
    /// The stack pointer lay in no stack of the kernel.
    Elsewhere,
}

impl fmt::Display for StackCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(name) => write!(f, "within the {name} stack"),
            Self::Overflowed(name) => write!(f, "the {name} stack overflowed onto its guard page"),
            Self::Elsewhere => f.write_str("the stack pointer is in no stack of the kernel"),
        }
    }
}

/// An exception that nothing expected; `Display` gives the text for a person, several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionReport {
    /// The state of the processor.
    pub state: CpuState,
    /// The interrupted stack.
    pub stack: StackCondition,
    /// Who called the interrupted code.
    pub return_addresses: ReturnAddresses,
    /// Where the kernel's image starts: addresses are also given relative to it, as its symbols are.
    pub image_base: u64,
}

impl ExceptionReport {
    /// Which exception it was.
    pub const fn vector(&self) -> Vector {
        // The stubs push no number above 255.
        Vector(self.state.frame.vector as u8)
    }

    /// Its error code, if it has one.
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::new(self.vector(), self.state.frame.error_code)
    }

    /// Writes a code address, also as an offset into the kernel's image.
    fn code_address(&self, address: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match address.checked_sub(self.image_base) {
            Some(offset) => write!(f, "{address:#018x} (kernel + {offset:#x})"),
            None => write!(f, "{address:#018x}"),
        }
    }
}

impl fmt::Display for ExceptionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "unexpected exception: {}", self.vector())?;
        if let Some(code) = self.error_code() {
            writeln!(f, "error code {code}")?;
        }
        if self.vector() == Vector::PAGE_FAULT {
            writeln!(f, "address {:#018x}", self.state.control.cr2)?;
        }
        f.write_str("at ")?;
        self.code_address(self.state.frame.rip, f)?;
        writeln!(f, "\nstack: {}", self.stack)?;
        for row in self.state.registers().chunks(4) {
            for (column, (name, value)) in row.iter().enumerate() {
                write!(f, "{}{name:>7} {value:016x}", if column == 0 { "" } else { " " })?;
            }
            writeln!(f)?;
        }
        f.write_str("return addresses:")?;
        if self.return_addresses.as_slice().is_empty() {
            f.write_str(" none found")?;
        }
        for address in self.return_addresses.as_slice() {
            f.write_str("\n  ")?;
            self.code_address(*address, f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ControlState, TrapFrame};
    use std::format;

    fn report(vector: u64, error_code: u64) -> ExceptionReport {
        let frame =
            TrapFrame { vector, error_code, rip: 0xffff_ffff_8000_1234, r15: 0xabc, ..TrapFrame::default() };
        let control = ControlState { cr2: 0xdead_b000, ..ControlState::default() };
        ExceptionReport {
            state: CpuState { frame, control },
            stack: StackCondition::Within("kernel"),
            return_addresses: ReturnAddresses::default(),
            image_base: 0xffff_ffff_8000_0000,
        }
    }

    #[test]
    fn a_page_fault_names_code_address_and_place() {
        let mut report = report(14, 2);
        report.return_addresses.push(0xffff_ffff_8000_5678);
        report.return_addresses.push(0x1000);
        let text = format!("{report}");
        let lines: std::vec::Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "unexpected exception: #PF page fault (vector 14)");
        assert_eq!(lines[1], "error code 0x2: write to a page that is not mapped, by the kernel");
        assert_eq!(lines[2], "address 0x00000000deadb000");
        assert_eq!(lines[3], "at 0xffffffff80001234 (kernel + 0x1234)");
        assert_eq!(lines[4], "stack: within the kernel stack");
        assert_eq!(lines[5].split_whitespace().nth(6), Some("rdx"));
        assert!(text.contains("    r15 0000000000000abc"));
        assert!(text.ends_with("\n  0xffffffff80005678 (kernel + 0x5678)\n  0x0000000000001000"));
    }

    #[test]
    fn an_exception_without_error_code_shows_none() {
        let text = format!("{}", report(6, 0));
        assert!(text.starts_with("unexpected exception: #UD invalid opcode (vector 6)\nat 0x"));
        assert!(text.ends_with("return addresses: none found"));
    }

    #[test]
    fn return_addresses_stop_at_their_limit() {
        let mut addresses = ReturnAddresses::default();
        for address in 0..100 {
            assert_eq!(addresses.is_full(), address >= MAX_RETURN_ADDRESSES as u64);
            addresses.push(address);
        }
        assert_eq!(addresses.as_slice().len(), MAX_RETURN_ADDRESSES);
        assert_eq!(addresses.as_slice().last(), Some(&15));
    }

    #[test]
    fn stack_conditions_read_as_sentences() {
        assert_eq!(
            format!("{}", StackCondition::Overflowed("kernel")),
            "the kernel stack overflowed onto its guard page"
        );
    }
}
