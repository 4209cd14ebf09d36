//! What a device gives back of a queue, against what it was given (virtio "The Virtqueue Used Ring").

use alloc::vec::Vec;
use core::fmt;

/// Requests that a device has, each under the token by which the ring knows it: the index of its first descriptor.
///
/// A device may write any token and any length into its ring: only what it was given comes back from here, once.
#[derive(Debug)]
pub struct InFlight<T> {
    places: Vec<Option<Given<T>>>,
}

/// A request that a device has.
#[derive(Debug)]
pub struct Given<T> {
    /// The request.
    pub request: T,
    /// Bytes that the device may write.
    pub room: usize,
}

/// What a device cannot truly have done with its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// It gave back a request that it did not have.
    NotGiven {
        /// What it calls the request.
        token: u16,
    },
    /// It says that it wrote more than the request has room for.
    TooLong {
        /// Bytes that it says it wrote.
        written: u32,
        /// Bytes that there are.
        room: usize,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGiven { token } => {
                write!(f, "the device gave back request {token}, which it did not have")
            }
            Self::TooLong { written, room } => {
                write!(f, "the device says that it wrote {written} bytes, where there is room for {room}")
            }
        }
    }
}

impl core::error::Error for RingError {}

impl<T> InFlight<T> {
    /// For a queue of so many descriptors.
    pub fn new(size: usize) -> Self {
        Self { places: core::iter::repeat_with(|| None).take(size).collect() }
    }

    /// Notes that the device has a request; a token beyond the queue has no place and drops it.
    pub fn give(&mut self, token: u16, given: Given<T>) {
        if let Some(place) = self.places.get_mut(usize::from(token)) {
            *place = Some(given);
        }
    }

    /// Takes back the request that the device calls by a token.
    ///
    /// # Errors
    /// If the device does not have it.
    pub fn take_back(&mut self, token: u16) -> Result<Given<T>, RingError> {
        let place = self.places.get_mut(usize::from(token)).and_then(Option::take);
        place.ok_or(RingError::NotGiven { token })
    }

    /// What the device has.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten().map(|given| &mut given.request)
    }
}

impl<T> Given<T> {
    /// The bytes that the device wrote, if it can have written as many as it says.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn check_length(&self, written: u32) -> Result<usize, RingError> {
        let said = usize::try_from(written).unwrap_or(usize::MAX);
        if said > self.room { Err(RingError::TooLong { written, room: self.room }) } else { Ok(said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_once() {
        let mut in_flight = InFlight::new(4);
        in_flight.give(3, Given { request: 'a', room: 0 });
        in_flight.give(4, Given { request: 'b', room: 0 });
        assert_eq!(in_flight.take_back(3).map(|given| given.request), Ok('a'));
        for token in [3, 4, 0, u16::MAX] {
            assert_eq!(
                in_flight.take_back(token).map(|given| given.request),
                Err(RingError::NotGiven { token })
            );
        }
    }

    #[test]
    fn a_length_is_believed_up_to_the_room() {
        let given = Given { request: (), room: 512 };
        assert_eq!((given.check_length(0), given.check_length(512)), (Ok(0), Ok(512)));
        for written in [513, u32::MAX] {
            assert_eq!(given.check_length(written), Err(RingError::TooLong { written, room: 512 }));
        }
    }
}
