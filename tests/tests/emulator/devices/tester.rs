//! QEMU's `iommu-testdev`.

use dma_types::{Access, Iova};

use super::{Requester, Standing, TRANSFER, let_work};
use crate::machine::Port;

/// QEMU's `iommu-testdev`, which only writes.
pub(super) struct Tester {
    port: Port,
    registers: u64,
}

/// Registers (QEMU "hw/misc/iommu-testdev").
mod registers {
    pub const TRIGGER: u64 = 0x00;
    pub const IOVA_LOW: u64 = 0x04;
    pub const IOVA_HIGH: u64 = 0x08;
    pub const LENGTH: u64 = 0x0c;
    pub const RESULT: u64 = 0x10;
    pub const DOORBELL: u64 = 0x14;
}

const ARM: u32 = 1;
/// What is written, over and over.
const MARK: u64 = 0x1234_5678_1234_5678;
/// The result where no transfer has been run.
const IDLE: u32 = 0xffff_ffff;

impl Tester {
    /// Gives it its registers.
    pub(super) fn open(port: &Port, place: (u8, u8), registers: u32) -> Self {
        let_work(port, place, Some(registers));
        Self { port: port.clone(), registers: registers.into() }
    }
}

impl Requester for Tester {
    fn name(&self) -> &'static str {
        "iommu-testdev"
    }

    fn accesses(&self) -> &'static [Access] {
        &[Access::Write]
    }

    fn mark(&self) -> u64 {
        MARK
    }

    fn send(&self, to: Iova) {
        let write = |register, value| self.port.write32(self.registers + register, value);
        let [low, high] = [to.as_u64(), to.as_u64() >> 32].map(|half| half as u32);
        write(registers::IOVA_LOW, low);
        write(registers::IOVA_HIGH, high);
        write(registers::LENGTH, TRANSFER as u32);
        write(registers::DOORBELL, ARM);
        self.port.read32(self.registers + registers::TRIGGER);
        // Memory and the unit's record are what is judged.
        assert_ne!(self.port.read32(self.registers + registers::RESULT), IDLE, "nothing was tried");
    }

    fn fetch(&self, _from: Iova, _standing: Standing) -> Option<u64> {
        None
    }
}
