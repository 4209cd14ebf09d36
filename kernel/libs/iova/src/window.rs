//! Which part of a window may be used.

use alloc::vec::Vec;
use core::ops::Range;

use dma_types::{INTERRUPT_RANGE, Iova, PAGE_SIZE};

use crate::OutOfMemory;

/// Page 0: address 0 is what an unprogrammed device sends, and always worth a fault.
const FIRST_PAGE: Range<u64> = 0..1;
/// Interrupt requests: writes here never reach the translation tables (VT-d "Interrupt Address Range").
const INTERRUPT_PAGES: Range<u64> = INTERRUPT_RANGE.start / PAGE_SIZE..INTERRUPT_RANGE.end / PAGE_SIZE;

/// The addresses that a device can send and its unit can translate.
///
/// `highest` is the highest address that the device can drive (its address mask), `width` the number of
/// address bits that the unit translates for it. A mask with holes counts up to its first hole.
pub fn window_for(highest: Iova, width: u8) -> Range<Iova> {
    let device_bits = (highest.as_u64() | (PAGE_SIZE - 1)).trailing_ones();
    let bits = device_bits.min(u32::from(width));
    // A full 64-bit space loses its last page: an end behind it is no 64-bit number.
    let end = 1_u64.checked_shl(bits).unwrap_or(!(PAGE_SIZE - 1));
    Iova::new(0)..Iova::new(end)
}

/// Parts that the whole space of addresses is cut into, one a domain in turn.
///
/// With different parts the same number means something in one domain at most, so a device that uses
/// another's address is found out. The lowest part, where memory's own numbers lie, is left out.
const PARTS: u64 = 64;

/// A domain needs at least this much: below, the whole space is used and only the starts differ.
const SMALLEST_PART: u64 = 1 << 30;

/// Where a domain's addresses lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainWindow {
    /// The addresses that it may hand out.
    pub addresses: Range<Iova>,
    /// Where to begin among them.
    pub start: Iova,
}

impl DomainWindow {
    /// The window of the domain with that number, for devices that can send addresses up to `highest` and a
    /// unit that translates `width` bits. Each of its addresses can be sent and is translated.
    pub fn choose(number: u64, highest: Iova, width: u8) -> Self {
        let space = window_for(highest, width);
        let part = space.end.as_u64() / PARTS;
        let turn = number % (PARTS - 1) + 1;
        let start = part.saturating_mul(turn);
        if part < SMALLEST_PART {
            return Self { addresses: space, start: Iova::new(start) };
        }
        Self { addresses: Iova::new(start)..Iova::new(start.saturating_add(part)), start: Iova::new(start) }
    }
}

/// The page numbers that lie wholly within a range of addresses.
pub(crate) fn inner_pages(range: &Range<Iova>) -> Range<u64> {
    range.start.as_u64().div_ceil(PAGE_SIZE)..range.end.as_u64() / PAGE_SIZE
}

/// The runs of usable pages in `window`, in address order.
///
/// # Errors
/// [`OutOfMemory`].
pub(crate) fn usable_runs(
    window: Range<u64>,
    reserved: impl IntoIterator<Item = Range<Iova>>,
) -> Result<Vec<Range<u64>>, OutOfMemory> {
    let mut holes = Vec::new();
    push(&mut holes, FIRST_PAGE)?;
    push(&mut holes, INTERRUPT_PAGES)?;
    for range in reserved {
        if range.start < range.end {
            // What is reserved may be mapped: it keeps a gap above, as every slot brings its own.
            let end = range.end.as_u64().div_ceil(PAGE_SIZE) + 1;
            push(&mut holes, range.start.as_u64() / PAGE_SIZE..end)?;
        }
    }
    holes.sort_unstable_by_key(|hole| hole.start);

    let mut runs = Vec::new();
    let mut free_from = window.start;
    for hole in holes {
        if free_from < hole.start.min(window.end) {
            push(&mut runs, free_from..hole.start.min(window.end))?;
        }
        free_from = free_from.max(hole.end);
    }
    if free_from < window.end {
        push(&mut runs, free_from..window.end)?;
    }
    Ok(runs)
}

/// Appends without panicking for want of memory.
fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), OutOfMemory> {
    list.try_reserve(1).map_err(|_| OutOfMemory)?;
    list.push(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn the_narrower_of_device_and_unit_decides() {
        assert_eq!(window_for(Iova::new(u64::MAX), 39).end, Iova::new(1 << 39));
        assert_eq!(window_for(Iova::new(0xffff_ffff), 48).end, Iova::new(1 << 32));
        assert_eq!(window_for(Iova::new(0x0fff_ffff), 48).end, Iova::new(1 << 28));
        assert_eq!(window_for(Iova::new(0xffff_ff00_ffff_ffff), 48).end, Iova::new(1 << 32));
        assert_eq!(window_for(Iova::new(u64::MAX), 64).end, Iova::new(u64::MAX - 4095));
    }

    #[test]
    fn only_whole_pages_of_the_window_count() {
        assert_eq!(inner_pages(&(Iova::new(1)..Iova::new(0x2fff))), 1..2);
        assert_eq!(inner_pages(&(Iova::new(0x1000)..Iova::new(0x3000))), 1..3);
    }

    #[test]
    fn reserved_pages_split_the_window_and_keep_a_gap() {
        let reserved = [
            Iova::new(0x1_0800)..Iova::new(0x1_2001),
            Iova::new(0x1_1000)..Iova::new(0x1_1800),
            Iova::new(0x5000)..Iova::new(0x5000),
        ];
        assert_eq!(
            usable_runs(0..0x10_0000, reserved).unwrap(),
            vec![1..0x10, 0x14..0xfee00, 0xfef00..0x10_0000]
        );
        assert_eq!(usable_runs(0..1, []).unwrap(), vec![]);
        let all = [Iova::new(0)..Iova::new(u64::MAX)];
        assert_eq!(usable_runs(0..0x10_0000, all).unwrap(), vec![]);
    }
}
