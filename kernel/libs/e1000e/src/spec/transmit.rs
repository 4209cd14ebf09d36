//! Transmit control, and the legacy transmit descriptor.

use bitflags::bitflags;
use dma_types::Iova;
use mmio_regs::register_value;

bitflags! {
    /// 82574 "Transmit Control Register".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TransmitControl: u32 {
        /// EN: frames are sent.
        const ENABLE = 1 << 1;
        /// PSP: short frames are filled up to 64 bytes, checksum included.
        const PAD_SHORT_FRAMES = 1 << 3;
        /// CT: 15 tries before a collision gives up, as Ethernet has it.
        const COLLISION_THRESHOLD = 0x0f << 4;
        /// COLD: the collision distance of full duplex, 63 byte times.
        const COLLISION_DISTANCE = 0x3f << 12;
        /// MULR: several reads may be outstanding.
        const MULTIPLE_REQUESTS = 1 << 28;
    }
}

/// 82574 "Transmit IPG Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterPacketGap(pub u32);

impl InterPacketGap {
    /// The values that the document recommends: IPGT 8, IPGR1 8, IPGR2 6.
    pub const RECOMMENDED: Self = Self(8 | 8 << 10 | 6 << 20);
}

/// 82574 "Transmit Descriptor Control".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitDescriptorControl(pub u32);

impl TransmitDescriptorControl {
    /// WTHRESH 1, counted in descriptors (GRAN), and the bit between them that must be 1: each descriptor is
    /// written back as soon as it is done.
    pub const WRITE_BACK_EACH: Self = Self(1 << 16 | 1 << 22 | 1 << 24);
}

bitflags! {
    /// Command of 82574 "Legacy Transmit Descriptor Format".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TransmitCommand: u8 {
        /// EOP: the frame ends here.
        const END_OF_FRAME = 1 << 0;
        /// IFCS: the device appends the frame's checksum.
        const INSERT_CRC = 1 << 1;
        /// RS: the device says when it is done.
        const REPORT_STATUS = 1 << 3;
    }
}

/// 82574 "Legacy Transmit Descriptor Format": two words, the buffer's address and what to do with it.
///
/// ```text
/// 63      48 47   40 39   36 35    32 31     24 23        16 15       0
/// | VLAN tag |  CSS  |  ext  | status | command | CSO          |  length  |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitDescriptor(pub [u64; 2]);

impl TransmitDescriptor {
    /// A part of a frame that goes on in the next descriptor.
    pub const fn part(buffer: Iova, bytes: u16) -> Self {
        Self::new(buffer, bytes, TransmitCommand::INSERT_CRC.union(TransmitCommand::REPORT_STATUS))
    }

    /// A whole frame, or its last part.
    pub const fn last(buffer: Iova, bytes: u16) -> Self {
        let command = TransmitCommand::INSERT_CRC
            .union(TransmitCommand::REPORT_STATUS)
            .union(TransmitCommand::END_OF_FRAME);
        Self::new(buffer, bytes, command)
    }

    const fn new(buffer: Iova, bytes: u16, command: TransmitCommand) -> Self {
        Self([buffer.as_u64(), bytes as u64 | (command.bits() as u64) << 24])
    }

    /// DD: the device has read the buffer, or given up.
    pub const fn is_done(self) -> bool {
        self.0[1] >> 32 & 1 != 0
    }
}

register_value!(flags TransmitControl: u32);
register_value!(fields InterPacketGap: u32);
register_value!(fields TransmitDescriptorControl: u32);

#[cfg(test)]
mod tests {
    use dma_types::Iova;

    use super::{InterPacketGap, TransmitDescriptor, TransmitDescriptorControl};

    #[test]
    fn words_are_as_the_document_draws_them() {
        assert_eq!(InterPacketGap::RECOMMENDED.0, 0x0060_2008);
        assert_eq!(TransmitDescriptorControl::WRITE_BACK_EACH.0, 0x0141_0000);
        let frame = TransmitDescriptor::last(Iova::new(0x1_2345_6000), 60);
        assert_eq!(frame.0, [0x1_2345_6000, 0x0b00_003c]);
        assert!(!frame.is_done());
        assert!(TransmitDescriptor([0, 0x1_0b00_003c]).is_done());
        assert_eq!(TransmitDescriptor::part(Iova::new(0x1000), 256).0[1], 0x0a00_0100);
    }
}
