//! Where a domain's addresses lie.

use alloc::vec::Vec;
use core::ops::Range;

use dma_types::Iova;
use spin::Once;

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
