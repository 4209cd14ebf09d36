//! One transfer between two addresses, by a frame that the controller sends to itself.
//!
//! The frame has two parts. The first, with the Ethernet header, comes from the driver's own memory and fills
//! the driver's own receive buffer to its last byte; the second is what is moved, and has a receive buffer of
//! its own. So the moved bytes need not look like a frame, and arrive exactly.
//!
//! ```text
//!           | header and filler, 256 bytes | bytes to move |
//!   from      own memory                     anywhere
//!   to        own memory                     anywhere
//! ```

use dma_types::Iova;

use crate::spec::address::MacAddress;
use crate::spec::receive::{ReceiveDescriptor, ReceiveStatus};
use crate::spec::transmit::TransmitDescriptor;

/// Bytes of the first part, and of a receive buffer while the controller talks to itself: the smallest that
/// it offers.
pub const FIRST_PART: usize = 256;

/// Slots that a transfer takes in each ring.
pub const SLOTS: usize = 2;

/// The address that the frames carry and the controller accepts meanwhile: locally administered, so that no
/// frame from outside has it.
pub const ADDRESS: MacAddress = MacAddress([0x02, 0x69, 0x76, 0x74, 0x00, 0x01]);

/// The type that the frames carry: for local experiments, so that nothing looks into them (IEEE 802 "Local
/// Experimental EtherTypes").
const TYPE: [u8; 2] = [0x88, 0xb5];

/// What the first part of a frame holds.
pub fn first_part() -> [u8; FIRST_PART] {
    let mut part = [0; FIRST_PART];
    let header = ADDRESS.0.into_iter().chain(ADDRESS.0).chain(TYPE);
    part.iter_mut().zip(header).for_each(|(byte, value)| *byte = value);
    part
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Where [`first_part`] lies.
    pub first_part: Iova,
    /// Where the first part may go: [`FIRST_PART`] bytes of the driver's own.
    pub first_buffer: Iova,
    /// Where the bytes come from.
    pub from: Iova,
    /// Where they go.
    pub to: Iova,
    /// How many; at most [`FIRST_PART`].
    pub bytes: u16,
}

impl Transfer {
    /// What the transmit ring is to hold, from slot 0.
    pub const fn transmit(&self) -> [TransmitDescriptor; SLOTS] {
        [
            TransmitDescriptor::part(self.first_part, FIRST_PART as u16),
            TransmitDescriptor::last(self.from, self.bytes),
        ]
    }

    /// What the receive ring is to hold, from slot 0.
    pub const fn receive(&self) -> [ReceiveDescriptor; SLOTS] {
        [ReceiveDescriptor::offer(self.first_buffer), ReceiveDescriptor::offer(self.to)]
    }
}

/// Tells whether a transfer has arrived, by its last receive descriptor.
pub fn has_arrived(last: ReceiveDescriptor) -> bool {
    last.status().contains(ReceiveStatus::DONE)
}

#[cfg(test)]
mod tests {
    use super::{ADDRESS, first_part};

    #[test]
    fn the_first_part_begins_with_a_header() {
        let part = first_part();
        assert!(ADDRESS.is_station());
        assert_eq!(part[..6], ADDRESS.0);
        assert_eq!(part[6..12], ADDRESS.0);
        assert_eq!(part[12..14], [0x88, 0xb5]);
    }
}
