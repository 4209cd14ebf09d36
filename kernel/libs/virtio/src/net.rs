//! What a network device is asked and what it answers, virtio "Network Device".

use core::ops::{Range, RangeInclusive};

/// Its device ids, the first with the legacy interface.
pub const DEVICES: [u16; 2] = [0x1000, 0x1041];

/// Bytes before each frame; all zeros unless an offload was agreed on.
pub const HEADER: usize = 12;
/// Bytes that a frame may have, without the checksum that follows it.
pub const FRAME: RangeInclusive<usize> = 14..=1514;
/// Bytes of a buffer for a frame that arrives.
pub const BUFFER: usize = HEADER + *FRAME.end();
/// The queue of frames that arrive.
pub const RECEIVE: u16 = 0;
/// The queue of frames that leave.
pub const SEND: u16 = 1;
/// The queue of commands, where the device has one pair of the others.
pub const CONTROL: u16 = 2;

/// Feature: the device has an address.
pub const ADDRESS: u64 = 1 << 5;
/// Feature: the device tells whether its link is up.
pub const STATUS: u64 = 1 << 16;
/// Feature: there is a queue of commands.
pub const CONTROL_QUEUE: u64 = 1 << 17;
/// Feature: the address can be set by a command.
pub const CONTROL_ADDRESS: u64 = 1 << 23;

/// Device configuration: the address, 6 bytes.
pub const CONFIG_ADDRESS: usize = 0;
/// Device configuration: status (16 bits).
pub const CONFIG_STATUS: usize = 6;
/// Status: the link is up.
pub const LINK_UP: u16 = 1;

/// Bytes of [`set_address`].
pub const SET_ADDRESS: usize = 8;

/// The command that gives the device another address, virtio "Setting MAC Address".
pub fn set_address([a, b, c, d, e, f]: [u8; 6]) -> [u8; SET_ADDRESS] {
    const CLASS_ADDRESS: u8 = 1;
    const SET: u8 = 1;
    [CLASS_ADDRESS, SET, a, b, c, d, e, f]
}

/// Where the frame lies in a [`BUFFER`] of which the device wrote so many bytes; `None` if no frame is that long.
pub fn frame_in(written: usize) -> Option<Range<usize>> {
    let bytes = written.checked_sub(HEADER)?;
    FRAME.contains(&bytes).then_some(HEADER..written)
}

/// What the device writes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement(pub u8);

impl Acknowledgement {
    /// It was done.
    pub const OK: Self = Self(0);
    /// It was not.
    pub const ERROR: Self = Self(1);
    /// What stands in its place before the device has answered.
    pub const NONE: Self = Self(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lies_behind_its_header_and_within_its_buffer() {
        for written in (0..4096).chain([u32::MAX as usize, usize::MAX]) {
            let expected = (26..=1526).contains(&written).then_some(12..written);
            assert_eq!(frame_in(written), expected);
        }
        assert_eq!(BUFFER, 1526);
    }
}
