//! What a device writes to raise an interrupt that is remapped (VT-d "Interrupt Requests in Remappable Format").
//!
//! ```text
//! address: 31  20 19        5  4   3   2  1  0     data: 31      16 15         0
//!         +------+-----------+---+---+---+-----+        +----------+------------+
//!         | 0xfee|handle 14:0|IF |SHV|h15| 0  0|        | reserved | sub-handle |
//!         +------+-----------+---+---+---+-----+        +----------+------------+
//! ```

use dma_types::{INTERRUPT_RANGE, InterruptIndex, MsiMessage};

const HANDLE_LOW_SHIFT: u32 = 5;
const HANDLE_LOW: u64 = 0x7fff << HANDLE_LOW_SHIFT;
const REMAPPABLE: u64 = 1 << 4;
const SUB_HANDLE_VALID: u64 = 1 << 3;
const HANDLE_HIGH_SHIFT: u32 = 2;
const SUB_HANDLE: u32 = 0xffff;

/// An interrupt request, by the address and the data of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptRequest(MsiMessage);

impl InterruptRequest {
    /// The request that names an entry. A function with several messages writes the message's number to the data, which
    /// is added, so the first of a block is given.
    pub const fn remappable(first: InterruptIndex) -> Self {
        let index = first.0 as u64;
        let handle = index << HANDLE_LOW_SHIFT & HANDLE_LOW | index >> 15 << HANDLE_HIGH_SHIFT;
        let address = INTERRUPT_RANGE.start | handle | REMAPPABLE | SUB_HANDLE_VALID;
        Self(MsiMessage { address, data: 0 })
    }

    /// Takes a request as it was written.
    pub const fn from_message(message: MsiMessage) -> Self {
        Self(message)
    }

    /// What is written where.
    pub const fn message(self) -> MsiMessage {
        self.0
    }

    /// Interrupt format: the request names an entry. Otherwise it has vector and processor itself (compatibility format).
    pub const fn is_remappable(self) -> bool {
        self.0.address & REMAPPABLE != 0
    }

    /// SHV: the data holds what is added to the handle.
    pub const fn adds_data(self) -> bool {
        self.0.address & SUB_HANDLE_VALID != 0
    }

    /// The index that a remappable request names. It may lie beyond any table.
    pub const fn index(self) -> u32 {
        let address = self.0.address;
        let handle = (address & HANDLE_LOW) >> HANDLE_LOW_SHIFT | (address >> HANDLE_HIGH_SHIFT & 1) << 15;
        let added = if self.adds_data() { self.0.data & SUB_HANDLE } else { 0 };
        handle as u32 + added
    }

    /// Tells whether bits are set that a remappable request leaves 0.
    pub const fn has_reserved_bits(self) -> bool {
        self.0.address & 0b11 != 0 || self.adds_data() && self.0.data & !SUB_HANDLE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_put_together_as_worked_out_by_hand() {
        for (index, address) in
            [(0, 0xfee0_0018), (1, 0xfee0_0038), (0x7fff, 0xfeef_fff8), (0x8001, 0xfee0_003c)]
        {
            let request = InterruptRequest::remappable(InterruptIndex(index));
            assert_eq!(request.message(), MsiMessage { address, data: 0 });
            assert!(request.is_remappable() && request.adds_data() && !request.has_reserved_bits());
            assert_eq!(request.index(), u32::from(index));
        }
    }

    #[test]
    fn data_is_added_where_the_address_says_so() {
        let request = |address, data| InterruptRequest::from_message(MsiMessage { address, data });
        assert_eq!(request(0xfee0_0098, 3).index(), 7);
        assert_eq!(request(0xfee0_0090, 3).index(), 4, "the vector of an IOAPIC's pin is not");
        assert_eq!(request(0xfeef_fffc, 0xffff).index(), 0x1_fffe);
        assert!(request(0xfee0_0018, 0x1_0000).has_reserved_bits());
        assert!(!request(0xfee0_0010, 0x1_0000).has_reserved_bits());
        assert!(request(0xfee0_0019, 0).has_reserved_bits());
        assert!(!request(0xfee0_1000, 0x4031).is_remappable());
    }
}
