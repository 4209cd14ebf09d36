//! The receive ring: buffers lent to the device one by one, and taken back with a frame each.

use alloc::vec::Vec;

use e1000e::{Mode, Nonsense, Piece, ReceiveRing, Returned, RingPlace, RingSize};

use crate::devices::DeviceRecord;
use crate::dma::{self, Both, DmaError, FromDevice, Mapping, PageBuffer, Shared};

/// The ring in shared memory, and buffers for it.
pub struct ReceiveQueue {
    record: &'static DeviceRecord,
    ring: ReceiveRing<Mapping<FromDevice>>,
    descriptors: Shared<[u64; 2], Both>,
    spare: Vec<PageBuffer>,
}

impl ReceiveQueue {
    /// A ring of which the device has nothing yet.
    pub fn new(record: &'static DeviceRecord, dma: &dma::Device, size: RingSize) -> Result<Self, DmaError> {
        let slots = usize::from(size.descriptors());
        Ok(Self {
            record,
            ring: ReceiveRing::new(size),
            descriptors: dma.share(slots, "e1000e receive ring")?,
            spare: Vec::with_capacity(slots),
        })
    }

    /// Where the ring lies.
    pub fn place(&self) -> RingPlace {
        RingPlace { base: self.descriptors.iova(), size: self.ring.ring().size() }
    }

    /// What the tail register is to say.
    pub fn tail(&self) -> u16 {
        self.ring.ring().tail()
    }

    /// The descriptors, for a transfer that has the ring to itself; [`rewind`](Self::rewind) makes it good.
    pub fn descriptors(&self) -> &Shared<[u64; 2], Both> {
        &self.descriptors
    }

    /// Lends the device as many buffers as it can have. Tells whether there were any to lend.
    pub fn fill(&mut self, dma: &dma::Device) -> bool {
        let before = self.ring.ring().lent();
        while self.ring.ring().room() > 0 {
            let Some(buffer) = self.spare.pop().or_else(|| PageBuffer::new(0).ok()) else { break };
            match dma.map(buffer, "e1000e received frame") {
                Ok(mapping) => {
                    let at = mapping.iova();
                    // There was room; one for which there is none is unmapped again.
                    let _ = self.ring.lend(mapping, at, &self.descriptors);
                }
                Err(refused) => {
                    self.spare.extend(refused.buffer);
                    break;
                }
            }
        }
        self.ring.ring().lent() > before
    }

    /// Takes buffers back that the device is done with, until one holds a frame of so many bytes. The unit
    /// has forgotten the buffer then, and the device cannot change it any more.
    ///
    /// # Errors
    /// [`Nonsense`]: the device is not to be believed before it was reset.
    pub fn next_frame(&mut self) -> Result<Option<(PageBuffer, usize)>, Nonsense> {
        while let Some(Returned { buffer, piece }) =
            self.ring.next(&self.descriptors, Mode::NETWORK_BUFFER)?
        {
            // A buffer whose unmapping fails is lost, and its frame with it; another one takes its place.
            let Ok(buffer) = buffer.unmap() else { continue };
            match piece {
                Piece::Frame { length } => return Ok(Some((buffer, length))),
                Piece::Dropped(defect) => {
                    let dropped = self.ring.dropped();
                    if dropped.is_power_of_two() {
                        log::warn!("{}: {defect}; {dropped} frames were dropped so far", self.record);
                    }
                }
                Piece::Rest | Piece::NotDone => {}
            }
            self.spare.push(buffer);
        }
        Ok(None)
    }

    /// Takes a buffer in whose frame was looked at, and tells how many can be lent anew.
    pub fn put_back(&mut self, buffer: PageBuffer) -> usize {
        self.spare.push(buffer);
        self.spare.len()
    }

    /// Begins anew at slot 0, as the device does after a reset, with the buffers that it has. Frames that
    /// were not taken are lost.
    pub fn rewind(&mut self) {
        self.ring.rewind(&self.descriptors, Mapping::iova);
    }
}
