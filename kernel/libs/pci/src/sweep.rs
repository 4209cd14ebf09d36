//! Finding functions before there is memory: by their headers alone, on every bus.

use core::sync::atomic::{AtomicU64, Ordering};

use dma_types::{Bdf, Segment, SourceId};

use crate::class::{ClassCode, HeaderType};
use crate::config::{ConfigSpace, register};
use crate::function::header_type;

/// Devices of a segment: 32 on each of 256 buses.
const DEVICES: u16 = 1 << 13;

/// Visits every function of a segment that answers, in rising order. Allocates nothing and waits for nothing.
///
/// Functions 1 to 7 of a device are looked at only where function 0 says that there are such. Those that alternative
/// routing (ARI) numbers from 8 on are passed over.
pub fn sweep(config: &impl ConfigSpace, segment: Segment, mut visit: impl FnMut(Bdf, HeaderType)) {
    for device in 0..DEVICES {
        let function = |number| Bdf::new(segment, SourceId::from_bits(device << 3 | number));
        let Some(first) = header_type(config, function(0)) else { continue };
        visit(function(0), first);
        if first.is_multi_function() {
            for other in (1..8).map(function) {
                if let Some(header) = header_type(config, other) {
                    visit(other, header);
                }
            }
        }
    }
}

/// Tells whether firmware may still work with a function while the kernel starts: USB controllers, by which it makes a
/// keyboard, and displays. Such have reserved regions (VT-d "Reserved Memory Region Reporting Structure").
pub fn may_serve_firmware(config: &impl ConfigSpace, function: Bdf) -> bool {
    let class = ClassCode::from_register(config.read32(function, register::CLASS_REVISION));
    class.is_display() || class.is_usb()
}

/// A set of functions of one segment, of fixed size.
#[derive(Debug)]
pub struct FunctionSet([AtomicU64; WORDS]);

/// A bit for each id.
const WORDS: usize = 1 << 10;

impl FunctionSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    /// Puts a function in.
    pub fn insert(&self, source: SourceId) {
        if let Some(word) = self.0.get(usize::from(source.bits() / 64)) {
            word.fetch_or(1 << (source.bits() % 64), Ordering::Relaxed);
        }
    }

    /// Tells whether a function is in.
    pub fn contains(&self, source: SourceId) -> bool {
        let word = self.0.get(usize::from(source.bits() / 64));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (source.bits() % 64) != 0)
    }
}

impl Default for FunctionSet {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};
    use std::vec::Vec;

    fn found(space: &FakeSpace) -> Vec<(Bdf, u8)> {
        let mut found = Vec::new();
        sweep(space, Segment(0), |function, header| found.push((function, header.layout())));
        found
    }

    #[test]
    fn every_bus_is_looked_at_whatever_leads_there() {
        let space = FakeSpace::new()
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .root_port("00:1c.0", 1, 1)
            .endpoint("01:00.0", 0x1b36, 0x10)
            .endpoint("ff:1f.0", 0x8086, 1);
        let expected = [("00:03.0", 0), ("00:1c.0", 1), ("01:00.0", 0), ("ff:1f.0", 0)];
        assert_eq!(found(&space), expected.map(|(text, layout)| (bdf(text), layout)));
        assert!(space.writes().is_empty());
    }

    #[test]
    fn further_functions_count_where_the_first_says_so() {
        let space = |space: FakeSpace| space.endpoint("00:03.0", 0x8086, 1).endpoint("00:03.7", 0x8086, 1);
        assert_eq!(found(&space(FakeSpace::new())).len(), 1);
        assert_eq!(found(&space(FakeSpace::new()).multi_function("00:03.0")).len(), 2);
        // Function 0 is absent.
        assert_eq!(found(&FakeSpace::new().endpoint("00:04.1", 0x8086, 1)), []);
    }

    #[test]
    fn firmware_may_need_keyboards_and_displays_and_nothing_else() {
        let of_class = |class: u32| {
            let space =
                FakeSpace::new().endpoint("00:03.0", 0x8086, 1).with("00:03.0", |f| f.set32(8, class << 8));
            may_serve_firmware(&space, bdf("00:03.0"))
        };
        for class in [0x03_0000, 0x03_8000, 0x0c_0300, 0x0c_0330] {
            assert!(of_class(class), "{class:06x}");
        }
        for class in [0x02_0000, 0x01_0802, 0x0c_0500, 0x0c_0010, 0x04_0300, 0x06_0400, 0xff_ffff] {
            assert!(!of_class(class), "{class:06x}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = FunctionSet::new();
        let ids = [0, 63, 64, 0x1234, u16::MAX].map(SourceId::from_bits);
        ids.iter().for_each(|id| set.insert(*id));
        let held: Vec<_> = (0..=u16::MAX).map(SourceId::from_bits).filter(|id| set.contains(*id)).collect();
        assert_eq!(held, ids);
    }
}
