//! Receive control, and the legacy receive descriptor.

use bitflags::bitflags;
use dma_types::Iova;
use mmio_regs::register_value;

bitflags! {
    /// 82574 "Receive Control Register".
    ///
    /// The buffer size is 2048 bytes unless one of its bits is set.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ReceiveControl: u32 {
        /// EN: frames are received.
        const ENABLE = 1 << 1;
        /// LBM: what the MAC sends it receives, and the PHY gets nothing.
        const MAC_LOOPBACK = 1 << 6;
        /// BAM: broadcast frames are accepted.
        const ACCEPT_BROADCAST = 1 << 15;
        /// BSIZE: buffers hold 256 bytes.
        const BUFFERS_OF_256 = 0b11 << 16;
        /// SECRC: the frame's checksum is taken off.
        const STRIP_CRC = 1 << 26;
    }
}

bitflags! {
    /// 82574 "Receive Filter Control Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FilterControl: u32 {
        /// EXSTEN: descriptors are of the extended kind.
        const EXTENDED_DESCRIPTORS = 1 << 15;
    }
}

bitflags! {
    /// Status of 82574 "Legacy Receive Descriptor Format".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ReceiveStatus: u8 {
        /// DD: the device is done with the descriptor.
        const DONE = 1 << 0;
        /// EOP: the frame ends here.
        const END_OF_FRAME = 1 << 1;
    }
}

bitflags! {
    /// Errors of 82574 "Legacy Receive Descriptor Format"; they mean something only where the frame ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ReceiveErrors: u8 {
        /// CE: the frame's checksum or alignment is wrong.
        const CHECKSUM = 1 << 0;
        /// SE: a symbol is wrong.
        const SYMBOL = 1 << 1;
        /// SEQ: a sequence of symbols is wrong.
        const SEQUENCE = 1 << 2;
        /// CXE: a carrier extension is wrong.
        const CARRIER = 1 << 4;
        /// TCPE: the checksum of TCP or UDP is wrong; the frame itself arrived as it was sent.
        const TRANSPORT_CHECKSUM = 1 << 5;
        /// IPE: the checksum of IP is wrong; the frame itself arrived as it was sent.
        const NETWORK_CHECKSUM = 1 << 6;
        /// RXE: data was damaged on its way.
        const DATA = 1 << 7;
    }
}

impl ReceiveErrors {
    /// Errors for which a frame is dropped.
    pub const OF_FRAME: Self =
        Self::CHECKSUM.union(Self::SYMBOL).union(Self::SEQUENCE).union(Self::CARRIER).union(Self::DATA);
}

/// 82574 "Legacy Receive Descriptor Format": two words, the buffer's address and what the device wrote.
///
/// ```text
/// 63      48 47    40 39    32 31      16 15       0
/// | VLAN tag | errors | status | checksum |  length  |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveDescriptor(pub [u64; 2]);

impl ReceiveDescriptor {
    /// Offers a buffer to the device.
    pub const fn offer(buffer: Iova) -> Self {
        Self([buffer.as_u64(), 0])
    }

    /// What the device says of the buffer.
    pub const fn status(self) -> ReceiveStatus {
        ReceiveStatus::from_bits_retain((self.0[1] >> 32) as u8)
    }

    /// What went wrong on the way.
    pub const fn errors(self) -> ReceiveErrors {
        ReceiveErrors::from_bits_retain((self.0[1] >> 40) as u8)
    }

    /// Bytes that the device claims to have written to the buffer.
    pub const fn length(self) -> u16 {
        self.0[1] as u16
    }
}

register_value!(flags ReceiveControl: u32);
register_value!(flags FilterControl: u32);

#[cfg(test)]
mod tests {
    use dma_types::Iova;

    use super::{ReceiveDescriptor, ReceiveErrors, ReceiveStatus};

    #[test]
    fn words_are_as_the_document_draws_them() {
        let written = ReceiveDescriptor([0x1000, 0xabcd_2107_beef_05ea]);
        assert_eq!(written.length(), 1514);
        assert!(written.status().contains(ReceiveStatus::DONE | ReceiveStatus::END_OF_FRAME));
        assert_eq!(written.errors(), ReceiveErrors::CHECKSUM | ReceiveErrors::TRANSPORT_CHECKSUM);
        assert_eq!(ReceiveDescriptor::offer(Iova::new(0xf_0000_1234)).0, [0xf_0000_1234, 0]);
    }
}
