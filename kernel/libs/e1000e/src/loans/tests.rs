//! The rings against a device that writes into them what it likes, whenever it likes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::vec;
use std::vec::Vec;

use dma_types::Iova;
use proptest::prelude::*;

use super::*;
use crate::frames::HEADER;

const BUFFER: usize = 2048;
const DONE: u64 = 1 << 32;
const LAST: u64 = 1 << 33;

/// Descriptor memory of a device: each look at a descriptor finds the next of its words, so that no two looks agree.
struct Hostile {
    words: Vec<u64>,
    looks: Cell<usize>,
    slots: RefCell<BTreeSet<u16>>,
    written: RefCell<Vec<(u16, u64)>>,
}

impl Hostile {
    fn new(words: Vec<u64>) -> Self {
        Self { words, looks: Cell::new(0), slots: RefCell::default(), written: RefCell::default() }
    }

    /// The slots that were read since the last call, and how often any was.
    fn looked(&self, before: usize) -> (BTreeSet<u16>, usize) {
        (self.slots.take(), self.looks.get() - before)
    }
}

impl Descriptors for Hostile {
    fn read(&self, slot: u16) -> [u64; 2] {
        let look = self.looks.replace(self.looks.get() + 1);
        self.slots.borrow_mut().insert(slot);
        // Addresses are as much the device's as the rest.
        [self.words[look % self.words.len()], self.words[look % self.words.len()]]
    }

    fn write(&self, slot: u16, [address, _]: [u64; 2]) {
        self.written.borrow_mut().push((slot, address));
    }
}

/// What a driver does with a ring.
#[derive(Clone, Copy, Debug)]
enum Step {
    Lend,
    Next,
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![4 => Just(Step::Lend), 8 => Just(Step::Next), 1 => Just(Step::Reset)],
        1..400,
    )
}

/// Words that often say "done", and often more than is true.
fn words() -> impl Strategy<Value = Vec<u64>> {
    let word = prop_oneof![
        any::<u64>(),
        any::<u64>().prop_map(|word| word | DONE),
        (0_u64..2300, 0_u64..4).prop_map(|(length, status)| length | status << 32),
        (14_u64..1500).prop_map(|length| length | DONE | LAST),
    ];
    prop::collection::vec(word, 1..60)
}

fn address(buffer: u32) -> Iova {
    Iova::new(u64::from(buffer) << 12)
}

proptest! {
    /// Each buffer comes back once and in order, frames lie within theirs, no look is taken twice or at what the device
    /// does not have, and nonsense ends.
    #[test]
    fn a_hostile_receive_ring_gives_back_what_was_lent(words in words(), steps in steps()) {
        let memory = Hostile::new(words);
        let mut ring = ReceiveRing::new(RingSize::new(8).unwrap());
        let (mut next, mut lent, mut nonsense, mut condemned) = (0_u32, VecDeque::new(), 0, false);
        for step in steps {
            let before = memory.looks.get();
            match step {
                Step::Lend => {
                    let room = lent.len() < 7;
                    let slot = ring.ring().tail();
                    prop_assert_eq!(ring.lend(next, address(next), &memory).is_ok(), room);
                    if room {
                        let written = memory.written.borrow().last().copied();
                        prop_assert_eq!(written, Some((slot, address(next).as_u64())));
                        lent.push_back(next);
                        next += 1;
                    }
                }
                Step::Next => {
                    let oldest = ring.ring().oldest().filter(|_| !condemned);
                    let taken = ring.next(&memory, BUFFER);
                    let (slots, looks) = memory.looked(before);
                    prop_assert!(looks <= 1 && slots.into_iter().eq(oldest));
                    match taken {
                        Ok(None) => prop_assert!(!condemned),
                        Ok(Some(Returned { buffer, piece })) => {
                            prop_assert_eq!(Some(buffer), lent.pop_front());
                            if let Piece::Frame { length } = piece {
                                prop_assert!((HEADER..=BUFFER).contains(&length));
                            }
                            nonsense += u16::from(piece.nonsense().is_some());
                            prop_assert!(piece != Piece::NotDone && nonsense <= MOST_NONSENSE && !condemned);
                        }
                        Err(Nonsense { .. }) => {
                            prop_assert_eq!(nonsense, MOST_NONSENSE);
                            condemned = true;
                        }
                    }
                }
                Step::Reset => {
                    memory.written.borrow_mut().clear();
                    ring.rewind(&memory, |buffer| address(*buffer));
                    let offered: Vec<_> =
                        (0..).zip(&lent).map(|(slot, buffer)| (slot, address(*buffer).as_u64())).collect();
                    prop_assert_eq!(&*memory.written.borrow(), &offered);
                    (nonsense, condemned) = (0, false);
                }
            }
            prop_assert_eq!(usize::from(ring.ring().lent()), lent.len());
        }
    }

    /// Each buffer comes back once and in order, and a device that says it sent what it never had gets nothing.
    #[test]
    fn a_hostile_transmit_ring_gives_back_what_was_lent(words in words(), steps in steps()) {
        let memory = Hostile::new(words);
        let mut ring = TransmitRing::new(RingSize::new(8).unwrap());
        let (mut next, mut lent) = (0_u32, VecDeque::new());
        for step in steps {
            let before = memory.looks.get();
            match step {
                Step::Lend => {
                    let room = lent.len() < 7;
                    prop_assert_eq!(ring.lend(next, (address(next), 60), &memory, 0).is_ok(), room);
                    if room {
                        lent.push_back(next);
                        next += 1;
                    }
                }
                Step::Next => {
                    let oldest = ring.ring().oldest();
                    let taken = ring.next(&memory, 0);
                    let (slots, looks) = memory.looked(before);
                    prop_assert!(looks <= 1 && slots.into_iter().eq(oldest));
                    if let Some(buffer) = taken {
                        prop_assert_eq!(Some(buffer), lent.pop_front());
                    }
                }
                Step::Reset => {
                    let back: Vec<_> = core::iter::from_fn(|| ring.take_back()).collect();
                    prop_assert_eq!(back, Vec::from(core::mem::take(&mut lent)));
                    prop_assert_eq!((ring.ring().oldest(), ring.ring().tail()), (None, 0));
                }
            }
            prop_assert_eq!(usize::from(ring.ring().lent()), lent.len());
        }
    }
}

