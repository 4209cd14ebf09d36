//! Telling frames from what a device claims to be one.
//!
//! A frame fits in one buffer, because buffers are larger than the longest frame that the device accepts.
//! What spans several is dropped whole, and so is what is shorter than an Ethernet header, longer than the
//! buffer that holds it, or damaged.

use core::fmt;

use crate::spec::receive::{ReceiveDescriptor, ReceiveErrors, ReceiveStatus};

/// Bytes of an Ethernet header: the least that a frame has.
pub const HEADER: usize = 14;

/// Bytes of the longest frame to send, its checksum left out.
pub const LONGEST_FRAME: usize = HEADER + 1500;

/// Judges the receive descriptors of a ring, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameReader {
    position: Position,
    dropped: u64,
}

/// What one buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The device is not done with it.
    NotDone,
    /// A frame in its first bytes: at least a header, at most the buffer.
    Frame {
        /// The frame's bytes.
        length: usize,
    },
    /// Nothing of use; a frame is dropped with it, once.
    Dropped(Defect),
    /// More of a frame that was dropped already.
    Rest,
}

/// Why a frame is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// It goes on in the next buffer.
    NotLast,
    /// It was damaged on the way.
    Damaged(ReceiveErrors),
    /// It is shorter than a header.
    Short {
        /// Bytes that the device claims.
        claimed: usize,
    },
    /// It is longer than the buffer that is to hold it.
    BeyondBuffer {
        /// Bytes that the device claims.
        claimed: usize,
        /// Bytes of the buffer.
        buffer: usize,
    },
}

/// Where in the sequence of frames the next buffer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// A frame begins.
    #[default]
    Start,
    /// A frame that is dropped goes on.
    Within,
}

impl Piece {
    /// What no sound device writes, whatever is on the cable: a frame that is shorter than a header or longer than a
    /// buffer is not taken at all. Damage happens to sound ones.
    pub const fn nonsense(self) -> Option<Defect> {
        match self {
            Self::Rest => Some(Defect::NotLast),
            Self::Dropped(Defect::Damaged(_)) | Self::NotDone | Self::Frame { .. } => None,
            Self::Dropped(defect) => Some(defect),
        }
    }
}

impl FrameReader {
    /// Judges the next descriptor, whose buffer has so many bytes. One that is not done changes nothing and
    /// is to be judged again.
    pub fn judge(&mut self, descriptor: ReceiveDescriptor, buffer: usize) -> Piece {
        let status = descriptor.status();
        if !status.contains(ReceiveStatus::DONE) {
            return Piece::NotDone;
        }
        let before = self.position;
        let ends = status.contains(ReceiveStatus::END_OF_FRAME);
        self.position = if ends { Position::Start } else { Position::Within };
        match (before, check(descriptor, buffer)) {
            (Position::Within, _) => Piece::Rest,
            (Position::Start, Ok(length)) => Piece::Frame { length },
            (Position::Start, Err(defect)) => {
                self.dropped = self.dropped.saturating_add(1);
                Piece::Dropped(defect)
            }
        }
    }

    /// Starts anew after a reset of the device; the count of dropped frames stays.
    pub fn restart(&mut self) {
        self.position = Position::Start;
    }

    /// Frames dropped so far, whatever the defect.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The length of the frame that a descriptor holds whole.
fn check(descriptor: ReceiveDescriptor, buffer: usize) -> Result<usize, Defect> {
    if !descriptor.status().contains(ReceiveStatus::END_OF_FRAME) {
        return Err(Defect::NotLast);
    }
    let damage = descriptor.errors().intersection(ReceiveErrors::OF_FRAME);
    if !damage.is_empty() {
        return Err(Defect::Damaged(damage));
    }
    let claimed = usize::from(descriptor.length());
    if claimed < HEADER {
        return Err(Defect::Short { claimed });
    }
    if claimed > buffer {
        return Err(Defect::BeyondBuffer { claimed, buffer });
    }
    Ok(claimed)
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLast => f.write_str("a frame spans several buffers"),
            Self::Damaged(errors) => write!(f, "a frame arrived damaged, errors {:#x}", errors.bits()),
            Self::Short { claimed } => write!(f, "a frame has {claimed} bytes, less than its header"),
            Self::BeyondBuffer { claimed, buffer } => {
                write!(f, "a frame has {claimed} bytes, more than its buffer of {buffer}")
            }
        }
    }
}

