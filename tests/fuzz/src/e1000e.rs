//! Any bytes as what an Intel 82574 writes into its rings and says in its registers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use dma_types::Iova;
use e1000e::spec::receive::ReceiveDescriptor;
use e1000e::{
    Clock, Controller, FrameReader, HEADER, MacAddress, Mode, Piece, Registers, Ring, RingPlace, RingSize,
    WINDOW,
};

use crate::Bytes;

/// Steps at most.
const MOST: usize = 600;
/// Reads that a reset may take: two waits of at most 100 and 200 ms, with a clock that moves 1 ms a look.
const MOST_READS: usize = 1_000;

/// Slots go round in order and a frame lies within its buffer; bringing the controller up ends, whatever it answers,
/// and tells it of no other memory than its rings.
pub fn check(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    check_ring(&mut bytes);
    check_controller(bytes);
}

/// A driver's receive ring, whose descriptors the device writes as it likes.
fn check_ring(bytes: &mut Bytes<'_>) {
    let size = RingSize::new(8 * (1 + u16::from(bytes.byte() % 4))).expect("a size that is allowed");
    let buffer = usize::from(bytes.u16() % 2049);
    let (mut ring, mut reader) = (Ring::new(size), FrameReader::default());
    let mut descriptors = vec![ReceiveDescriptor([0; 2]); size.descriptors().into()];
    let mut lent = VecDeque::new();
    for _ in 0..MOST {
        if bytes.is_empty() {
            break;
        }
        match bytes.byte() % 8 {
            0..=2 => {
                if let Some(slot) = ring.give() {
                    assert!(!lent.contains(&slot), "slot {slot} is lent");
                    lent.push_back(slot);
                    descriptors[usize::from(slot)] = ReceiveDescriptor::offer(Iova::new(0x1000));
                }
            }
            3..=4 => {
                let slot = bytes.below(descriptors.len());
                let [status, errors] = bytes.array().map(u64::from);
                let facts = u64::from(bytes.u16()) | status << 32 | errors << 40;
                descriptors[slot] = ReceiveDescriptor([bytes.byte().into(), facts]);
            }
            5..=6 => drain(&mut ring, &mut reader, &descriptors, (&mut lent, buffer)),
            _ => {
                // A reset: what is lent lies at the ring's beginning then, written anew.
                ring.rewind();
                reader.restart();
                lent = (0..ring.lent()).collect();
                descriptors.fill(ReceiveDescriptor::offer(Iova::new(0x1000)));
            }
        }
        assert_eq!(usize::from(ring.lent()), lent.len());
        assert!(ring.tail() < size.descriptors() && !lent.contains(&ring.tail()));
        assert_eq!(ring.room() + ring.lent() + 1, size.descriptors());
    }
}

fn drain(
    ring: &mut Ring,
    reader: &mut FrameReader,
    descriptors: &[ReceiveDescriptor],
    (lent, buffer): (&mut VecDeque<u16>, usize),
) {
    while let Some(slot) = ring.oldest() {
        let dropped = reader.dropped();
        let piece = reader.judge(descriptors[usize::from(slot)], buffer);
        let counted = reader.dropped() - dropped;
        assert_eq!(counted, u64::from(matches!(piece, Piece::Dropped(_))));
        match piece {
            Piece::NotDone => return,
            Piece::Frame { length } => assert!((HEADER..=buffer).contains(&length)),
            Piece::Dropped(_) | Piece::Rest => {}
        }
        assert_eq!((ring.take_back(), lent.pop_front()), (Some(slot), Some(slot)));
    }
}

/// Registers that read as anything.
struct Window<'a> {
    bytes: RefCell<Bytes<'a>>,
    reads: Cell<usize>,
    writes: RefCell<Vec<(usize, u32)>>,
}

impl Registers for Window<'_> {
    fn len(&self) -> usize {
        WINDOW
    }

    fn read32(&self, offset: usize) -> u32 {
        assert!(offset < WINDOW && offset.is_multiple_of(4));
        self.reads.set(self.reads.get() + 1);
        self.bytes.borrow_mut().u32()
    }

    fn write32(&self, offset: usize, value: u32) {
        assert!(offset < WINDOW && offset.is_multiple_of(4));
        self.writes.borrow_mut().push((offset, value));
    }
}

/// A clock that moves a millisecond whenever it is looked at.
#[derive(Default)]
struct Milliseconds(Cell<u64>);

impl Clock for Milliseconds {
    fn now_ns(&self) -> u64 {
        self.0.set(self.0.get() + 1_000_000);
        self.0.get()
    }

    fn relax(&self) {}
}

fn check_controller(bytes: Bytes<'_>) {
    let (reads, writes) = (Cell::new(0), RefCell::default());
    let window = Window { bytes: RefCell::new(bytes), reads, writes };
    let controller = Controller::new(&window);
    if let Err(error) = controller.reset(&Milliseconds::default()) {
        assert!(!error.to_string().is_empty());
    }
    assert!(window.reads.get() < MOST_READS, "{} reads", window.reads.get());
    let address = match controller.address() {
        Ok(address) => address,
        Err(_) => MacAddress([2, 0, 0, 0, 0, 1]),
    };
    assert!(address.is_station());
    let size = RingSize::new(8).expect("a size that is allowed");
    let [receive, transmit] =
        [0x12_3456_7000, 0x65_4321_8000].map(|base| RingPlace { base: Iova::new(base), size });
    window.writes.borrow_mut().clear();
    controller.bring_up(Mode::Network(address), receive, transmit);
    // Where the rings lie, is the driver's word alone: low and high half, and length (82574 "Receive Descriptor Base
    // Address Low" and following).
    for (offset, expected) in [
        (0x2800, 0x3456_7000),
        (0x2804, 0x12),
        (0x2808, 128),
        (0x3800, 0x4321_8000),
        (0x3804, 0x65),
        (0x3808, 128),
    ] {
        let writes = window.writes.borrow();
        let values: Vec<_> = writes.iter().filter(|(at, _)| *at == offset).map(|(_, value)| *value).collect();
        assert_eq!(values, [expected], "{offset:#x}");
    }
    let _ = (controller.status(), controller.acknowledge());
}
