//! The registers of an 82574, as its driver leaves them and as they answer (82574 "Driver Programming Interface").
//! Written from the document alone, and not from the driver.

use std::collections::BTreeMap;

use super::trick::Trick;

const CTRL: u32 = 0x0000;
const STATUS: u32 = 0x0008;
const EECD: u32 = 0x0010;
const ICR: u32 = 0x00c0;
const ICS: u32 = 0x00c8;
const IMS: u32 = 0x00d0;
const IMC: u32 = 0x00d8;
const RCTL: u32 = 0x0100;
const TCTL: u32 = 0x0400;
const RDBAL: u32 = 0x2800;
const TDBAL: u32 = 0x3800;
const RAL: u32 = 0x5400;
const RAH: u32 = 0x5404;

/// Where the registers of a ring stand, from its base address on: base, length, head, tail.
mod ring {
    pub(super) const BASE_HIGH: u32 = 0x04;
    pub(super) const BYTES: u32 = 0x08;
    pub(super) const HEAD: u32 = 0x10;
    pub(super) const TAIL: u32 = 0x18;
}

/// Bits of the control register.
const MASTER_DISABLE: u32 = 1 << 2;
const RESET: u32 = 1 << 26;
/// Bits of the status register: full duplex, link, 1000 megabits a second, requests that may be outstanding.
const FULL_DUPLEX: u32 = 1;
const LINK_UP: u32 = 1 << 1;
const GIGABIT: u32 = 1 << 7;
const MASTER_ENABLED: u32 = 1 << 19;
/// What the NVM holds has been loaded.
const AUTO_READ_DONE: u32 = 1 << 9;
/// The bit of both control registers that switches receiving and sending on.
const ENABLE: u32 = 1 << 1;
/// Receive control: what is sent is received; buffers of 256 bytes.
const LOOPBACK: u32 = 1 << 6;
const BUFFERS_OF_256: u32 = 0b11 << 16;

/// Why a message is sent (82574 "Interrupt Cause Read Register").
pub(super) mod cause {
    /// A descriptor was sent, of queue 0.
    pub(in super::super) const SENT: u32 = 1 | 1 << 22;
    /// The link came or went.
    pub(in super::super) const LINK: u32 = 1 << 2 | 1 << 24;
    /// A frame was lost.
    pub(in super::super) const OVERRUN: u32 = 1 << 6;
    /// A frame was received, into queue 0.
    pub(in super::super) const RECEIVED: u32 = 1 << 7 | 1 << 20;
}

/// A ring as its registers describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) base: u64,
    pub(super) entries: u32,
    pub(super) tail: u32,
}

impl Ring {
    /// Where a descriptor stands.
    pub(super) fn place(&self, index: u32) -> u64 {
        self.base.wrapping_add(u64::from(index) * 16)
    }

    /// The descriptor after another.
    pub(super) fn after(&self, index: u32) -> u32 {
        (index + 1) % self.entries.max(1)
    }
}

/// What the driver tells the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Everything is to be forgotten.
    Reset,
    /// There are buffers for frames, of so many bytes each.
    Buffers(Ring, usize),
    /// There are frames to send: to the device itself, or out.
    Frames(Ring, Way),
    /// A message is wanted.
    Message,
}

/// Where frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Out.
    Network,
    /// Back.
    Loopback,
}

/// The registers.
#[derive(Debug)]
pub(super) struct Registers {
    values: BTreeMap<u32, u32>,
    trick: Trick,
    reads: u32,
    /// News that the device has not dealt with: requests are outstanding.
    pending: usize,
}

impl Registers {
    pub(super) fn new(trick: Trick) -> Self {
        let mut registers = Self { values: BTreeMap::new(), trick, reads: 0, pending: 0 };
        registers.forget();
        registers
    }

    /// What the NVM says after a reset.
    fn forget(&mut self) {
        let [a, b, c, d, e, f] = match self.trick {
            Trick::NoAddress => [0; 6],
            Trick::AddressOfOnes => [0xff; 6],
            Trick::AddressOfAGroup => [0x01, 0x00, 0x5e, 0, 0, 1],
            _ => [0x02, 0x69, 0x76, 0x74, 0x82, 0x57],
        };
        let low = u32::from_le_bytes([a, b, c, d]);
        let high = u32::from_le_bytes([e, f, 0, 0]) | 1 << 31;
        self.values = BTreeMap::from([(RAL, low), (RAH, high)]);
    }

    /// Reads a register as the driver does.
    pub(super) fn read(&mut self, offset: u32) -> u32 {
        self.reads = self.reads.wrapping_add(1);
        let value = self.get(offset);
        match (self.trick, offset) {
            (Trick::Ones, _) => u32::MAX,
            (Trick::OnesOnceUp, _) if self.get(RCTL) & ENABLE != 0 => u32::MAX,
            (Trick::ValuesOfChance, _) if self.get(RCTL) & ENABLE != 0 => {
                self.reads.wrapping_mul(0x9e37_79b9)
            }
            (Trick::HeadsOutside, _) if offset == RDBAL + ring::HEAD || offset == TDBAL + ring::HEAD => {
                u32::MAX
            }
            (Trick::AlwaysACause, ICR) => u32::MAX,
            (Trick::NeverLoads, EECD) => 0,
            (_, EECD) => AUTO_READ_DONE,
            (_, STATUS) => self.status(),
            _ => value,
        }
    }

