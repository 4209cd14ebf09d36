//! The transmit ring: each frame in a buffer of its own, lent to the device until it has been read.

use alloc::vec::Vec;

use e1000e::spec::transmit::TransmitDescriptor;
use e1000e::{HEADER, LONGEST_FRAME, Ring, RingPlace, RingSize};

use crate::devices::NicError;
use crate::dma::{self, Both, DmaError, Mapping, PageBuffer, Shared, ToDevice};

/// The ring, and the buffer of each of its slots that is the device's.
pub struct TransmitQueue {
    ring: Ring,
    descriptors: Shared<[u64; 2], Both>,
    lent: Vec<Option<Mapping<ToDevice>>>,
    spare: Vec<PageBuffer>,
}

impl TransmitQueue {
    /// A ring of which the device has nothing yet.
    pub fn new(dma: &dma::Device, size: RingSize) -> Result<Self, DmaError> {
        let slots = usize::from(size.descriptors());
        Ok(Self {
            ring: Ring::new(size),
            descriptors: dma.share(slots, "e1000e transmit ring")?,
            lent: (0..slots).map(|_| None).collect(),
            spare: Vec::with_capacity(slots),
        })
    }

    /// Where the ring lies.
    pub fn place(&self) -> RingPlace {
        RingPlace { base: self.descriptors.iova(), size: self.ring.size() }
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
        if self.ring.room() == 0 {
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
        let slot = self.ring.give().map(usize::from).ok_or(NicError::Busy)?;
        self.descriptors.write(slot, TransmitDescriptor::last(mapping.iova(), frame.len() as u16).0);
        if let Some(place) = self.lent.get_mut(slot) {
            *place = Some(mapping);
        }
        Ok(self.ring.tail())
    }

    /// Takes the buffers back that the device has read.
    pub fn reclaim(&mut self) {
        while let Some(slot) = self.ring.oldest().map(usize::from) {
            if !TransmitDescriptor(self.descriptors.read(slot)).is_done() {
                return;
            }
            self.take_back(slot);
        }
    }

    /// Begins anew at slot 0, as the device does after a reset. Frames that were not sent are lost.
    pub fn rewind(&mut self) {
        while let Some(slot) = self.ring.oldest().map(usize::from) {
            self.take_back(slot);
        }
        self.ring.rewind();
    }

    fn take_back(&mut self, slot: usize) {
        self.ring.take_back();
        // One whose unmapping fails is lost; another one will take its place.
        if let Some(Ok(buffer)) = self.lent.get_mut(slot).and_then(Option::take).map(Mapping::unmap) {
            self.spare.push(buffer);
        }
    }
}
