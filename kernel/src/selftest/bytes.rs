//! Buffers that share pages with others: what a device reads and writes of them, and what it finds beside them.

use alloc::vec::Vec;

use dma_types::{Access, PAGE_SIZE};

use super::{check, some_device, transfer};
use crate::devices::{Overreach, Trust};
use crate::dma::{Both, ByteBuffer, Device, DirectionType, FromDevice, Mapping, ToDevice, inspect};
use crate::memory::{direct, frames};

const NAME: &str = "byte-buffers";

/// What buffers hold before.
const FILL: u8 = 0x96;

/// Lengths around those at which the way of sharing changes.
const LENGTHS: [usize; 8] = [1, 63, 64, 1500, 2048, 2049, 4096, 3 * 4096 + 1];

/// Moves bytes through buffers of many lengths, and looks at each from the device's side and the driver's.
pub(super) fn run() {
    let Some(device) = some_device(NAME) else { return };
    let pass = || LENGTHS.iter().try_for_each(|length| layout(device, *length)).and_then(|()| copies(device));
    // The first pass may leave tables behind for the next mapping.
    let first = pass();
    let free = frames::free_frames();
    let lost = || if frames::free_frames() == free { Ok(()) } else { Err("not all frames came back") };
    check(NAME, first.and_then(|()| pass()).and_then(|()| lost()));
}

/// What the device is let into is the buffer's bytes and zeros, and the address keeps the offset of a trusted one.
fn layout(device: &'static dyn Overreach, length: usize) -> Result<(), &'static str> {
    let mut buffer = ByteBuffer::new(length).map_err(|_| "no memory")?;
    let mut beside = ByteBuffer::new(length).map_err(|_| "no memory")?;
    if buffer.bytes().iter().any(|byte| *byte != 0) || buffer.len() != length {
        return Err("a new buffer is not as long as asked for, or not zeroed");
    }
    buffer.bytes_mut().fill(FILL);
    beside.bytes_mut().fill(!FILL);
    let home = inspect::bytes(&buffer);
    let mapping = device.dma().map::<ToDevice, _>(buffer, "byte buffer test").map_err(|_| "no room")?;
    let start = inspect::mapping(&mapping);
    let shares = length <= PAGE_SIZE as usize / 2;
    let in_place = !shares || device.record().trust == Trust::Trusted;
    if (start == home) != in_place || mapping.iova().page_offset() != start.page_offset() {
        return Err("the device is let into another place than it should be");
    }
    let mut seen = alloc::vec![0; length.next_multiple_of(PAGE_SIZE as usize)];
    direct::read(start.page(), &mut seen).map_err(|_| "the buffer is not memory")?;
    let (own, rest) = seen.split_at(length.min(seen.len()));
    let exposed =
        (own.iter().any(|byte| *byte != FILL) || rest.iter().any(|byte| *byte != 0)) && !(shares && in_place);
    let buffer = mapping.unmap().map_err(|_| "the buffer could not be taken back")?;
    match buffer.bytes().iter().all(|byte| *byte == FILL) && inspect::bytes(&buffer) == home {
        true if exposed => Err("the device is let into more than the buffer and zeros"),
        true => Ok(()),
        false => Err("the buffer came back changed"),
    }
}

/// What the device reads is what the driver wrote, and the other way round; both ways in one mapping as well.
fn copies(device: &'static dyn Overreach) -> Result<(), &'static str> {
    let length = device.skill().bytes(Access::Read) as usize;
    let text: Vec<u8> = (1..=255).cycle().take(length).collect();
    let buffer = |content: u8, length: usize| {
        let mut buffer = ByteBuffer::new(length).map_err(|_| "no memory")?;
        buffer.bytes_mut().fill(content);
        Ok::<_, &'static str>(buffer)
    };
    let mut source = buffer(0, length)?;
    source.bytes_mut().copy_from_slice(&text);
    let source = give::<ToDevice>(device.dma(), source)?;
    transfer(device, Access::Read, source.iova())?;
    take(source)?;
    // Longer than the transfer: what the device does not write stays as it was.
    let landing = give::<FromDevice>(device.dma(), buffer(FILL, length + 1)?)?;
    transfer(device, Access::Write, landing.iova())?;
    let landing = take(landing)?;
    let [written @ .., last] = landing.bytes() else { return Err("an empty buffer") };
    if written != text || *last != FILL {
        return Err("what the device wrote did not come back, or more than it wrote");
    }
    let exchange = give::<Both>(device.dma(), buffer(FILL, length)?)?;
    transfer(device, Access::Read, exchange.iova())?;
    transfer(device, Access::Write, exchange.iova())?;
    match take(exchange)?.bytes().iter().all(|byte| *byte == FILL) {
        true => Ok(()),
        false => Err("a buffer used both ways did not keep what the device read from it"),
    }
}

/// Lends a buffer.
#[track_caller]
pub(super) fn give<D: DirectionType>(
    device: &Device,
    buffer: ByteBuffer,
) -> Result<Mapping<D, ByteBuffer>, &'static str> {
    device.map(buffer, "byte buffer test").map_err(|_| "no room")
}

/// Takes a buffer back.
#[track_caller]
pub(super) fn take<D>(mapping: Mapping<D, ByteBuffer>) -> Result<ByteBuffer, &'static str> {
    mapping.unmap().map_err(|_| "the buffer could not be taken back")
}
