//! No memory left: whoever asks is refused, and faults are answered all the same.

use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Access, Iova};
use frames::Order;

use super::{check, copying_devices};
use crate::attack::{Notice, announce, land};
use crate::devices::Overreach;
use crate::dma::{FromDevice, PageBuffer, inspect};
use crate::memory::frames as allocator;
use crate::platform::clock::{self, Deadline};
use ::attack::Progress;

const NAME: &str = "exhaustion";

/// Blocks that can be held: frames are taken in the largest blocks first, so few are needed.
const BLOCKS: usize = 4096;

/// Pieces of the heap that can be held, and their sizes, from the largest.
const PIECES: usize = 4096;
const PIECE_BYTES: [usize; 6] = [1 << 20, 1 << 16, 1 << 13, 1 << 10, 1 << 7, 1 << 5];

/// Longest time for the transfer.
const TRANSFER: Duration = Duration::from_secs(20);

/// Takes all frames and then all of the heap, looks at who is refused, and gives everything back.
pub(super) fn run() {
    check(NAME, exhaust());
}

fn exhaust() -> Result<(), &'static str> {
    const NO_MEMORY: &str = "there was no memory to begin with";
    let device = copying_devices().next();
    let canary = PageBuffer::new(0).map_err(|_| NO_MEMORY)?;
    let spare = PageBuffer::new(0).map_err(|_| NO_MEMORY)?;
    let mut blocks = Vec::with_capacity(BLOCKS);
    let mut pieces = Vec::with_capacity(PIECES);
    let free = allocator::free_frames();
    take_frames(&mut blocks);
    take_heap(&mut pieces);
    let refused = is_refused();
    let answered = device.map_or(Ok(()), |device| fault(device, &canary));
    let mapped = device.map_or(Ok(()), |device| map(device, spare));
    drop(pieces);
    drop(blocks);
    refused.and(answered).and(mapped)?;
    if allocator::free_frames() < free {
        return Err("not all frames came back");
    }
    Ok(())
}

fn take_frames(blocks: &mut Vec<PageBuffer>) {
    let mut exponent = Order::MAX.frames().ilog2() as u8;
    while blocks.len() < blocks.capacity() {
        match (PageBuffer::new(exponent), exponent) {
            (Ok(block), _) => blocks.push(block),
            (Err(_), 0) => return,
            (Err(_), _) => exponent -= 1,
        }
    }
}

fn take_heap(pieces: &mut Vec<Vec<u8>>) {
    for bytes in PIECE_BYTES {
        while pieces.len() < pieces.capacity() {
            let mut piece = Vec::new();
            if piece.try_reserve_exact(bytes).is_err() {
                break;
            }
            pieces.push(piece);
        }
    }
}

fn is_refused() -> Result<(), &'static str> {
    if PageBuffer::new(0).is_ok() {
        return Err("there was a page although all were taken");
    }
    if Vec::<u8>::new().try_reserve_exact(PIECE_BYTES[0]).is_ok() {
        return Err("the heap grew although no page was left");
    }
    Ok(())
}

/// Has a fault recorded, diagnosed and reported.
fn fault(device: &'static dyn Overreach, canary: &PageBuffer) -> Result<(), &'static str> {
    let target = Iova::new(inspect::buffer(canary).as_u64());
    let flight = announce(device.record(), Access::Write, target, Notice::Announced);
    let flight = flight.ok_or("too many attacks are under way")?;
    let started = device.start(Access::Write, target).map_err(|_| "the device did not start");
    let deadline = Deadline::after(TRANSFER);
    while device.poll() == Progress::Busy && !deadline.expired() {
        clock::sleep(Duration::from_millis(1));
    }
    // The device is done before its fault's interrupt has arrived.
    clock::sleep(Duration::from_millis(5));
    let seen = land(flight).and_then(|flight| flight.seen);
    started?;
    seen.map(|_| ()).ok_or("a fault was not answered")
}

/// Maps a page: that may be refused, but must not fail otherwise, and is undone.
fn map(device: &'static dyn Overreach, page: PageBuffer) -> Result<(), &'static str> {
    match device.dma().map::<FromDevice, _>(page, "exhaustion test") {
        Ok(mapping) => mapping.unmap().map(|_| ()).map_err(|_| "the page could not be taken back"),
        Err(_) => Ok(()),
    }
}
