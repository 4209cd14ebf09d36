//! Virtual functions: requesters that enumeration does not see.
//!
//! A virtual function reads as absent where others tell their vendor, and has bus mastering of its own (PCIe
//! "SR-IOV Extended Capability"). Those that firmware switched on go on with their DMA, whatever is done to the
//! physical function; only VF Enable in the physical function ends it.
//!
//! Nothing here allocates or waits, so the stop path may use it.

use crate::config::ConfigSpace;
use crate::function::Function;
use dma_types::{Bdf, SourceId};

/// Control: VF Enable 0, VF Memory Space Enable 3; 16 bits.
const CONTROL: u16 = 0x08;
/// How many virtual functions there are while they are on, 16 bits.
const NUM_VFS: u16 = 0x10;
/// First VF Offset, then VF Stride, 16 bits each, read-only; both may change with what is written beside them.
const FIRST_VF_OFFSET: u16 = 0x14;
const VF_STRIDE: u16 = 0x16;

const VF_ENABLE: u16 = 1 << 0;
const VF_MEMORY: u16 = 1 << 3;

/// Milliseconds after [`stop_virtual_functions`] before anything of the capability may be read, PCIe "VF Enable".
pub const VF_STOP_MS: u64 = 1000;

/// The capability of a physical function, read once at enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrIov {
    /// Where it stands in configuration space.
    pub offset: u16,
    /// Whether firmware left its virtual functions on.
    pub at_boot: VirtualFunctions,
    /// How many there are while they are on.
    pub count: u16,
    /// How far the first one's id is from the physical function's.
    pub first: u16,
    /// How far each id is from the one before.
    pub stride: u16,
}

/// Whether the virtual functions of a physical one exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualFunctions {
    /// They do, and may make requests.
    On,
    /// Virtual functions do not answer.
    Off,
}

impl SrIov {
    /// Reads the capability that stands at `offset`.
    pub(crate) fn read(config: &impl ConfigSpace, function: Bdf, offset: u16) -> Self {
        let read = |register| config.read16(function, offset.saturating_add(register));
        Self {
            offset,
            at_boot: state(read(CONTROL)),
            count: read(NUM_VFS),
            first: read(FIRST_VF_OFFSET),
            stride: read(VF_STRIDE),
        }
    }

    /// The ids that the virtual functions of `physical` carry while they are on.
    ///
    /// The device says so; nobody vouches for it. Carries beyond 16 bits are dropped (PCIe "VF Discovery").
    pub fn ids(&self, physical: SourceId) -> impl Iterator<Item = SourceId> + use<> {
        let Self { count, first, stride, .. } = *self;
        let start = physical.bits().wrapping_add(first);
        (0..count).map(move |index| SourceId::from_bits(start.wrapping_add(index.wrapping_mul(stride))))
    }
}

/// Switches the virtual functions of a physical one off; their requests end with them.
///
/// It takes effect within [`VF_STOP_MS`], and [`virtual_functions`] tells whether it did, but must not be asked
/// earlier. A function without the capability is left alone.
pub fn stop_virtual_functions(config: &impl ConfigSpace, function: &Function) {
    let Some(capability) = &function.sr_iov else { return };
    let at = capability.offset.saturating_add(CONTROL);
    let old = config.read16(function.bdf, at);
    let new = old & !(VF_ENABLE | VF_MEMORY);
    if new != old {
        config.write16(function.bdf, at, new);
    }
}

/// Asks whether the virtual functions of a physical one exist.
pub fn virtual_functions(config: &impl ConfigSpace, function: &Function) -> VirtualFunctions {
    match &function.sr_iov {
        Some(capability) => state(config.read16(function.bdf, capability.offset.saturating_add(CONTROL))),
        None => VirtualFunctions::Off,
    }
}

const fn state(control: u16) -> VirtualFunctions {
    if control & VF_ENABLE == 0 { VirtualFunctions::Off } else { VirtualFunctions::On }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};
    use std::string::ToString;
    use std::vec::Vec;

    /// A card whose firmware left `count` virtual functions on.
    fn card(control: u16, count: u16, first: u16, stride: u16) -> FakeSpace {
        FakeSpace::new().root_port("00:1c.0", 1, 2).express_endpoint("01:00.0", 0x8086, 0x10c9).with(
            "01:00.0",
            |f| {
                f.set32(0x100, 0x0001_0010)
                    .set16(0x108, control)
                    .set16(0x10e, 8)
                    .set16(0x110, count)
                    .set16(0x114, first)
                    .set16(0x116, stride)
            },
        )
    }

    #[test]
    fn ids_of_virtual_functions_follow_from_offset_and_stride() {
        let ids = |count, first, stride| {
            let topology = card(0x19, count, first, stride).enumerate();
            let card = topology.get(bdf("01:00.0")).unwrap();
            let capability = card.sr_iov.unwrap();
            assert_eq!((capability.offset, capability.at_boot), (0x100, VirtualFunctions::On));
            capability.ids(card.bdf.source).map(|id| id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(3, 0x80, 2), ["01:10.0", "01:10.2", "01:10.4"]);
        assert_eq!(ids(2, 0x180, 1), ["02:10.0", "02:10.1"]);
        assert_eq!(ids(2, 0xff00, 0xffff), ["00:00.0", "ff:1f.7"], "carries are dropped");
        assert_eq!(ids(u16::MAX, 0, 0).len(), 0xffff);
        assert_eq!(ids(0, 1, 1).len(), 0);
    }

    #[test]
    fn virtual_functions_go_off_and_nothing_else_changes() {
        let space = card(0x19, 2, 0x80, 2);
        let topology = space.enumerate();
        let card = topology.get(bdf("01:00.0")).unwrap();
        assert_eq!(virtual_functions(&space, card), VirtualFunctions::On);
        stop_virtual_functions(&space, card);
        assert_eq!(virtual_functions(&space, card), VirtualFunctions::Off);
        assert_eq!(space.read16(card.bdf, 0x108), 0x10, "the hierarchy bit stays");
        assert_eq!(space.writes().len(), 1);
        stop_virtual_functions(&space, card);
        assert_eq!(space.writes().len(), 1, "what is off is not written again");
    }

    #[test]
    fn a_function_that_keeps_them_on_shows_and_one_without_is_left_alone() {
        let stuck = card(0x19, 2, 0x80, 2).with("01:00.0", |f| f.read_only16(0x108, 0));
        let topology = stuck.enumerate();
        let card = topology.get(bdf("01:00.0")).unwrap();
        stop_virtual_functions(&stuck, card);
        assert_eq!(virtual_functions(&stuck, card), VirtualFunctions::On);
        let port = topology.get(bdf("00:1c.0")).unwrap();
        let before = stuck.writes().len();
        stop_virtual_functions(&stuck, port);
        assert_eq!((port.sr_iov, virtual_functions(&stuck, port)), (None, VirtualFunctions::Off));
        assert_eq!(stuck.writes().len(), before);
    }
}
