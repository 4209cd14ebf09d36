//! What a network card must be able to do.

/// Bytes of the largest frame: Ethernet header and 1500 bytes, without the check sequence.
pub const FRAME_BYTES: usize = 1514;

/// A network card: takes and gives Ethernet frames, without their check sequence. Neither call waits.
pub trait Port {
    /// The card's own address.
    fn address(&self) -> [u8; 6];

    /// Hands over the frame that has waited longest, if one has: calls `take` once with it, or not at all.
    ///
    /// What `take` is shown must not change any more: the card has given the memory back, or it is a copy.
    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received;

    /// Sends one frame of at most [`FRAME_BYTES`].
    fn send(&self, frame: &[u8]) -> Sent;
}

/// What came of looking for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One was handed over; there may be more.
    Frame,
    /// None is there.
    Nothing,
}

/// What came of sending a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The card has it, or has lost it as a cable may.
    Taken,
    /// The card has no room now; the frame may be offered again.
    NoRoom,
}
