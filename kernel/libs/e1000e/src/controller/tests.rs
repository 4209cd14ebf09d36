//! The controller against the fake.

use std::vec;

use dma_types::Iova;

use super::{Controller, ControllerError, Mode, RingPlace};
use crate::fake::{FakeClock, FakeController, Flaw, STATION};
use crate::frames::{FrameReader, Piece};
use crate::loopback::{self, FIRST_PART, Transfer, has_arrived};
use crate::ring::{Ring, RingSize};
use crate::spec::control::Status;
use crate::spec::interrupt::Causes;
use crate::spec::receive::ReceiveDescriptor;
use crate::spec::transmit::TransmitDescriptor;

const RECEIVE: u64 = 0x1000;
const TRANSMIT: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;
const FRAME: u64 = 0x3000;

fn place(base: u64) -> RingPlace {
    RingPlace { base: Iova::new(base), size: RingSize::new(8).unwrap() }
}

fn brought_up(fake: &FakeController, mode: Mode) -> Controller<&FakeController> {
    let controller = Controller::new(fake);
    controller.reset(&FakeClock::default()).unwrap();
    controller.bring_up(mode, place(RECEIVE), place(TRANSMIT));
    controller
}

#[test]
fn a_controller_tells_address_and_link() {
    let fake = FakeController::new(Flaw::None);
    let controller = Controller::new(&fake);
    controller.reset(&FakeClock::default()).unwrap();
    assert_eq!(fake.resets(), 2);
    assert_eq!(controller.address(), Ok(STATION));
    assert!(controller.status().contains(Status::LINK_UP));
    assert_eq!(controller.status().megabits(), 1000);
}

#[test]
fn waits_end() {
    let reset = |flaw| Controller::new(&FakeController::new(flaw)).reset(&FakeClock::default());
    assert_eq!(reset(Flaw::Absent), Err(ControllerError::Absent));
    assert!(matches!(reset(Flaw::StuckReset), Err(ControllerError::Reset { .. })));
    // Requests that never end do not keep it from a reset.
    assert_eq!(reset(Flaw::StuckMaster), Ok(()));
}

#[test]
fn frames_go_out_and_come_in() {
    let fake = FakeController::new(Flaw::None);
    let controller = brought_up(&fake, Mode::Network(STATION));
    let mut ring = Ring::new(place(RECEIVE).size);
    while let Some(slot) = ring.give() {
        let slot = u64::from(slot);
        let offer = ReceiveDescriptor::offer(Iova::new(BUFFERS + 0x800 * slot));
        fake.write_words(RECEIVE + 16 * slot, offer.0);
    }
    controller.offer(ring.tail());

    fake.write_memory(FRAME, &[7; 60]);
    fake.write_words(TRANSMIT, TransmitDescriptor::last(Iova::new(FRAME), 60).0);
    assert!(fake.sent.borrow().is_empty());
    controller.send(1);
    assert_eq!(*fake.sent.borrow(), [vec![7; 60]]);
    assert!(TransmitDescriptor(fake.words(TRANSMIT)).is_done());
    assert_eq!(fake.interrupts.get(), 1);
    assert_eq!(controller.acknowledge(), Causes::TRANSMIT_WRITTEN_BACK);

    fake.deliver(&[0xff; 100]);
    fake.deliver(&[0x01; 100]);
    assert_eq!(fake.interrupts.get(), 2);
    assert_eq!(controller.acknowledge(), Causes::RECEIVED);
    let mut reader = FrameReader::default();
    let first = ReceiveDescriptor(fake.words(RECEIVE));
    assert_eq!(reader.judge(first, Mode::NETWORK_BUFFER), Piece::Frame { length: 100 });
    assert_eq!(fake.read_memory(BUFFERS, 100).unwrap(), [0xff; 100]);
    // The frame for somebody else's group was not taken.
    let second = ReceiveDescriptor(fake.words(RECEIVE + 16));
    assert_eq!(reader.judge(second, Mode::NETWORK_BUFFER), Piece::NotDone);
}