impl core::error::Error for Defect {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Defect, FrameReader, HEADER, Piece};
    use crate::spec::receive::{ReceiveDescriptor, ReceiveErrors};

    const BUFFER: usize = 2048;

    fn written(length: u16, status: u8, errors: u8) -> ReceiveDescriptor {
        let facts = u64::from(length) | u64::from(status) << 32 | u64::from(errors) << 40;
        ReceiveDescriptor([0x1000, facts])
    }

    #[test]
    fn a_good_frame_passes_and_what_is_not_done_waits() {
        let mut reader = FrameReader::default();
        assert_eq!(reader.judge(written(60, 0b10, 0), BUFFER), Piece::NotDone);
        assert_eq!(reader.judge(written(60, 0b11, 0), BUFFER), Piece::Frame { length: 60 });
        assert_eq!(reader.judge(written(2048, 0b11, 0), BUFFER), Piece::Frame { length: 2048 });
        // Wrong checksums further up are for the stack to see.
        assert_eq!(reader.judge(written(60, 0b11, 0b0110_0000), BUFFER), Piece::Frame { length: 60 });
        assert_eq!(reader.dropped(), 0);
    }

    #[test]
    fn lies_and_damage_are_dropped() {
        let mut reader = FrameReader::default();
        let mut dropped = |length, errors| reader.judge(written(length, 0b11, errors), BUFFER);
        assert_eq!(dropped(2049, 0), Piece::Dropped(Defect::BeyondBuffer { claimed: 2049, buffer: BUFFER }));
        assert_eq!(dropped(13, 0), Piece::Dropped(Defect::Short { claimed: 13 }));
        assert_eq!(dropped(60, 0x80), Piece::Dropped(Defect::Damaged(ReceiveErrors::DATA)));
        assert_eq!(reader.dropped(), 3);
    }

    #[test]
    fn a_frame_over_several_buffers_is_dropped_once() {
        let mut reader = FrameReader::default();
        assert_eq!(reader.judge(written(2048, 0b01, 0), BUFFER), Piece::Dropped(Defect::NotLast));
        assert_eq!(reader.judge(written(2048, 0b01, 0), BUFFER), Piece::Rest);
        assert_eq!(reader.judge(written(60, 0b11, 0), BUFFER), Piece::Rest);
        assert_eq!(reader.judge(written(61, 0b11, 0), BUFFER), Piece::Frame { length: 61 });
        assert_eq!(reader.dropped(), 1);
    }

    #[test]
    fn a_reset_ends_a_frame() {
        let mut reader = FrameReader::default();
        reader.judge(written(2048, 0b01, 0), BUFFER);
        reader.restart();
        assert_eq!(reader.judge(written(60, 0b11, 0), BUFFER), Piece::Frame { length: 60 });
    }

    proptest! {
        /// Whatever a device writes: a frame lies within its buffer, and every end of frame ends one.
        #[test]
        fn no_descriptor_leads_beyond_its_buffer(
            words in prop::collection::vec(any::<u64>(), 1..50),
            buffer in 0_usize..4096,
        ) {
            let mut reader = FrameReader::default();
            for word in words {
                if let Piece::Frame { length } = reader.judge(ReceiveDescriptor([0, word]), buffer) {
                    prop_assert!((HEADER..=buffer).contains(&length));
                }
            }
            reader.judge(written(0, 0b11, 0), buffer);
            prop_assert_eq!(reader.judge(written(14, 0b11, 0), 14), Piece::Frame { length: 14 });
        }
    }
}
