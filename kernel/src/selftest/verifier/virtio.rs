//! What a bad crate says by the functions of virtio's `Hal`: each function breaks one rule, but the first.

use core::ptr::NonNull;

use dma_types::Iova;
use virtio_drivers::BufferDirection;

use super::filled;
use crate::devices::virtio::{Announced, Slot};
use crate::dma::DmaError;

const OUT: BufferDirection = BufferDirection::DriverToDevice;
/// Pages of a queue.
const PAGES: usize = 2;
/// Where nothing lies; no device is told of it.
const SOMEWHERE: Iova = Iova::new(0x1000);

/// Correct use.
pub(super) fn use_correctly(slot: &Slot) -> Result<(), DmaError> {
    let queue = slot.allocate(PAGES, OUT).ok_or(DmaError::Books)?;
    announce(slot, |slot, buffer| {
        slot.share(buffer, OUT);
        slot.unshare(SOMEWHERE, buffer, OUT);
    })?;
    slot.free(queue, PAGES);
    Ok(())
}

pub(super) fn share_twice(slot: &Slot) -> Result<(), DmaError> {
    announce(slot, |slot, buffer| {
        slot.share(buffer, OUT);
        slot.share(buffer, OUT);
    })
}

pub(super) fn share_unannounced(slot: &Slot) -> Result<(), DmaError> {
    slot.share(NonNull::from(&mut filled()[..]), OUT);
    Ok(())
}

pub(super) fn unshare_unshared(slot: &Slot) -> Result<(), DmaError> {
    announce(slot, |slot, buffer| slot.unshare(SOMEWHERE, buffer, OUT))
}

pub(super) fn free_less(slot: &Slot) -> Result<(), DmaError> {
    let queue = slot.allocate(PAGES, OUT).ok_or(DmaError::Books)?;
    slot.free(queue, PAGES / 2);
    Ok(())
}

pub(super) fn leave_queue(slot: &Slot) -> Result<(), DmaError> {
    slot.allocate(PAGES, OUT).map(drop).ok_or(DmaError::Books)
}

/// Announces a buffer and lets the crate do something with it.
fn announce(slot: &Slot, submit: fn(&Slot, NonNull<[u8]>)) -> Result<(), DmaError> {
    let mut bytes = filled();
    let memory = NonNull::from(&mut bytes[..]);
    let part = Announced { memory, iova: SOMEWHERE };
    slot.announce([part].into_iter().collect(), || submit(slot, memory))
}
