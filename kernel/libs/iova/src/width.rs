//! Finding out how many address bits a device sends.

use dma_types::Iova;

/// A trial of a device's width. The device is told one address with every tried bit set; with fewer bits it
/// ends up at a lower one, a different one for each width. Where its write shows tells the width.
///
/// Nothing faults if each of the [`places`](Self::places) is mapped: whatever the width, from
/// [`FEWEST_BITS`](Self::FEWEST_BITS) up, the device stays within its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WidthTrial {
    /// The most bits that are told apart.
    most: u32,
}

impl WidthTrial {
    /// Address bits that every device is taken to send: memory below 1 MiB is what the oldest reach.
    pub const FEWEST_BITS: u32 = 20;

    /// The highest address that every device can send.
    pub const CERTAIN: Iova = Iova::new((1 << Self::FEWEST_BITS) - 1);

    /// Lies in each of the places; above page 0, below what [`CERTAIN`](Self::CERTAIN) ends.
    const LOW: u64 = 1 << (Self::FEWEST_BITS - 1);

    /// The trial for devices of a unit that translates `width` address bits. More bits than those decide
    /// nothing, since no domain has such addresses.
    pub fn below(width: u8) -> Self {
        Self { most: u32::from(width).clamp(Self::FEWEST_BITS, 63) }
    }

    /// The address to tell the device.
    pub const fn told(self) -> Iova {
        Self::place(self.most)
    }

    /// Where the device may end up, for each width from the fewest bits up.
    pub fn places(self) -> impl Iterator<Item = Iova> {
        (Self::FEWEST_BITS..=self.most).map(Self::place)
    }

    /// The highest address that a device can send which ended up at the place with this number.
    ///
    /// At the last one nothing was cut off, so it counts as a device without limit.
    pub const fn highest(self, place: u32) -> Iova {
        let bits = Self::FEWEST_BITS.saturating_add(place);
        if bits >= self.most { Iova::new(u64::MAX) } else { Iova::new((1 << bits) - 1) }
    }

    const fn place(bits: u32) -> Iova {
        Iova::new(Self::LOW | ((1 << bits) - (1 << Self::FEWEST_BITS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DomainWindow, IovaAllocator};
    use dma_types::{PAGE_SIZE, PageSize};

    const UNITS: [u8; 3] = [39, 48, 57];

    /// What is left of an address that a device with so many bits sends.
    fn cut(address: Iova, bits: u32) -> Iova {
        Iova::new(address.as_u64() & (u64::MAX >> (64 - bits)))
    }

    /// What the trial makes of a device with so many bits.
    fn measured(trial: WidthTrial, bits: u32) -> Iova {
        let landed = cut(trial.told(), bits);
        let place = trial.places().position(|place| place == landed);
        trial.highest(place.expect("the device stays within its own memory") as u32)
    }

    #[test]
    fn a_trial_tells_every_width_from_20_bits_to_the_units() {
        for unit in UNITS {
            for bits in 20..=64 {
                let limit = 1_u64.checked_shl(bits).unwrap_or(0).wrapping_sub(1);
                let expected = if bits >= u32::from(unit) { u64::MAX } else { limit };
                let trial = WidthTrial::below(unit);
                assert_eq!(measured(trial, bits), Iova::new(expected), "{bits} bits, unit of {unit}");
            }
        }
    }

    #[test]
    fn the_places_are_apart_and_are_no_interrupts() {
        for unit in UNITS {
            let mut before = Iova::new(PAGE_SIZE - 1);
            for place in WidthTrial::below(unit).places() {
                assert!(place.page() > before.page() && place.is_aligned(PAGE_SIZE));
                assert!(place.as_u64() >> unit == 0 && place.as_u64() >> 20 != 0xfee, "{place}");
                before = place;
            }
        }
    }

    /// What every device with an address space relies on: it can form each address that it is handed, found or
    /// told its width, whichever domain of the machine it gets.
    #[test]
    fn every_width_gets_addresses_that_it_can_form() {
        for unit in UNITS {
            for bits in 20..=64 {
                let told = Iova::new(u64::MAX >> (64 - bits));
                for highest in [told, measured(WidthTrial::below(unit), bits)] {
                    for number in 0..130 {
                        assert_formed(number, highest, unit, bits);
                    }
                }
            }
        }
    }

    #[track_caller]
    fn assert_formed(number: u64, highest: Iova, unit: u8, bits: u32) {
        let DomainWindow { addresses, start } = DomainWindow::choose(number, highest, unit);
        let room = IovaAllocator::new(addresses, [], start);
        let mut room = room.unwrap_or_else(|error| panic!("{bits} bits, unit of {unit}: {error}"));
        for pages in [1, 3, 16] {
            let range = room.allocate(pages, PageSize::Size4K).expect("room for a few pages");
            let last = Iova::new(range.end().as_u64() - 1);
            assert_eq!(cut(last, bits), last, "{bits} bits, unit of {unit}, domain {number}");
            assert_eq!(cut(last, unit.into()), last, "{bits} bits, unit of {unit}, domain {number}");
        }
    }
}
