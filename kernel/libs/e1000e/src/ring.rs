//! Who owns which descriptor of a ring.
//!
//! A ring is a queue of slots: the driver gives slots to the device at the tail and takes them back at the
//! other end, in the same order. One slot always stays with the driver, because a ring whose tail has reached
//! its head is empty to the device (82574 "Receive Descriptor Queue Structure", "Transmit Descriptor Ring
//! Structure").
//!
//! ```text
//!      oldest            tail
//!        v                v
//!   | .. | D | D | D | D | .. | .. |     D: the device's
//! ```

/// How many descriptors a ring has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSize(u16);

impl RingSize {
    /// Bytes of one descriptor.
    pub const DESCRIPTOR_BYTES: u32 = 16;

    /// A size, if the device allows it: 8 to 4096 descriptors, in steps of 8, because a ring's length in
    /// bytes is a multiple of 128 (82574 "Receive Descriptor Length").
    pub const fn new(descriptors: u16) -> Option<Self> {
        if descriptors == 0 || descriptors > 4096 || !descriptors.is_multiple_of(8) {
            return None;
        }
        Some(Self(descriptors))
    }

    /// Descriptors.
    pub const fn descriptors(self) -> u16 {
        self.0
    }

    /// Bytes.
    pub const fn bytes(self) -> u32 {
        self.0 as u32 * Self::DESCRIPTOR_BYTES
    }
}

/// Which slots of a ring are the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    size: RingSize,
    oldest: u16,
    lent: u16,
}

impl Ring {
    /// A ring of which the device has nothing yet; it begins at slot 0, as a device does after a reset.
    pub const fn new(size: RingSize) -> Self {
        Self { size, oldest: 0, lent: 0 }
    }

    /// How many descriptors it has.
    pub const fn size(&self) -> RingSize {
        self.size
    }

    /// Slots that the device has.
    pub const fn lent(&self) -> u16 {
        self.lent
    }

    /// Slots that may still be given to the device.
    pub const fn room(&self) -> u16 {
        self.size.0 - 1 - self.lent
    }

    /// The slot that the device must not touch: what the tail register is to say.
    pub const fn tail(&self) -> u16 {
        (self.oldest + self.lent) % self.size.0
    }

    /// The slot that the device will be done with first.
    pub const fn oldest(&self) -> Option<u16> {
        if self.lent == 0 { None } else { Some(self.oldest) }
    }

    /// Gives the next slot to the device, and says which; its descriptor must be written before the tail
    /// register is. `None` if there is no room.
    pub const fn give(&mut self) -> Option<u16> {
        if self.room() == 0 {
            return None;
        }
        let slot = self.tail();
        self.lent += 1;
        Some(slot)
    }

    /// Moves the slots that are lent to the ring's beginning, where a device begins after a reset; their
    /// descriptors must be written anew.
    pub const fn rewind(&mut self) {
        self.oldest = 0;
    }

    /// Takes the oldest slot back, and says which. The caller must have seen that the device is done with it.
    pub const fn take_back(&mut self) -> Option<u16> {
        let Some(slot) = self.oldest() else { return None };
        self.oldest = (self.oldest + 1) % self.size.0;
        self.lent -= 1;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::{Ring, RingSize};

    #[test]
    fn sizes_are_what_the_device_allows() {
        assert_eq!(RingSize::new(8).map(RingSize::bytes), Some(128));
        assert_eq!(RingSize::new(4096).map(RingSize::bytes), Some(0x1_0000));
        for wrong in [0, 1, 7, 12, 4097, 4104, u16::MAX] {
            assert_eq!(RingSize::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_full_ring_never_looks_empty() {
        let mut ring = Ring::new(RingSize::new(8).unwrap());
        let given: std::vec::Vec<_> = core::iter::from_fn(|| ring.give()).collect();
        assert_eq!(given, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!((ring.room(), ring.tail(), ring.oldest()), (0, 7, Some(0)));
        assert_eq!(ring.take_back(), Some(0));
        assert_eq!((ring.give(), ring.tail()), (Some(7), 0));
    }

    #[test]
    fn a_rewound_ring_begins_at_slot_0_with_what_is_lent() {
        let mut ring = Ring::new(RingSize::new(8).unwrap());
        (0..5).for_each(|_| assert!(ring.give().is_some()));
        (0..3).for_each(|_| assert!(ring.take_back().is_some()));
        ring.rewind();
        assert_eq!((ring.oldest(), ring.lent(), ring.tail()), (Some(0), 2, 2));
    }

    proptest! {
        #[test]
        fn slots_go_round_in_order(size in 1_u16..20, steps in prop::collection::vec(any::<bool>(), 0..400)) {
            let size = RingSize::new(8 * size).unwrap();
            let mut ring = Ring::new(size);
            let mut device = VecDeque::new();
            let mut next = (0..size.descriptors()).cycle();
            for give in steps {
                if give {
                    let slot = ring.give();
                    prop_assert_eq!(slot.is_some(), device.len() + 1 < usize::from(size.descriptors()));
                    if let Some(slot) = slot {
                        prop_assert_eq!(Some(slot), next.next());
                        device.push_back(slot);
                    }
                } else {
                    prop_assert_eq!(ring.take_back(), device.pop_front());
                }
                prop_assert_eq!(ring.oldest(), device.front().copied());
                prop_assert_eq!(usize::from(ring.lent()), device.len());
                prop_assert!(!device.contains(&ring.tail()));
            }
        }
    }
}
