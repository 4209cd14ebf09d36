//! The machine as the `e1000e` library sees it: a register window, descriptors, and time.

use alloc::boxed::Box;

use e1000e::{Clock, ControllerError, Descriptors, Registers};

use crate::devices::StartError;
use crate::dma::{Both, Shared};
use crate::memory::mmio::Mmio;
use crate::platform::clock;

/// The controller's registers.
pub struct Window(pub Mmio);

impl Registers for Window {
    fn read(&self, offset: usize) -> u32 {
        self.0.read32(offset)
    }

    fn write(&self, offset: usize, value: u32) {
        self.0.write32(offset, value);
    }
}

impl Descriptors for Shared<[u64; 2], Both> {
    fn read(&self, slot: u16) -> [u64; 2] {
        Self::read(self, slot.into())
    }

    fn write(&self, slot: u16, words: [u64; 2]) {
        Self::write(self, slot.into(), words);
    }
}

/// The kernel's clock.
pub struct KernelClock;

impl Clock for KernelClock {
    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }
}

impl From<ControllerError> for StartError {
    fn from(error: ControllerError) -> Self {
        Self::Device(Box::new(error))
    }
}