    fn status(&self) -> u32 {
        let link = match self.trick {
            Trick::NoLink => 0,
            Trick::LinkFlaps if self.reads.is_multiple_of(2) => 0,
            _ => LINK_UP,
        };
        let rests =
            self.get(CTRL) & MASTER_DISABLE != 0 && self.pending == 0 && self.trick != Trick::NeverRests;
        let master = if rests { 0 } else { MASTER_ENABLED };
        FULL_DUPLEX | GIGABIT | link | master
    }

    /// Writes a register as the driver does; what the device has to know of it.
    pub(super) fn write(&mut self, offset: u32, value: u32) -> Option<News> {
        let news = self.take(offset, value)?;
        self.pending += 1;
        Some(news)
    }

    fn take(&mut self, offset: u32, value: u32) -> Option<News> {
        match offset {
            CTRL if value & RESET != 0 && self.trick != Trick::NeverResets => {
                self.forget();
                return Some(News::Reset);
            }
            ICR => self.set(ICR, self.get(ICR) & !value),
            ICS => return self.raise(value).then_some(News::Message),
            IMS => self.set(IMS, self.get(IMS) | value),
            IMC => self.set(IMS, self.get(IMS) & !value),
            _ => self.set(offset, value),
        }
        const RDT: u32 = RDBAL + ring::TAIL;
        const TDT: u32 = TDBAL + ring::TAIL;
        let on = |control| self.get(control) & ENABLE != 0;
        match offset {
            RCTL | RDT if on(RCTL) => {
                let bytes = if self.get(RCTL) & BUFFERS_OF_256 == BUFFERS_OF_256 { 256 } else { 2048 };
                Some(News::Buffers(self.ring(RDBAL), bytes))
            }
            TCTL | TDT if on(TCTL) => {
                let way = if self.get(RCTL) & LOOPBACK != 0 { Way::Loopback } else { Way::Network };
                Some(News::Frames(self.ring(TDBAL), way))
            }
            _ => None,
        }
    }

    fn ring(&self, first: u32) -> Ring {
        let base = u64::from(self.get(first)) | u64::from(self.get(first + ring::BASE_HIGH)) << 32;
        let entries = self.get(first + ring::BYTES) / 16;
        Ring { base, entries, tail: self.get(first + ring::TAIL) }
    }

    /// Notes causes; whether the driver wants a message of them.
    pub(super) fn raise(&mut self, causes: u32) -> bool {
        self.set(ICR, self.get(ICR) | causes);
        self.get(IMS) & causes != 0
    }

    /// Notes which descriptor the device fills next.
    pub(super) fn set_receive_head(&mut self, head: u32) {
        self.set(RDBAL + ring::HEAD, head);
    }

    /// Notes which descriptor the device sends next.
    pub(super) fn set_transmit_head(&mut self, head: u32) {
        self.set(TDBAL + ring::HEAD, head);
    }

    /// Notes that the device has dealt with a piece of news.
    pub(super) fn note_dealt_with(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// Whether the driver wants no more requests.
    pub(super) fn is_to_rest(&self) -> bool {
        self.get(CTRL) & MASTER_DISABLE != 0
    }

    fn get(&self, offset: u32) -> u32 {
        self.values.get(&offset).copied().unwrap_or(0)
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.values.insert(offset, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_brings_it_up_is_understood() {
        let mut registers = Registers::new(Trick::None);
        assert_eq!(registers.write(CTRL, RESET), Some(News::Reset));
        registers.note_dealt_with();
        assert_eq!((registers.read(CTRL) & RESET, registers.read(EECD)), (0, AUTO_READ_DONE));
        assert_eq!(registers.read(RAL).to_le_bytes(), [0x02, 0x69, 0x76, 0x74]);
        for (offset, value) in [(RDBAL, 0x3000), (RDBAL + 4, 1), (RDBAL + 8, 1024), (RDBAL + 0x18, 0)] {
            assert_eq!(registers.write(offset, value), None);
        }
        let ring = Ring { base: 0x1_0000_3000, entries: 64, tail: 0 };
        assert_eq!(registers.write(RCTL, ENABLE), Some(News::Buffers(ring, 2048)));
        let filled = Ring { tail: 63, ..ring };
        assert_eq!(registers.write(RDBAL + 0x18, 63), Some(News::Buffers(filled, 2048)));
        assert_eq!((filled.place(2), filled.after(63)), (0x1_0000_3020, 0));
        registers.write(RCTL, ENABLE | LOOPBACK | BUFFERS_OF_256);
        registers.write(TDBAL + 8, 128);
        let sent = Ring { base: 0, entries: 8, tail: 0 };
        assert_eq!(registers.write(TCTL, ENABLE), Some(News::Frames(sent, Way::Loopback)));
    }

    #[test]
    fn requests_are_outstanding_until_all_news_is_dealt_with() {
        let mut registers = Registers::new(Trick::None);
        registers.write(TCTL, ENABLE);
        registers.write(CTRL, MASTER_DISABLE);
        assert!(registers.is_to_rest());
        assert_eq!(registers.read(STATUS) & MASTER_ENABLED, MASTER_ENABLED);
        registers.note_dealt_with();
        assert_eq!(registers.read(STATUS), FULL_DUPLEX | LINK_UP | GIGABIT);
    }

    #[test]
    fn only_wanted_causes_raise_a_message() {
        let mut registers = Registers::new(Trick::None);
        assert_eq!(registers.write(ICS, cause::LINK), None);
        registers.write(IMS, cause::LINK);
        assert_eq!(registers.write(ICS, cause::LINK), Some(News::Message));
        assert!(!registers.raise(cause::SENT));
        registers.write(ICR, cause::LINK);
        assert_eq!(registers.read(ICR), cause::SENT);
        registers.write(IMC, u32::MAX);
        assert!(!registers.raise(cause::LINK));
    }
}
