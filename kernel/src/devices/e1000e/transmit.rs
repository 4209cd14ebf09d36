//! The transmit ring: each frame in a buffer of its own, lent to the device until it has been read.

use alloc::vec::Vec;

use e1000e::{HEADER, LONGEST_FRAME, RingPlace, RingSize, Stall, TransmitRing};

use crate::devices::NicError;
use crate::dma::{self, Both, DmaError, Mapping, PageBuffer, Shared, ToDevice};
use crate::platform::clock;

/// The ring in shared memory, and buffers for it.
pub struct TransmitQueue {
    ring: TransmitRing<Mapping<ToDevice>>,
    descriptors: Shared<[u64; 2], Both>,
    spare: Vec<PageBuffer>,
}

impl TransmitQueue {
    /// A ring of which the device has nothing yet.
    pub fn new(dma: &dma::Device, size: RingSize) -> Result<Self, DmaError> {
        let slots = usize::from(size.descriptors());
        Ok(Self {
            ring: TransmitRing::new(size),
            descriptors: dma.share(slots, "e1000e transmit ring")?,
            spare: Vec::with_capacity(slots),
        })
    }

    /// Where the ring lies.
    pub fn place(&self) -> RingPlace {
        RingPlace { base: self.descriptors.iova(), size: self.ring.ring().size() }
    }

    /// The descriptors, for a transfer that has the ring to itself; [`rewind`](Self::rewind) makes it good.
    pub fn descriptors(&self) -> &Shared<[u64; 2], Both> {
        &self.descriptors
    }

    /// Lends the device a buffer with a frame, and gives what the tail register is to say.
    ///
    /// # Errors
    /// If there is no room, no memory, or no frame has such a length.
    pub fn send(&mut self, dma: &dma::Device, frame: &[u8]) -> Result<u16, NicError> {
        if !(HEADER..=LONGEST_FRAME).contains(&frame.len()) {
            return Err(NicError::Length(frame.len()));
        }
        self.reclaim();
        if self.ring.ring().room() == 0 {
            return Err(NicError::Busy);
        }
        let mut buffer = match self.spare.pop() {
            Some(buffer) => buffer,
            None => PageBuffer::new(0).map_err(DmaError::from)?,
        };
        if let Some(place) = buffer.bytes_mut().get_mut(..frame.len()) {
            place.copy_from_slice(frame);
        }
        let mapping = dma.map(buffer, "e1000e sent frame").map_err(|refused| {
            self.spare.extend(refused.buffer);
            refused.error
        })?;
        let part = (mapping.iova(), frame.len() as u16);
        self.ring
            .lend(mapping, part, &self.descriptors, clock::now_ns())
            .map_err(|_unmapped| NicError::Busy)?;
        Ok(self.ring.ring().tail())
    }

    /// Takes the buffers back that the device has read.
    pub fn reclaim(&mut self) {
        while let Some(mapping) = self.ring.next(&self.descriptors, clock::now_ns()) {
            self.keep(mapping);
        }
    }

    /// Tells whether frames have waited for too long.
    pub fn is_stalled(&self) -> bool {
        self.ring.is_stalled(clock::now_ns())
    }

    /// Counts a stall, and says what comes of it.
    pub fn note_stall(&mut self) -> Stall {
        self.ring.note_stall()
    }

    /// Begins anew at slot 0, as the device does after a reset. Frames that were not sent are lost.
    pub fn rewind(&mut self) {
        while let Some(mapping) = self.ring.take_back() {
            self.keep(mapping);
        }
    }

    fn keep(&mut self, mapping: Mapping<ToDevice>) {
        // One whose unmapping fails is lost; another one will take its place.
        self.spare.extend(mapping.unmap().ok());
    }
}
