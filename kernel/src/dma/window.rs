//! Where a domain's addresses lie.

use core::ops::Range;

use dma_types::Iova;

use crate::devices;

/// Where firmware places windows below 4 GiB, and may open more than stood at start.
const LOW_WINDOWS: Range<Iova> = Iova::new(0xc000_0000)..Iova::new(1 << 32);

/// What the domain of a group does not hand out: numbers that a bridge above a member would turn to a neighbour before
/// the unit sees them. What bridges elsewhere pass down, or functions elsewhere say, takes nothing from it.
pub(super) fn reserved(group: u32) -> impl Iterator<Item = Range<Iova>> {
    let members = devices::all().iter().filter(move |record| record.group == group);
    core::iter::once(LOW_WINDOWS).chain(members.flat_map(|record| record.turned.iter().cloned()))
}
