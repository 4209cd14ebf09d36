//! The buffers that the device has, each in a slot of a ring, and how they come back whatever the device writes.
//!
//! A buffer is lent once and comes back once, in the order of lending. Every call reads each descriptor at most once,
//! and a slot that the device does not have is never read.

use alloc::vec::Vec;
use core::fmt;

use dma_types::Iova;

use crate::frames::{Defect, FrameReader, Piece};
use crate::ring::{Ring, RingSize};
use crate::spec::receive::ReceiveDescriptor;
use crate::spec::transmit::TransmitDescriptor;

/// The memory of a ring, which the device reads and writes at any time.
pub trait Descriptors {
    /// Reads a descriptor, once and by value.
    fn read(&self, slot: u16) -> [u64; 2];
    /// Writes a descriptor.
    fn write(&self, slot: u16, words: [u64; 2]);
}

/// A ring, and what is lent in its slots.
#[derive(Debug)]
struct Loans<B> {
    ring: Ring,
    buffers: Vec<Option<B>>,
}

impl<B> Loans<B> {
    fn new(size: RingSize) -> Self {
        Self { ring: Ring::new(size), buffers: (0..size.descriptors()).map(|_| None).collect() }
    }

    /// Puts a buffer into the next slot, or gives it back where there is no room.
    fn lend(&mut self, buffer: B) -> Result<u16, B> {
        let Some(slot) = self.ring.give() else { return Err(buffer) };
        if let Some(place) = self.buffers.get_mut(usize::from(slot)) {
            *place = Some(buffer);
        }
        Ok(slot)
    }

    /// Takes the buffer back that was lent first.
    fn take_back(&mut self) -> Option<B> {
        let slot = self.ring.take_back()?;
        self.buffers.get_mut(usize::from(slot))?.take()
    }

    /// Moves what is lent to the ring's beginning.
    fn rewind(&mut self) {
        if let Some(oldest) = self.ring.oldest() {
            self.buffers.rotate_left(usize::from(oldest));
        }
        self.ring.rewind();
    }
}

/// Receive descriptors that no sound device writes, from one reset to the next, before it is not believed any more.
const MOST_NONSENSE: u16 = 16;

/// The device goes on writing receive descriptors that no frame explains. Only a reset ends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonsense {
    /// The one that was too many.
    pub last: Defect,
}

/// The receive ring.
#[derive(Debug)]
pub struct ReceiveRing<B> {
    loans: Loans<B>,
    reader: FrameReader,
    nonsense: u16,
    /// Set when there was too much.
    condemned: Option<Nonsense>,
}

/// A buffer that is back from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned<B> {
    /// The buffer.
    pub buffer: B,
    /// What it holds; never [`Piece::NotDone`].
    pub piece: Piece,
}

impl<B> ReceiveRing<B> {
    /// A ring of which the device has nothing yet.
    pub fn new(size: RingSize) -> Self {
        Self { loans: Loans::new(size), reader: FrameReader::default(), nonsense: 0, condemned: None }
    }

    /// Which slots are the device's.
    pub const fn ring(&self) -> &Ring {
        &self.loans.ring
    }

    /// Frames dropped so far.
    pub const fn dropped(&self) -> u64 {
        self.reader.dropped()
    }

    /// Lends the device a buffer that it reaches at an address; it has it once the tail register says so.
    ///
    /// # Errors
    /// The buffer, if there is no room.
    pub fn lend(&mut self, buffer: B, at: Iova, memory: &impl Descriptors) -> Result<(), B> {
        let slot = self.loans.lend(buffer)?;
        memory.write(slot, ReceiveDescriptor::offer(at).0);
        Ok(())
    }

