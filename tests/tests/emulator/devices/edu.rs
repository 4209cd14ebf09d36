//! QEMU's `edu`.

use dma_types::{Iova, PhysAddr};
use tests::edu;

use super::{Requester, Standing, TRANSFER, let_work};
use crate::machine::Port;

/// QEMU's `edu`: it fetches into a buffer of its own, and sends from there.
pub(super) struct Edu {
    port: Port,
    registers: u64,
    scratch: (Iova, PhysAddr),
}

/// What it fetched, and what it sends, in its buffer.
const SLOT: u64 = edu::BUFFER;
const MARK_SLOT: u64 = edu::BUFFER + TRANSFER;
/// What a slot holds into which nothing came.
const BLANK: u64 = 0x626c_616e_6b21_2121;
/// Looks at a device that works; a transfer takes 100 ms of the machine's time.
const LOOKS: usize = 1_000_000;

impl Edu {
    /// Gives it its registers, and what it is to send.
    pub(super) fn open(
        port: &Port,
        place: (u8, u8),
        registers: u32,
        scratch: (Iova, PhysAddr),
        mark_at: PhysAddr,
    ) -> Self {
        let_work(port, place, Some(registers));
        let device = Self { port: port.clone(), registers: registers.into(), scratch };
        // Nothing is translated yet.
        device.transfer((mark_at.as_u64(), MARK_SLOT), edu::START);
        device
    }

    fn transfer(&self, (source, destination): (u64, u64), command: u64) {
        self.port.write64(self.registers + edu::SOURCE, source);
        self.port.write64(self.registers + edu::DESTINATION, destination);
        self.port.write64(self.registers + edu::COUNT, TRANSFER);
        self.port.write64(self.registers + edu::COMMAND, command);
        let works = || self.port.read64(self.registers + edu::COMMAND) & edu::START != 0;
        assert!((0..LOOKS).any(|_| !works()), "the transfer does not end");
    }
}

impl Requester for Edu {
    fn name(&self) -> &'static str {
        "edu"
    }

    fn send(&self, to: Iova) {
        self.transfer((MARK_SLOT, to.as_u64()), edu::START | edu::TO_MEMORY);
    }

    /// What it has it shows only where it may write.
    fn fetch(&self, from: Iova, standing: Standing) -> Option<u64> {
        let (scratch, scratch_at) = (self.scratch.0.as_u64(), self.scratch.1.as_u64());
        if standing == Standing::Outside {
            self.transfer((from.as_u64(), SLOT), edu::START);
            return None;
        }
        self.port.write64(scratch_at, BLANK);
        self.transfer((scratch, SLOT), edu::START);
        self.transfer((from.as_u64(), SLOT), edu::START);
        self.transfer((SLOT, scratch), edu::START | edu::TO_MEMORY);
        Some(self.port.read64(scratch_at)).filter(|fetched| *fetched != BLANK)
    }
}