/// A chain of fragments that never ends, longer than the ring many times over.
#[test]
fn a_frame_without_end_ends_after_a_few_buffers() {
    let memory = Hostile::new(vec![BUFFER as u64 | DONE]);
    let mut ring = ReceiveRing::new(RingSize::new(8).unwrap());
    let mut taken = 0;
    let end = loop {
        while ring.lend((), Iova::new(0x1000), &memory).is_ok() {}
        match ring.next(&memory, BUFFER) {
            Ok(Some(_)) => taken += 1,
            Ok(None) => panic!("the device is always done"),
            Err(nonsense) => break nonsense,
        }
    };
    assert_eq!((taken, end), (MOST_NONSENSE, Nonsense { last: Defect::NotLast }));
    assert!(ring.next(&memory, BUFFER).is_err(), "nothing is taken before a reset");
    ring.rewind(&memory, |()| Iova::new(0x1000));
    assert!(ring.next(&memory, BUFFER).is_ok());
}

/// The positive twin: a bad cable damages any number of frames, and the device is not to blame.
#[test]
fn damage_condemns_nobody() {
    let damaged = 60 | DONE | LAST | 1 << 40;
    let memory = Hostile::new(vec![damaged, damaged, damaged, 60 | DONE | LAST]);
    let mut ring = ReceiveRing::new(RingSize::new(8).unwrap());
    let mut frames = 0;
    for _ in 0..1000 {
        assert!(ring.lend((), Iova::new(0x1000), &memory).is_ok());
        let returned = ring.next(&memory, BUFFER).unwrap().unwrap();
        frames += u32::from(returned.piece == Piece::Frame { length: 60 });
    }
    assert_eq!((frames, ring.dropped()), (250, 750));
}

#[test]
fn who_sends_nothing_is_reset_and_then_given_up() {
    let silent = Hostile::new(vec![0]);
    let mut ring = TransmitRing::new(RingSize::new(8).unwrap());
    assert!(!ring.is_stalled(u64::MAX), "nothing waits");
    let second = 1_000_000_000;
    ring.lend(1, (address(1), 60), &silent, second).unwrap();
    ring.lend(2, (address(2), 60), &silent, 3 * second).unwrap();
    assert_eq!(ring.next(&silent, 3 * second), None);
    assert!(!ring.is_stalled(6 * second - 1) && ring.is_stalled(6 * second));
    assert_eq!(ring.note_stall(), Stall::Reset);
    while ring.take_back().is_some() {}
    ring.lend(3, (address(3), 60), &silent, 7 * second).unwrap();
    assert!(!ring.is_stalled(12 * second - 1) && ring.is_stalled(12 * second));
    assert_eq!(ring.note_stall(), Stall::GiveUp);
}

/// The positive twin: one frame that leaves makes up for what was before.
#[test]
fn who_sends_after_all_has_another_chance() {
    let sent = Hostile::new(vec![DONE]);
    let mut ring = TransmitRing::new(RingSize::new(8).unwrap());
    for round in 0..5 {
        ring.lend(round, (address(round), 60), &sent, 0).unwrap();
        assert!(ring.is_stalled(STALL_NS));
        assert_eq!(ring.note_stall(), Stall::Reset);
        assert_eq!(ring.next(&sent, STALL_NS), Some(round));
        assert!(!ring.is_stalled(u64::MAX));
    }
}
