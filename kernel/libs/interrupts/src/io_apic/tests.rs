use std::cell::{Cell, RefCell};
use std::string::ToString;
use std::vec::Vec;

use super::*;

/// An I/O APIC made of software, which may lie.
struct Fake {
    selected: Cell<u8>,
    version: u32,
    entries: RefCell<[u64; 256]>,
    /// Bits of the lower halves that writing does not change.
    stuck: u32,
    writes: RefCell<Vec<u8>>,
}

impl Fake {
    fn new(pins: u16) -> Self {
        Self {
            selected: Cell::new(0),
            version: u32::from(pins - 1) << 16 | 0x20,
            entries: RefCell::new([u64::from(Redirection::MASKED); 256]),
            stuck: 0,
            writes: RefCell::new(Vec::new()),
        }
    }

    fn with(self, pin: usize, entry: u64) -> Self {
        self.entries.borrow_mut()[pin] = entry;
        self
    }

    fn half(&self) -> Option<(usize, u32)> {
        let half = u32::from(self.selected.get()).checked_sub(FIRST_ENTRY)?;
        Some(((half / 2) as usize, half % 2 * 32))
    }
}

impl Registers for Fake {
    fn len(&self) -> usize {
        REGISTER_BYTES
    }

    fn read32(&self, offset: usize) -> u32 {
        assert_eq!(offset, WINDOW.offset());
        match self.half() {
            Some((pin, shift)) => (self.entries.borrow()[pin] >> shift) as u32,
            None => self.version,
        }
    }

    fn write32(&self, offset: usize, value: u32) {
        if offset == SELECT.offset() {
            return self.selected.set(u8::try_from(value).expect("an index has 8 bits"));
        }
        assert_eq!(offset, WINDOW.offset());
        let (pin, shift) = self.half().expect("entries alone are written");
        assert_eq!(shift, 0, "destinations stay as they were");
        let mut entries = self.entries.borrow_mut();
        let kept = entries[pin] & (u64::from(self.stuck) | u64::from(u32::MAX) << 32);
        entries[pin] = kept | u64::from(value & !self.stuck);
        self.writes.borrow_mut().push(pin as u8);
    }
}

const LEVEL: u64 = Redirection::LEVEL as u64;

#[test]
fn every_pin_ends_masked_and_those_that_were_armed_are_named() {
    let chip = Fake::new(24).with(2, 0x40).with(23, 0x0300_0000_0000_0051 | LEVEL);
    let silenced = silence(&chip).unwrap();
    assert_eq!(silenced.pins, 24);
    let told: Vec<_> = silenced.armed.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["pin 2 (edge-triggered, vector 0x40) is masked", "pin 23 (level-triggered, vector 0x51) is masked"]
    );
    assert_eq!(unmasked(&chip, 24).count(), 0);
    // What was masked is not written to, and of the others nothing but the mask changes.
    assert_eq!(*chip.writes.borrow(), [2, 23]);
    assert_eq!(chip.entries.borrow()[23], 0x0300_0000_0001_8051);
    assert_eq!(silence(&chip).unwrap().armed, []);
}

#[test]
fn a_pin_that_does_not_take_the_mask_is_told_apart() {
    let chip = Fake { stuck: Redirection::MASKED, ..Fake::new(4).with(1, 0x33) };
    let armed = silence(&chip).unwrap().armed;
    assert_eq!(armed, [ArmedPin { pin: 1, entry: Redirection(0x33), outcome: Outcome::Stuck }]);
    assert_eq!(unmasked(&chip, 4).collect::<Vec<_>>(), [1]);
}

#[test]
fn system_management_stays_the_firmwares() {
    let chip = Fake::new(4).with(3, u64::from(Redirection::SYSTEM_MANAGEMENT));
    assert_eq!(silence(&chip).unwrap().armed[0].outcome, Outcome::Left);
    assert!(chip.writes.borrow().is_empty());
}

#[test]
fn what_claims_256_pins_has_those_masked_that_can_be_reached_and_is_not_believed() {
    let chip = (0..=255).fold(Fake::new(256), |chip, pin| chip.with(pin, 0x60));
    assert_eq!(silence(&chip), Err(NoIoApic::TooManyPins { claimed: 256 }));
    assert_eq!(unmasked(&chip, u8::MAX).count(), 0);
    assert_eq!(chip.writes.borrow().len(), usize::from(MOST_PINS));
    assert!(silence(&Fake::new(u16::from(MOST_PINS))).is_ok());
    assert!(silence(&Fake::new(u16::from(MOST_PINS) + 1)).is_err());
}

#[test]
fn where_nothing_answers_nothing_is_written() {
    for version in [0, u32::MAX] {
        let chip = Fake { version, ..Fake::new(1) };
        assert_eq!(silence(&chip), Err(NoIoApic::Silent { version }));
        assert!(chip.writes.borrow().is_empty());
    }
}
