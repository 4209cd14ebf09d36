//! The two lists of capabilities, walked with a bound.

use crate::class::HeaderType;
use crate::config::{ConfigSpace, STATUS_CAPABILITIES, register};
use crate::function::Function;
use dma_types::Bdf;

/// Ids in the standard list, PCI Code and ID Assignment "Capability IDs".
pub(crate) mod id {
    /// Message-signalled interrupts.
    pub(crate) const MSI: u8 = 0x05;
    /// What the vendor defines.
    pub(crate) const VENDOR: u8 = 0x09;
    /// PCI Express.
    pub(crate) const EXPRESS: u8 = 0x10;
    /// Message-signalled interrupts with a table.
    pub(crate) const MSIX: u8 = 0x11;
    /// Advanced features: function-level reset for conventional functions.
    pub(crate) const ADVANCED_FEATURES: u8 = 0x13;
}

/// Ids in the extended list, PCI Code and ID Assignment "Extended Capability IDs".
pub(crate) mod extended_id {
    /// Access Control Services.
    pub(crate) const ACS: u16 = 0x000d;
    /// Address Translation Services.
    pub(crate) const ATS: u16 = 0x000f;
    /// Virtual functions.
    pub(crate) const SR_IOV: u16 = 0x0010;
}

/// A list that points below its area or back to itself; what came before it was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokenList {
    /// The pointer that cannot be followed.
    pub(crate) pointer: u16,
}

/// Offsets already visited, a bit for each doubleword of 4 KiB.
struct Visited([u64; 16]);

impl Visited {
    const fn new() -> Self {
        Self([0; 16])
    }

    /// Marks an offset, which must be below 4096; tells whether that is the first time.
    fn first_visit(&mut self, offset: u16) -> bool {
        let bit = 1 << (offset / 4 % 64);
        match self.0.get_mut(usize::from(offset / 256)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}

/// Calls `visit(id, offset)` for each standard capability.
pub(crate) fn for_each_standard(
    config: &impl ConfigSpace,
    function: Bdf,
    header: HeaderType,
    mut visit: impl FnMut(u8, u16),
) -> Result<(), BrokenList> {
    if config.read16(function, register::STATUS) & STATUS_CAPABILITIES == 0 {
        return Ok(());
    }
    let first = match header.layout() {
        HeaderType::CARDBUS_BRIDGE => register::CARDBUS_CAPABILITIES,
        _ => register::CAPABILITIES,
    };
    let mut visited = Visited::new();
    let mut pointer = u16::from(config.read8(function, first)) & !3;
    while pointer != 0 {
        if pointer < 0x40 || !visited.first_visit(pointer) {
            return Err(BrokenList { pointer });
        }
        let [capability, next] = config.read16(function, pointer).to_le_bytes();
        visit(capability, pointer);
        pointer = u16::from(next) & !3;
    }
    Ok(())
}

/// Calls `visit(offset)` for each capability that the vendor defines; where the list is broken, for those
/// before the break.
pub fn for_each_vendor_capability(
    config: &impl ConfigSpace,
    function: &Function,
    mut visit: impl FnMut(u16),
) {
    let _ = for_each_standard(config, function.bdf, function.header, |found, offset| {
        if found == id::VENDOR {
            visit(offset);
        }
    });
}

/// Calls `visit(id, offset)` for each extended capability; there are none without ECAM.
pub(crate) fn for_each_extended(
    config: &impl ConfigSpace,
    function: Bdf,
    mut visit: impl FnMut(u16, u16),
) -> Result<(), BrokenList> {
    let mut visited = Visited::new();
    let mut pointer = 0x100;
    while pointer != 0 {
        if pointer < 0x100 || !visited.first_visit(pointer) {
            return Err(BrokenList { pointer });
        }
        let header = config.read32(function, pointer);
        if header == 0 || header == u32::MAX {
            return Ok(());
        }
        let [low, high, version_next, next] = header.to_le_bytes();
        visit(u16::from_le_bytes([low, high]), pointer);
        pointer = u16::from_le_bytes([version_next, next]) >> 4 & !3;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};
    use std::vec::Vec;

    fn walk(space: &FakeSpace) -> (Vec<(u8, u16)>, Result<(), BrokenList>) {
        let mut found = Vec::new();
        let end =
            for_each_standard(space, bdf("00:03.0"), HeaderType(0), |id, offset| found.push((id, offset)));
        (found, end)
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let space = FakeSpace::new().endpoint("00:03.0", 0x8086, 1).with("00:03.0", |f| {
            f.set16(0x06, 0x10).set8(0x34, 0x43).set16(0x40, 0x6005).set16(0x60, 0x0011)
        });
        assert_eq!(walk(&space), ([(0x05, 0x40), (0x11, 0x60)].to_vec(), Ok(())));
    }

    #[test]
    fn loops_and_pointers_into_the_header_end_the_walk() {
        let looping = FakeSpace::new().endpoint("00:03.0", 0x8086, 1).with("00:03.0", |f| {
            f.set16(0x06, 0x10).set8(0x34, 0x40).set16(0x40, 0x6005).set16(0x60, 0x4011)
        });
        let (found, end) = walk(&looping);
        assert_eq!((found.len(), end), (2, Err(BrokenList { pointer: 0x40 })));
        let low = looping.with("00:03.0", |f| f.set8(0x34, 0x10));
        assert_eq!(walk(&low), (Vec::new(), Err(BrokenList { pointer: 0x10 })));
        let all_ones = FakeSpace::new();
        assert_eq!(walk(&all_ones), (std::vec![(0xff, 0xfc)], Err(BrokenList { pointer: 0xfc })));
    }

    #[test]
    fn extended_lists_are_bounded_too() {
        let space = FakeSpace::new()
            .endpoint("00:03.0", 0x8086, 1)
            .with("00:03.0", |f| f.set32(0x100, 0x1401_000d).set32(0x140, 0x1001_000f));
        let mut found = Vec::new();
        let end = for_each_extended(&space, bdf("00:03.0"), |id, offset| found.push((id, offset)));
        assert_eq!(found, [(0x0d, 0x100), (0x0f, 0x140)]);
        assert_eq!(end, Err(BrokenList { pointer: 0x100 }));
    }
}
