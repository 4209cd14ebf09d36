//! What the `e1000e` library needs of the kernel: descriptors in memory that the controller reads and writes.

use alloc::boxed::Box;

use e1000e::{ControllerError, Descriptors};

use crate::devices::StartError;
use crate::dma::{Both, Shared};

impl Descriptors for Shared<[u64; 2], Both> {
    fn read(&self, slot: u16) -> [u64; 2] {
        Self::read(self, slot.into())
    }

    fn write(&self, slot: u16, words: [u64; 2]) {
        Self::write(self, slot.into(), words);
    }
}

impl From<ControllerError> for StartError {
    fn from(error: ControllerError) -> Self {
        Self::Device(Box::new(error))
    }
}
