//! The receive ring: buffers lent to the device one by one, and taken back with a frame each.

use alloc::vec::Vec;

use e1000e::spec::receive::ReceiveDescriptor;
use e1000e::{FrameReader, Mode, Piece, Ring, RingPlace, RingSize};

use crate::dma::{self, Both, DmaError, FromDevice, Mapping, PageBuffer, Shared};

/// The ring, and the buffer of each of its slots that is the device's.
pub struct ReceiveQueue {
    ring: Ring,
    reader: FrameReader,
    descriptors: Shared<[u64; 2], Both>,
    lent: Vec<Option<Mapping<FromDevice>>>,
    spare: Vec<PageBuffer>,
}

impl ReceiveQueue {
    /// A ring of which the device has nothing yet.
    pub fn new(dma: &dma::Device, size: RingSize) -> Result<Self, DmaError> {
        let slots = usize::from(size.descriptors());
        Ok(Self {
            ring: Ring::new(size),
            reader: FrameReader::default(),
            descriptors: dma.share(slots, "e1000e receive ring")?,
            lent: (0..slots).map(|_| None).collect(),
            spare: Vec::with_capacity(slots),
        })
    }

    /// Where the ring lies.
    pub fn place(&self) -> RingPlace {
        RingPlace { base: self.descriptors.iova(), size: self.ring.size() }
    }

    /// What the tail register is to say.
    pub fn tail(&self) -> u16 {
        self.ring.tail()
    }

    /// The descriptors, for a transfer that has the ring to itself; [`rewind`](Self::rewind) makes it good.
    pub fn descriptors(&self) -> &Shared<[u64; 2], Both> {
        &self.descriptors
    }

    /// Lends the device as many buffers as it can have. Tells whether there were any to lend.
    pub fn fill(&mut self, dma: &dma::Device) -> bool {
        let before = self.ring.lent();
        while self.ring.room() > 0 {
            let Some(buffer) = self.spare.pop().or_else(|| PageBuffer::new(0).ok()) else { break };
            match dma.map(buffer, "e1000e received frame") {
                Ok(mapping) => self.lend(mapping),
                Err(refused) => {
                    self.spare.extend(refused.buffer);
                    break;
                }
            }
        }
        self.ring.lent() > before
    }

    fn lend(&mut self, mapping: Mapping<FromDevice>) {
        let Some(slot) = self.ring.give().map(usize::from) else { return };
        self.descriptors.write(slot, ReceiveDescriptor::offer(mapping.iova()).0);
        if let Some(place) = self.lent.get_mut(slot) {
            *place = Some(mapping);
        }
    }

    /// Takes buffers back that the device is done with, until one holds a frame of so many bytes. The unit
    /// has forgotten the buffer then, and the device cannot change it any more.
    pub fn next_frame(&mut self) -> Option<(PageBuffer, usize)> {
        while let Some(slot) = self.ring.oldest().map(usize::from) {
            let descriptor = ReceiveDescriptor(self.descriptors.read(slot));
            let piece = self.reader.judge(descriptor, Mode::NETWORK_BUFFER);
            if piece == Piece::NotDone {
                return None;
            }
            self.ring.take_back();
            // A buffer whose unmapping fails is lost, and its frame with it; another one takes its place.
            let Some(Ok(buffer)) = self.lent.get_mut(slot).and_then(Option::take).map(Mapping::unmap) else {
                continue;
            };
            match piece {
                Piece::Frame { length } => return Some((buffer, length)),
                Piece::Dropped(defect) => {
                    log::debug!("{defect}; {} frames were dropped so far", self.reader.dropped());
                }
                Piece::Rest | Piece::NotDone => {}
            }
            self.spare.push(buffer);
        }
        None
    }

    /// Takes a buffer in whose frame was looked at, and tells how many can be lent anew.
    pub fn put_back(&mut self, buffer: PageBuffer) -> usize {
        self.spare.push(buffer);
        self.spare.len()
    }

    /// Begins anew at slot 0, as the device does after a reset, with the buffers that it has. Frames that
    /// were not taken are lost.
    pub fn rewind(&mut self) {
        if let Some(oldest) = self.ring.oldest() {
            self.lent.rotate_left(usize::from(oldest));
        }
        self.ring.rewind();
        self.reader.restart();
        for (slot, mapping) in self.lent.iter().enumerate() {
            if let Some(mapping) = mapping {
                self.descriptors.write(slot, ReceiveDescriptor::offer(mapping.iova()).0);
            }
        }
    }
}
