//! What the library needs of the machine.

/// The register window of one controller. Every register has 32 bits.
pub trait Registers {
    /// Reads the register at a byte offset.
    fn read(&self, offset: usize) -> u32;
    /// Writes the register at a byte offset.
    fn write(&self, offset: usize, value: u32);
}

impl<R: Registers + ?Sized> Registers for &R {
    fn read(&self, offset: usize) -> u32 {
        (**self).read(offset)
    }

    fn write(&self, offset: usize, value: u32) {
        (**self).write(offset, value);
    }
}

/// Time for bounded waits.
pub trait Clock {
    /// Nanoseconds since some start; never goes back.
    fn now_ns(&self) -> u64;
    /// Called once in every round of a wait.
    fn relax(&self);
}
