//! A controller with memory of its own, for tests: it follows the document as far as the library uses it.
//!
//! Addresses below [`FakeController::MEMORY`] are memory; what lies beyond is blocked, as by a remapping
//! unit: writes vanish, and a frame of which a part cannot be read is given up.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use mmio_regs::{Clock, Registers};

use crate::spec::address::MacAddress;
use crate::spec::control::{Control, NvmControl, Status};
use crate::spec::interrupt::Causes;
use crate::spec::receive::ReceiveControl;
use crate::spec::registers::{
    CTRL, EECD, ICR, ICS, IMC, IMS, RAH, RAL, RCTL, RDBAL, RDH, RDLEN, RDT, STATUS, TCTL, TDBAL, TDH, TDLEN,
    TDT,
};
use crate::spec::transmit::TransmitControl;

/// The address that the fake's NVM holds.
pub const STATION: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

/// How a fake misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// Reads are all ones.
    Absent,
    /// A reset never ends.
    StuckReset,
    /// Requests never come to rest.
    StuckMaster,
}

pub struct FakeController {
    flaw: Flaw,
    registers: RefCell<BTreeMap<usize, u32>>,
    memory: RefCell<Vec<u8>>,
    /// Frames that left.
    pub sent: RefCell<Vec<Vec<u8>>>,
    /// Messages raised.
    pub interrupts: Cell<u64>,
    resets: Cell<u64>,
}

impl FakeController {
    pub const MEMORY: u64 = 0x1_0000;

    pub fn new(flaw: Flaw) -> Self {
        let fake = Self {
            flaw,
            registers: RefCell::default(),
            memory: RefCell::new(vec![0; Self::MEMORY as usize]),
            sent: RefCell::default(),
            interrupts: Cell::new(0),
            resets: Cell::new(0),
        };
        fake.reset();
        fake
    }

    pub fn resets(&self) -> u64 {
        self.resets.get()
    }

    fn reset(&self) {
        let (low, high) = STATION.into_registers();
        let initial = [(RAL.offset(), low), (RAH.offset(), high.0)];
        *self.registers.borrow_mut() = BTreeMap::from(initial);
        self.put(EECD.offset(), NvmControl::AUTO_READ_DONE.bits());
        self.put(STATUS.offset(), (Status::LINK_UP | Status::FULL_DUPLEX).bits() | 1 << 7);
        self.resets.set(self.resets.get() + 1);
    }

    fn value(&self, offset: usize) -> u32 {
        self.registers.borrow().get(&offset).copied().unwrap_or(0)
    }

    fn put(&self, offset: usize, value: u32) {
        self.registers.borrow_mut().insert(offset, value);
    }

    pub fn read_memory(&self, at: u64, bytes: usize) -> Option<Vec<u8>> {
        let start = usize::try_from(at).ok()?;
        Some(self.memory.borrow().get(start..start.checked_add(bytes)?)?.to_vec())
    }

    pub fn write_memory(&self, at: u64, bytes: &[u8]) {
        let mut memory = self.memory.borrow_mut();
        let Some(range) =
            usize::try_from(at).ok().and_then(|start| Some(start..start.checked_add(bytes.len())?))
        else {
            return;
        };
        if let Some(target) = memory.get_mut(range) {
            target.copy_from_slice(bytes);
        }
    }

    pub fn words(&self, at: u64) -> [u64; 2] {
        let bytes = self.read_memory(at, 16).expect("a descriptor lies in memory");
        let (low, high) = bytes.split_at(8);
        [low, high].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")))
    }

    pub fn write_words(&self, at: u64, [low, high]: [u64; 2]) {
        self.write_memory(at, &low.to_le_bytes());
        self.write_memory(at + 8, &high.to_le_bytes());
    }

    fn raise(&self, causes: u32) {
        self.put(ICR.offset(), self.value(ICR.offset()) | causes);
        if self.value(IMS.offset()) & causes != 0 {
            self.interrupts.set(self.interrupts.get() + 1);
        }
    }

