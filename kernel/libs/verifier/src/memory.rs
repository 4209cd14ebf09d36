//! Memory as a driver names it.

/// A range of the kernel's memory: only compared, never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    start: usize,
    length: usize,
}

impl Memory {
    /// The memory that bytes lie in.
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(bytes.as_ptr().addr(), bytes.len())
    }

    /// A range by its numbers.
    pub const fn new(start: usize, length: usize) -> Self {
        Self { start, length }
    }

    /// Address of its first byte.
    pub const fn start(&self) -> u64 {
        self.start as u64
    }

    /// Bytes.
    pub const fn length(&self) -> u64 {
        self.length as u64
    }

    /// The address behind it.
    pub const fn end(&self) -> u64 {
        self.start().saturating_add(self.length())
    }

    /// Tells whether two ranges have a byte in common.
    pub const fn overlaps(&self, other: &Self) -> bool {
        let (first, last) = if self.start <= other.start { (self, other) } else { (other, self) };
        first.length > 0 && last.length > 0 && last.start() < first.end()
    }
}

/// What kind of place memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Allocated memory, which may be lent.
    Allocated,
    /// The kernel's code, constants or variables.
    Image,
    /// A stack.
    Stack,
}
