//! Interrupt causes, and which message each raises.

use bitflags::bitflags;
use mmio_regs::register_value;

bitflags! {
    /// 82574 "Interrupt Cause Read Register"; the registers that set and mask causes have the same bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Causes: u32 {
        /// TXDW: a transmit descriptor was written back.
        const TRANSMIT_WRITTEN_BACK = 1 << 0;
        /// TXQE: nothing is left to send.
        const TRANSMIT_QUEUE_EMPTY = 1 << 1;
        /// LSC: the link came or went.
        const LINK_CHANGE = 1 << 2;
        /// RXDMT0: few receive descriptors are left.
        const RECEIVE_LOW = 1 << 4;
        /// RXO: a frame was lost for want of a receive descriptor or buffer space.
        const RECEIVE_OVERRUN = 1 << 6;
        /// RXT0: a frame was received.
        const RECEIVED = 1 << 7;
        /// RxQ0: receive queue 0, with MSI-X.
        const RECEIVE_QUEUE = 1 << 20;
        /// TxQ0: transmit queue 0, with MSI-X.
        const TRANSMIT_QUEUE = 1 << 22;
        /// Other: link changes and overruns, with MSI-X.
        const OTHER = 1 << 24;
    }
}

impl Causes {
    /// Every bit, those without a name here included.
    pub const EVERY: Self = Self::from_bits_retain(u32::MAX);

    /// What a driver wants to hear of, whichever kind of message the function sends: frames that came or
    /// left, and the link.
    pub const WANTED: Self = Self::TRANSMIT_WRITTEN_BACK
        .union(Self::TRANSMIT_QUEUE)
        .union(Self::LINK_CHANGE)
        .union(Self::RECEIVE_LOW)
        .union(Self::RECEIVE_OVERRUN)
        .union(Self::RECEIVED)
        .union(Self::RECEIVE_QUEUE)
        .union(Self::OTHER);
}

/// 82574 "Interrupt Vector Allocation Registers": which MSI-X vector a cause raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorAllocation(pub u32);

impl VectorAllocation {
    /// Receive queue 0, transmit queue 0 and other causes raise vector 0. Queues 1 are not in use.
    pub const ALL_TO_VECTOR_0: Self = Self(Self::VALID | Self::VALID << 8 | Self::VALID << 16);

    const VALID: u32 = 1 << 3;
}

register_value!(flags Causes: u32);
register_value!(fields VectorAllocation: u32);

#[cfg(test)]
mod tests {
    use super::{Causes, VectorAllocation};

    #[test]
    fn words_are_as_the_document_draws_them() {
        assert_eq!(VectorAllocation::ALL_TO_VECTOR_0.0, 0x0008_0808);
        assert_eq!(Causes::WANTED.bits(), 0x0150_00d5);
    }
}
