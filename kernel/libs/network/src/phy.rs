//! A [`Port`] as the protocol stack sees it.
//!
//! The stack reads a frame where it lies and composes the next one in place, so there is a buffer for each.
//! A composed frame for which the card has no room stays in its buffer; until it is gone nothing more is sent,
//! and nothing is received either, since an answer could not be sent.

use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::memory::zeroed;
use crate::{FRAME_BYTES, NetworkError, Port, Received, Sent};

/// The two buffers of a station.
#[derive(Debug)]
pub(crate) struct Frames {
    incoming: Vec<u8>,
    outgoing: Outgoing,
}

/// The frame that is composed, or that waits for room.
#[derive(Debug)]
struct Outgoing {
    buffer: Vec<u8>,
    /// Length of the frame that waits; 0 if none does.
    waiting: usize,
}

impl Frames {
    /// Makes empty buffers.
    pub fn new() -> Result<Self, NetworkError> {
        let outgoing = Outgoing { buffer: zeroed(FRAME_BYTES)?, waiting: 0 };
        Ok(Self { incoming: zeroed(FRAME_BYTES)?, outgoing })
    }

    /// Tells whether a frame waits for the card to have room.
    pub fn is_waiting(&self) -> bool {
        self.outgoing.waiting > 0
    }
}

impl Outgoing {
    /// Offers the waiting frame again, if there is one; tells whether the buffer is free.
    fn flush(&mut self, port: &dyn Port) -> bool {
        if let Some(frame) = self.buffer.get(..self.waiting).filter(|frame| !frame.is_empty())
            && port.send(frame) == Sent::NoRoom
        {
            return false;
        }
        self.waiting = 0;
        true
    }
}

/// A port and the buffers for its frames.
pub(crate) struct Phy<'p> {
    pub port: &'p dyn Port,
    pub frames: &'p mut Frames,
}

impl Device for Phy<'_> {
    type RxToken<'a>
        = Incoming<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Room<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Incoming<'_>, Room<'_>)> {
        let Frames { incoming, outgoing } = &mut *self.frames;
        if !outgoing.flush(self.port) {
            return None;
        }
        let mut length = 0;
        let mut take = |frame: &[u8]| {
            // A frame that is too long for Ethernet becomes an empty one, which the stack drops.
            if let Some(buffer) = incoming.get_mut(..frame.len()) {
                buffer.copy_from_slice(frame);
                length = frame.len();
            }
        };
        match self.port.receive(&mut take) {
            Received::Nothing => None,
            Received::Frame => {
                let frame = incoming.get(..length).unwrap_or_default();
                Some((Incoming { frame }, Room { port: self.port, outgoing }))
            }
        }
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        let outgoing = &mut self.frames.outgoing;
        outgoing.flush(self.port).then_some(Room { port: self.port, outgoing })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }
}

/// A received frame.
pub(crate) struct Incoming<'a> {
    frame: &'a [u8],
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.frame)
    }
}

/// Room for one frame to send.
pub(crate) struct Room<'a> {
    port: &'a dyn Port,
    outgoing: &'a mut Outgoing,
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, compose: F) -> R {
        let Some(frame) = self.outgoing.buffer.get_mut(..length) else {
            // The stack keeps to the size it was told; what would not fit any cable is composed and dropped.
            return compose(&mut alloc::vec![0; length]);
        };
        let result = compose(frame);
        self.outgoing.waiting = length;
        self.outgoing.flush(self.port);
        result
    }
}
