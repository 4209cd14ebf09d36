//! What a bad crate says by the functions of virtio's `Hal`: each function breaks one rule, but the first.

use core::ptr::NonNull;

use dma_types::Iova;
use virtio_drivers::BufferDirection;

use super::filled;
use crate::devices::virtio::{Announced, Lender};
use crate::dma::DmaError;

const OUT: BufferDirection = BufferDirection::DriverToDevice;
/// Pages of a queue.
const PAGES: usize = 2;
/// Where nothing lies; no device is told of it.
const SOMEWHERE: Iova = Iova::new(0x1000);

/// Correct use.
pub(super) fn use_correctly(lender: &Lender) -> Result<(), DmaError> {
    let queue = lender.allocate(PAGES, OUT).ok_or(DmaError::OutOfMemory)?;
    announce(lender, |lender, buffer| {
        lender.share(buffer, OUT);
        lender.unshare(SOMEWHERE, buffer, OUT);
    })?;
    lender.free(queue, PAGES);
    Ok(())
}

pub(super) fn share_twice(lender: &Lender) -> Result<(), DmaError> {
    announce(lender, |lender, buffer| {
        lender.share(buffer, OUT);
        lender.share(buffer, OUT);
    })
}

pub(super) fn share_unannounced(lender: &Lender) -> Result<(), DmaError> {
    lender.share(NonNull::from(&mut filled()[..]), OUT);
    Ok(())
}

pub(super) fn unshare_unshared(lender: &Lender) -> Result<(), DmaError> {
    announce(lender, |lender, buffer| lender.unshare(SOMEWHERE, buffer, OUT))
}

pub(super) fn free_less(lender: &Lender) -> Result<(), DmaError> {
    let queue = lender.allocate(PAGES, OUT).ok_or(DmaError::OutOfMemory)?;
    lender.free(queue, PAGES / 2);
    Ok(())
}

pub(super) fn leave_queue(lender: &Lender) -> Result<(), DmaError> {
    lender.allocate(PAGES, OUT).map(drop).ok_or(DmaError::OutOfMemory)
}

/// Announces a buffer and lets the crate do something with it.
fn announce(lender: &Lender, submit: fn(&Lender, NonNull<[u8]>)) -> Result<(), DmaError> {
    let mut bytes = filled();
    let memory = NonNull::from(&mut bytes[..]);
    let part = Announced { memory, iova: SOMEWHERE };
    lender.announce([part].into_iter().collect(), || submit(lender, memory))
}