/// Bursts of any size, more frames than the ring has slots, and buffers given back late.
#[test]
fn frames_keep_their_order_round_the_ring() {
    let fake = FakeController::new(Flaw::None);
    let controller = brought_up(&fake, Mode::Network(STATION));
    let mut ring = Ring::new(place(RECEIVE).size);
    let mut reader = FrameReader::default();
    let (mut sent, mut taken) = (0_u32, 0_u32);
    for burst in [0, 1, 7, 3, 5, 7, 2].into_iter().cycle().take(200) {
        while let Some(slot) = ring.give().map(u64::from) {
            let offer = ReceiveDescriptor::offer(Iova::new(BUFFERS + 0x800 * slot));
            fake.write_words(RECEIVE + 16 * slot, offer.0);
        }
        controller.offer(ring.tail());
        for _ in 0..burst {
            fake.deliver(&[&[0xff; 14], sent.to_le_bytes().as_slice()].concat());
            sent += 1;
        }
        while let Some(slot) = ring.oldest().map(u64::from) {
            let piece =
                reader.judge(ReceiveDescriptor(fake.words(RECEIVE + 16 * slot)), Mode::NETWORK_BUFFER);
            if piece == Piece::NotDone {
                break;
            }
            assert_eq!(piece, Piece::Frame { length: 18 });
            let number = fake.read_memory(BUFFERS + 0x800 * slot + 14, 4).unwrap();
            assert_eq!(number, taken.to_le_bytes());
            taken += 1;
            ring.take_back();
        }
        assert_eq!(taken, sent);
    }
    assert!(sent > 500);
}

#[test]
fn an_interrupt_can_be_asked_for() {
    let fake = FakeController::new(Flaw::None);
    let controller = brought_up(&fake, Mode::Network(STATION));
    controller.raise();
    assert_eq!(fake.interrupts.get(), 1);
    assert_eq!(controller.acknowledge(), Causes::LINK_CHANGE);
    assert_eq!(controller.acknowledge(), Causes::empty());
}

fn transfer(from: u64, to: u64) -> Transfer {
    let [first_part, first_buffer, from, to] = [0x3000, 0x3100, from, to].map(Iova::new);
    Transfer { first_part, first_buffer, from, to, bytes: 64 }
}

fn run(fake: &FakeController, transfer: &Transfer) -> bool {
    let controller = brought_up(fake, Mode::Loopback);
    fake.write_memory(0x3000, &loopback::first_part());
    for (slot, (sent, received)) in (0..).zip(transfer.transmit().into_iter().zip(transfer.receive())) {
        fake.write_words(TRANSMIT + 16 * slot, sent.0);
        fake.write_words(RECEIVE + 16 * slot, received.0);
    }
    controller.offer(loopback::SLOTS as u16);
    // A frame from outside does not get between.
    fake.deliver(&[0xff; 400]);
    controller.send(loopback::SLOTS as u16);
    has_arrived(ReceiveDescriptor(fake.words(RECEIVE + 16)))
}

/// Contents that would be a frame of some kind of their own, were they not behind a header.
#[test]
fn a_transfer_moves_exactly_its_bytes() {
    for fill in [0x00, 0x08, 0x81, 0xff] {
        let fake = FakeController::new(Flaw::None);
        fake.write_memory(0x5000, &[fill; 64]);
        fake.write_memory(0x6000, &[0x5a; FIRST_PART]);
        assert!(run(&fake, &transfer(0x5000, 0x6000)));
        assert_eq!(fake.read_memory(0x6000, 64).unwrap(), [fill; 64]);
        assert_eq!(fake.read_memory(0x6040, 64).unwrap(), [0x5a; 64]);
        assert!(fake.sent.borrow().is_empty(), "a frame got out");
        assert_eq!(fake.interrupts.get(), 0);
    }
}

#[test]
fn a_blocked_transfer_moves_nothing() {
    let fake = FakeController::new(Flaw::None);
    fake.write_memory(0x6000, &[0x5a; 64]);
    assert!(
        !run(&fake, &transfer(FakeController::MEMORY, 0x6000)),
        "a frame that cannot be read is not sent"
    );
    assert_eq!(fake.read_memory(0x6000, 64).unwrap(), [0x5a; 64]);
    assert!(run(&fake, &transfer(0x5000, FakeController::MEMORY)), "the device does not notice");
}
