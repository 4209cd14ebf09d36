//! Whether an address is a target, and which page of several is taken.

use dma_types::{INTERRUPT_RANGE, Iova, PhysAddr};

use crate::NotPossible;

/// Pages that are looked at for one that suits.
const MOST_PAGES: usize = 1024;

/// Checks that a transfer of `length` bytes at an address cannot be an interrupt, reach memory of the device's own, or be
/// sent to another address. `highest` is the highest address that the device can send; `is_live` tells whether it may use
/// an address.
///
/// # Errors
/// Why the address is no target.
pub fn check_address(
    iova: Iova,
    length: u32,
    highest: Iova,
    is_live: impl Fn(Iova) -> bool,
) -> Result<(), NotPossible> {
    if iova > highest {
        return Err(NotPossible::Beyond);
    }
    let last = iova.checked_add(u64::from(length.max(1)) - 1).unwrap_or(Iova::new(u64::MAX));
    if last.as_u64() >= INTERRUPT_RANGE.start && iova.as_u64() < INTERRUPT_RANGE.end {
        return Err(NotPossible::InterruptWindow);
    }
    if is_live(iova) || is_live(last) {
        return Err(NotPossible::Live);
    }
    Ok(())
}

/// A page of the kernel's own, which must stay as it is, and the number by which the device asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealPage {
    /// Where it lies.
    pub memory: PhysAddr,
    /// What the device would send for it; none if it cannot.
    pub iova: Option<Iova>,
}

/// Chooses the first page that the device can ask for, whose number means nothing to it (`is_nobodys`), and where what it
/// would write stands already: `place` gives the offset. Gives memory and address.
///
/// # Errors
/// The last of these conditions that no page came to meet.
pub fn choose_page(
    pages: impl Iterator<Item = RealPage>,
    is_nobodys: impl Fn(Iova) -> bool,
    place: impl Fn(PhysAddr) -> Option<u64>,
) -> Result<(PhysAddr, Iova), NotPossible> {
    let mut why = NotPossible::Beyond;
    let reachable = pages.filter_map(|page| Some((page.memory, page.iova?)));
    for (memory, iova) in reachable.take(MOST_PAGES) {
        if !is_nobodys(iova) {
            if why == NotPossible::Beyond {
                why = NotPossible::Numbers;
            }
            continue;
        }
        why = NotPossible::Contents;
        let at = |offset| Some((memory.checked_add(offset)?, iova.checked_add(offset)?));
        if let Some(found) = place(memory).and_then(at) {
            return Ok(found);
        }
    }
    Err(why)
}
