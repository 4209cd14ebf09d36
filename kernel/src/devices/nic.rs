//! Devices that send and receive frames.

use core::fmt;

use super::Messages;
use crate::dma::DmaError;

/// A network card.
pub trait Nic: Sync {
    /// Its Ethernet address.
    fn address(&self) -> [u8; 6];

    /// Whether it is connected.
    fn link(&self) -> Link;

    /// Hands over at most one received frame, once the device has lost the buffer.
    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received;

    /// Sends a frame; returns without waiting for it to leave.
    ///
    /// # Errors
    /// If there is no room now, the frame is none, or the device is cut off.
    fn send(&self, frame: &[u8]) -> Result<(), NicError>;

    /// Its interrupt: comes when a frame came or left.
    fn messages(&self) -> &Messages;
}

/// Whether a card is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// Whether a frame was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// One was handed over.
    Frame,
    /// None was.
    Nothing,
}

/// Why a frame was not sent.
#[derive(Debug)]
pub enum NicError {
    /// Every buffer is on its way; try again after an interrupt.
    Busy,
    /// No frame has so many bytes.
    Length(usize),
    /// The device is cut off.
    CutOff,
    /// The device does not do what it must; the log says what.
    Broken,
    /// The device could not be given the buffer.
    Dma(DmaError),
}

impl fmt::Display for NicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the network card has no room for another frame now"),
            Self::Length(bytes) => write!(f, "no frame has {bytes} bytes"),
            Self::CutOff => f.write_str("the network card is cut off; `release` lets it work again"),
            Self::Broken => {
                f.write_str("the network card does not do what it must; a line before this says what")
            }
            Self::Dma(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NicError {}

impl From<DmaError> for NicError {
    fn from(error: DmaError) -> Self {
        Self::Dma(error)
    }
}
