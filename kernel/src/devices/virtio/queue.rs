//! A queue of requests: the crate's, with the memory of what is under way in its keeping.
//!
//! A [`Chain`] of buffers goes in and comes back whole; while the device has it, nobody else can touch it. What
//! the device says of a queue is checked here: it can only give back what it was given.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: hands buffers to the crate's queues, which take them by reference"
)]

use core::mem::ManuallyDrop;

use arrayvec::ArrayVec;
use virtio::{Given, InFlight};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::{Error, Result};

use super::VirtioError;
use super::chain::{Chain, PARTS, Pages, Part};
use super::hal::{Announced, KernelHal, Lender};
use super::transport::IsolatedTransport;
use crate::dma::DmaError;

/// Descriptors of every queue.
pub const SIZE: usize = 32;

/// A request that the device has given back.
pub struct Finished {
    chain: Chain,
    /// Bytes that the device says it wrote, no more than it could.
    pub written: usize,
    /// Bytes that it could write.
    pub room: usize,
}

impl Finished {
    /// Takes the pages back, in the order of the buffers; an address that was aimed at has none.
    ///
    /// # Errors
    /// If the unit did not confirm that the device cannot reach them any more. Those are lost then.
    #[track_caller]
    pub fn end(self) -> core::result::Result<Pages, DmaError> {
        let mut pages = Pages::new();
        for part in self.chain {
            pages.push(part.end()?);
        }
        Ok(pages)
    }
}

/// A queue of a device.
pub struct Queue {
    /// Dropped while the lender serves it.
    ring: ManuallyDrop<VirtQueue<KernelHal, SIZE>>,
    lender: Lender,
    in_flight: InFlight<Chain>,
}

impl Queue {
    /// Makes a queue and tells the device of it.
    ///
    /// # Errors
    /// If the device has no such queue or too short a one, or there is no memory.
    pub fn new(lender: &Lender, transport: &mut IsolatedTransport, index: u16) -> Result<Self> {
        let ring = lender.serve(|| VirtQueue::new(transport, index, false, false))?;
        Ok(Self { ring: ManuallyDrop::new(ring), lender: lender.clone(), in_flight: InFlight::new(SIZE) })
    }

    /// Puts a request into the queue; the device is still to be notified.
    ///
    /// # Errors
    /// If the queue is full, or the request is empty or out of order; its buffers are taken back.
    pub fn submit(&mut self, mut chain: Chain) -> Result<()> {
        let mut buffers = Buffers::of(&mut chain).ok_or(Error::InvalidParam)?;
        let room = buffers.room();
        let ring = &mut self.ring;
        let token = self.lender.announce(buffers.all.clone(), || {
            buffers.lend(|read, written| {
                // SAFETY: the chain keeps the buffers until `pop` has returned this token, or the queue is
                // gone; nobody can get at them there.
                unsafe { ring.add(read, written) }
            })
        });
        let token = token.map_err(|_| Error::DmaError)?;
        self.in_flight.give(token?, Given { request: chain, room });
        Ok(())
    }

    /// Takes the next request that the device has given back.
    ///
    /// # Errors
    /// If the device gives back what it does not have, or says that it wrote more than it could. The queue cannot be used
    /// any more.
    pub fn pop(&mut self) -> core::result::Result<Option<Finished>, VirtioError> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let mut given = self.in_flight.take_back(token)?;
        let mut buffers = Buffers::of(&mut given.request).ok_or(VirtioError::Queue)?;
        let ring = &mut self.ring;
        let popped = self.lender.serve(|| {
            buffers.lend(|read, written| {
                // SAFETY: these are the buffers that went in with this token.
                unsafe { ring.pop_used(token, read, written) }
            })
        });
        match popped {
            Ok(written) => {
                let (written, room) = (given.check_length(written)?, given.room);
                Ok(Some(Finished { chain: given.request, written, room }))
            }
            Err(error) => {
                self.in_flight.give(token, given);
                Err(error.into())
            }
        }
    }

    /// Tells whether [`pop`](Self::pop) has something to say.
    pub fn has_finished(&self) -> bool {
        self.ring.peek_used().is_some()
    }

    /// Tells whether the device wants to be notified of new requests.
    pub fn wants_notice(&self) -> bool {
        self.ring.should_notify()
    }

    /// Requests that fit in still, of one buffer each.
    pub fn room(&self) -> usize {
        self.ring.available_desc()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The crate forgets what is under way.
        for part in self.in_flight.iter_mut().flatten() {
            self.lender.withdraw(&part.announced());
        }
        let ring = &mut self.ring;
        self.lender.serve(|| {
            // SAFETY: the queue is being dropped, so nobody uses the ring after this.
            unsafe { ManuallyDrop::drop(ring) }
        });
    }
}

/// A chain's buffers as the crate takes them.
struct Buffers {
    all: ArrayVec<Announced, PARTS>,
    read: usize,
}

impl Buffers {
    /// `None` if there are none, or one is empty, or one that is read follows one that is written.
    fn of(chain: &mut Chain) -> Option<Self> {
        let read = chain.iter().take_while(|part| part.is_read()).count();
        let in_order = !chain.iter().skip(read).any(Part::is_read);
        let all: ArrayVec<_, PARTS> = chain.iter_mut().map(Part::announced).collect();
        let full = !all.is_empty() && all.iter().all(|part| !part.memory.is_empty());
        (in_order && full).then_some(Self { all, read })
    }

    /// Bytes that the device may write.
    fn room(&self) -> usize {
        self.all.iter().skip(self.read).map(|part| part.memory.len()).sum()
    }

    /// Shows the buffers to `call`, those that the device reads first.
    fn lend<T>(&mut self, call: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T) -> T {
        let (to_read, to_write) = self.all.split_at(self.read);
        let mut read: [&[u8]; PARTS] = [&[]; PARTS];
        for (place, part) in read.iter_mut().zip(to_read) {
            // SAFETY: the chain's own memory, which lives as long and which the device only reads.
            *place = unsafe { part.memory.as_ref() };
        }
        let mut written: [&mut [u8]; PARTS] = core::array::from_fn(|_| <&mut [u8]>::default());
        for (place, part) in written.iter_mut().zip(to_write) {
            // SAFETY: the chain's own memory, each buffer once; the crate does not look at it while the device
            // may write it.
            *place = unsafe { &mut *part.memory.as_ptr() };
        }
        call(&read[..to_read.len()], &mut written[..to_write.len()])
    }
}