    fn transmit(&self) {
        if self.value(TCTL.offset()) & TransmitControl::ENABLE.bits() == 0 {
            return;
        }
        let mut frame = Some(Vec::new());
        let mut causes = 0;
        while self.value(TDH.offset()) != self.value(TDT.offset()) {
            let head = self.value(TDH.offset());
            let at = u64::from(self.value(TDBAL.offset())) + 16 * u64::from(head);
            let [address, facts] = self.words(at);
            let part = self.read_memory(address, usize::from(facts as u16));
            frame = frame.and_then(|mut frame: Vec<u8>| {
                frame.extend(part?);
                Some(frame)
            });
            if facts >> 24 & 1 != 0 {
                if let Some(frame) = frame.take() {
                    self.send(frame);
                }
                frame = Some(Vec::new());
            }
            self.write_words(at, [address, facts | 1 << 32]);
            self.put(TDH.offset(), (head + 1) % (self.value(TDLEN.offset()) / 16));
            causes = Causes::TRANSMIT_WRITTEN_BACK.bits();
        }
        self.raise(causes);
    }

    fn send(&self, frame: Vec<u8>) {
        if self.value(RCTL.offset()) & ReceiveControl::MAC_LOOPBACK.bits() != 0 {
            self.deliver(&frame);
        } else {
            self.sent.borrow_mut().push(frame);
        }
    }

    /// A frame comes in.
    pub fn deliver(&self, frame: &[u8]) {
        let control = ReceiveControl::from_bits_retain(self.value(RCTL.offset()));
        let own = MacAddress::from_registers(
            self.value(RAL.offset()),
            crate::spec::address::ReceiveAddressHigh(self.value(RAH.offset())),
        );
        let broadcast = control.contains(ReceiveControl::ACCEPT_BROADCAST) && frame.starts_with(&[0xff; 6]);
        if !control.contains(ReceiveControl::ENABLE) || !(broadcast || frame.starts_with(&own.0)) {
            return;
        }
        let buffer = if control.contains(ReceiveControl::BUFFERS_OF_256) { 256 } else { 2048 };
        let pieces: Vec<_> = frame.chunks(buffer).collect();
        for (piece, number) in pieces.iter().zip(1..) {
            let head = self.value(RDH.offset());
            if head == self.value(RDT.offset()) {
                return self.raise(Causes::RECEIVE_OVERRUN.bits());
            }
            let at = u64::from(self.value(RDBAL.offset())) + 16 * u64::from(head);
            let [address, _] = self.words(at);
            self.write_memory(address, piece);
            let status = if number == pieces.len() { 0b11 } else { 0b01 };
            self.write_words(at, [address, piece.len() as u64 | status << 32]);
            self.put(RDH.offset(), (head + 1) % (self.value(RDLEN.offset()) / 16));
        }
        self.raise(Causes::RECEIVED.bits());
    }
}

impl Registers for FakeController {
    fn len(&self) -> usize {
        crate::WINDOW
    }

    fn read32(&self, offset: usize) -> u32 {
        if self.flaw == Flaw::Absent {
            return u32::MAX;
        }
        let value = self.value(offset);
        let stopped = self.value(CTRL.offset()) & Control::MASTER_DISABLE.bits() != 0;
        if offset == STATUS.offset() && (!stopped || self.flaw == Flaw::StuckMaster) {
            return value | Status::MASTER_ENABLED.bits();
        }
        value
    }

    fn write32(&self, offset: usize, value: u32) {
        if offset == CTRL.offset() && value & Control::RESET.bits() != 0 && self.flaw != Flaw::StuckReset {
            return self.reset();
        }
        match offset {
            o if o == ICR.offset() => return self.put(o, self.value(o) & !value),
            o if o == ICS.offset() => return self.raise(value),
            o if o == IMS.offset() => return self.put(o, self.value(o) | value),
            o if o == IMC.offset() => return self.put(IMS.offset(), self.value(IMS.offset()) & !value),
            _ => self.put(offset, value),
        }
        if offset == TDT.offset() || offset == TCTL.offset() {
            self.transmit();
        }
    }
}

/// A clock that runs on by a microsecond whenever it is looked at.
#[derive(Default)]
pub struct FakeClock(Cell<u64>);

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        self.0.set(self.0.get() + 1000);
        self.0.get()
    }

    fn relax(&self) {}
}
