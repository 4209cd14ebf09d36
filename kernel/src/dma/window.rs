//! Where a domain's addresses lie.

use alloc::vec::Vec;
use core::ops::Range;

use dma_types::Iova;
use spin::Once;

/// Parts that the whole space of addresses is cut into, one a domain in turn.
///
/// With different parts the same number means something in one domain at most, so a device that uses
/// another's address is found out. The lowest part, where memory's own numbers lie, is left out.
const PARTS: u64 = 64;

/// A domain needs at least this much: below, the whole space is used and only the starts differ.
const SMALLEST_PART: u64 = 1 << 30;

static PCI_WINDOWS: Once<Vec<Range<Iova>>> = Once::new();

/// Notes where devices' own registers lie: no domain hands out such numbers, since a bridge may turn them
/// to a neighbour before any unit sees them. To be called once, before the first domain.
pub fn keep_clear_of(windows: Vec<Range<Iova>>) {
    PCI_WINDOWS.call_once(|| windows);
}

/// What no domain hands out.
pub(super) fn reserved() -> impl Iterator<Item = Range<Iova>> {
    PCI_WINDOWS.get().into_iter().flatten().cloned()
}

/// The window of a domain and the place to begin in it: for the domain with that number, a device that
/// can send addresses up to `highest`, and a unit that translates `width` bits.
pub(super) fn choose(number: u64, highest: Iova, width: u8) -> (Range<Iova>, Iova) {
    let space = iova::window_for(highest, width);
    let part = space.end.as_u64() / PARTS;
    let turn = number % (PARTS - 1) + 1;
    let start = Iova::new(part * turn);
    if part < SMALLEST_PART {
        return (space, start);
    }
    (start..Iova::new(part * (turn + 1)), start)
}