    /// Takes the next buffer back that the device says it is done with; of each, the device may write `bytes`.
    ///
    /// # Errors
    /// [`Nonsense`], once there was too much of it: nothing is taken any more before a [`rewind`](Self::rewind).
    pub fn next(&mut self, memory: &impl Descriptors, bytes: usize) -> Result<Option<Returned<B>>, Nonsense> {
        if let Some(nonsense) = self.condemned {
            return Err(nonsense);
        }
        let Some(slot) = self.loans.ring.oldest() else { return Ok(None) };
        let piece = self.reader.judge(ReceiveDescriptor(memory.read(slot)), bytes);
        if piece == Piece::NotDone {
            return Ok(None);
        }
        if let Some(last) = piece.nonsense() {
            self.nonsense = self.nonsense.saturating_add(1);
            if self.nonsense > MOST_NONSENSE {
                let nonsense = Nonsense { last };
                self.condemned = Some(nonsense);
                return Err(nonsense);
            }
        }
        Ok(self.loans.take_back().map(|buffer| Returned { buffer, piece }))
    }

    /// Begins anew at slot 0, as the device does after a reset, with the buffers that it has: `at` says where it
    /// reaches each. Frames that were not taken are lost.
    pub fn rewind(&mut self, memory: &impl Descriptors, at: impl Fn(&B) -> Iova) {
        self.loans.rewind();
        self.reader.restart();
        self.nonsense = 0;
        self.condemned = None;
        for (slot, buffer) in (0..).zip(&self.loans.buffers) {
            if let Some(buffer) = buffer {
                memory.write(slot, ReceiveDescriptor::offer(at(buffer)).0);
            }
        }
    }
}

/// Longest time in which no frame leaves although some wait. A frame takes 1.2 ms at most (IEEE 802.3 at 10 Mb/s),
/// nothing holds one back, and the device may be slow.
const STALL_NS: u64 = 5_000_000_000;

/// Stalls in a row after which a reset does not help.
const MOST_STALLS: u8 = 2;

/// What becomes of a device that sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// It may be of use after a reset.
    Reset,
    /// It was reset before, and has sent nothing since.
    GiveUp,
}

/// The transmit ring.
#[derive(Debug)]
pub struct TransmitRing<B> {
    loans: Loans<B>,
    /// When a frame last left, or began to wait where none did.
    moved_at: u64,
    stalls: u8,
}

impl<B> TransmitRing<B> {
    /// A ring of which the device has nothing yet.
    pub fn new(size: RingSize) -> Self {
        Self { loans: Loans::new(size), moved_at: 0, stalls: 0 }
    }

    /// Which slots are the device's.
    pub const fn ring(&self) -> &Ring {
        &self.loans.ring
    }

    /// Lends the device a buffer that it reaches at an address, with a frame of so many bytes; it has it once the tail
    /// register says so.
    ///
    /// # Errors
    /// The buffer, if there is no room.
    pub fn lend(
        &mut self,
        buffer: B,
        (at, bytes): (Iova, u16),
        memory: &impl Descriptors,
        now_ns: u64,
    ) -> Result<(), B> {
        if self.loans.ring.lent() == 0 {
            self.moved_at = now_ns;
        }
        let slot = self.loans.lend(buffer)?;
        memory.write(slot, TransmitDescriptor::last(at, bytes).0);
        Ok(())
    }

    /// Takes the next buffer back that the device says it has read.
    pub fn next(&mut self, memory: &impl Descriptors, now_ns: u64) -> Option<B> {
        let slot = self.loans.ring.oldest()?;
        if !TransmitDescriptor(memory.read(slot)).is_done() {
            return None;
        }
        self.moved_at = now_ns;
        self.stalls = 0;
        self.loans.take_back()
    }

    /// Takes the next buffer back, whatever the device says: it was reset. The ring begins at slot 0 once there is none.
    pub fn take_back(&mut self) -> Option<B> {
        let buffer = self.loans.take_back();
        if buffer.is_none() {
            self.loans.rewind();
        }
        buffer
    }

    /// Tells whether frames have waited for too long.
    pub fn is_stalled(&self, now_ns: u64) -> bool {
        self.loans.ring.lent() > 0 && now_ns.saturating_sub(self.moved_at) >= STALL_NS
    }

    /// Counts a stall, and says what comes of it.
    pub fn note_stall(&mut self) -> Stall {
        self.stalls = self.stalls.saturating_add(1);
        if self.stalls < MOST_STALLS { Stall::Reset } else { Stall::GiveUp }
    }
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the controller describes frames that cannot be, again and again: {}", self.last)
    }
}

impl core::error::Error for Nonsense {}

#[cfg(test)]
mod tests;
