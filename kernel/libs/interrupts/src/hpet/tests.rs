use std::cell::RefCell;

use super::*;

/// A timer made of software, which may lie.
struct Fake {
    words: RefCell<[u32; REGISTER_BYTES / 4]>,
    /// Bits of the general configuration and of timers' that writing does not change.
    stuck: (u32, u32),
}

impl Fake {
    fn new(timers: u32) -> Self {
        let mut words = [0; REGISTER_BYTES / 4];
        words[0] = 0x8086_a001 | (timers - 1) << 8;
        Self { words: RefCell::new(words), stuck: (0, 0) }
    }

    fn with(self, offset: usize, value: u32) -> Self {
        self.words.borrow_mut()[offset / 4] = value;
        self
    }

    fn word(&self, offset: usize) -> u32 {
        self.words.borrow()[offset / 4]
    }
}

impl Registers for Fake {
    fn len(&self) -> usize {
        REGISTER_BYTES
    }

    fn read32(&self, offset: usize) -> u32 {
        self.word(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        let stuck = if offset == CONFIGURATION.offset() { self.stuck.0 } else { self.stuck.1 };
        assert_ne!(offset, 0, "the capabilities are not written");
        let kept = self.word(offset) & stuck;
        self.words.borrow_mut()[offset / 4] = kept | value & !stuck;
    }
}

#[test]
fn counter_and_timers_stop_whatever_firmware_had_them_do() {
    let chip = Fake::new(3).with(0x10, 0b11).with(0x100, 0x3c).with(0x140, 0x4004 | 0xff << 9);
    assert_eq!(stop(&chip), Ok(Stopped { timers: 3, ran: true, armed: 0b101 }));
    assert_eq!(chip.word(0x10), 0);
    assert_eq!((chip.word(0x100), chip.word(0x140) & 0x4004), (0x38, 0));
    assert_eq!(stop(&chip), Ok(Stopped { timers: 3, ran: false, armed: 0 }));
}

#[test]
fn one_that_goes_on_is_told() {
    let chip = Fake { stuck: (1, 0), ..Fake::new(1).with(0x10, 1) };
    assert_eq!(stop(&chip), Err(NotStopped::Stuck { configuration: 1, armed: 0 }));
    let chip = Fake { stuck: (0, 4), ..Fake::new(32).with(0x100 + 31 * 0x20, 4) };
    assert_eq!(stop(&chip), Err(NotStopped::Stuck { configuration: 0, armed: 1 << 31 }));
}

#[test]
fn where_nothing_answers_nothing_is_written() {
    for capabilities in [0, u32::MAX] {
        let chip = Fake::new(1).with(0, capabilities).with(0x10, 1);
        assert_eq!(stop(&chip), Err(NotStopped::Silent { capabilities }));
        assert_eq!(chip.word(0x10), 1);
    }
}
