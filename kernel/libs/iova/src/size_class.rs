//! Slot sizes: which requests share a queue of freed slots.
//!
//! A slot holds a range and its gap. It is measured in units of the alignment asked for, so that slots
//! cut one after the other stay aligned. A power of two of base pages gets twice as many and starts at a
//! multiple of its size, so that one invalidation names it exactly. Up to 64 units every size has its own class; above, four classes
//! share each doubling (at most a fifth of a slot is unused, and serves as a wider gap); above 4,096 units
//! slots have no class and return to the open room.

use dma_types::PageSize;

use crate::IovaError;

/// Sizes up to this many units are exact.
const EXACT: u64 = 64;
/// The largest number of units with a class.
const LARGEST: u64 = 4096;
/// Classes of one alignment: 64 exact ones and 4 for each of the 6 doublings from 64 to 4,096.
const CLASSES: usize = 64 + 4 * 6;
/// The most units of a slot that starts at a multiple of its half.
const ALIGNED: u64 = 1024;
/// Pages that no slot has.
const TOO_MANY: u64 = 1 << 31;
/// All queues: the classes of each of the three alignments.
pub(crate) const QUEUES: usize = 3 * CLASSES;
/// Stands for no queue: larger than any queue's number.
pub(crate) const NO_QUEUE: u16 = u16::MAX;

/// The queues of few base pages; none at all has that of a slot of one page, which nothing waits in.
static FEW: [u16; EXACT as usize / 2 + 1] = {
    let mut queues = [0; EXACT as usize / 2 + 1];
    let mut pages = 1;
    while pages < queues.len() {
        queues[pages] = slot_of_few(pages as u64) as u16 - 1;
        pages += 1;
    }
    queues
};

/// The kind of slot that serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeClass {
    /// Pages of the slot, its gap included.
    pub(crate) pages: u64,
    /// Alignment of its start in pages, a power of two.
    pub(crate) alignment: u64,
    /// The alignment asked for, which it has in any case.
    least_alignment: u64,
    /// The queue that its freed slots wait in; [`NO_QUEUE`] if too large for one.
    pub(crate) queue: u16,
    /// How many freed slots wait before the oldest is handed out again.
    pub(crate) quarantine: u32,
}

impl SizeClass {
    /// The class for `pages` mapped pages, the gap not counted.
    ///
    /// # Errors
    /// [`IovaError::NoPages`], or [`IovaError::Exhausted`] for more than any window holds.
    pub(crate) fn of(pages: u64, alignment: PageSize) -> Result<Self, IovaError> {
        let (shift, first_queue, quarantine) = match alignment {
            PageSize::Size4K => (0, 0, Self::QUARANTINE),
            PageSize::Size2M => (9, CLASSES as u16, Self::LARGE_QUARANTINE),
            PageSize::Size1G => (18, 2 * CLASSES as u16, 4),
        };
        if pages == 0 {
            return Err(IovaError::NoPages);
        }
        // From here on no sum or shift can overflow.
        if pages >= TOO_MANY / 2 {
            return Err(IovaError::Exhausted { pages });
        }
        let wanted = if shift == 0 && pages < ALIGNED { slot_of_few(pages) } else { (pages >> shift) + 1 };
        let (units, class) = round(wanted);
        let natural = if shift == 0 && units.is_power_of_two() && units <= ALIGNED { units / 2 } else { 1 };
        let queue = if class == NO_QUEUE { NO_QUEUE } else { first_queue + class };
        let least_alignment = 1 << shift;
        Ok(Self {
            pages: units << shift,
            alignment: natural.max(least_alignment),
            least_alignment,
            queue,
            quarantine,
        })
    }

    /// How many freed slots of base pages wait before the oldest is handed out again.
    pub(crate) const QUARANTINE: u32 = 256;

    /// The same of slots for 2 MiB entries.
    const LARGE_QUARANTINE: u32 = 16;

    /// The queue for a few base pages: what [`of`](Self::of) gives in many more steps.
    #[inline]
    pub(crate) fn queue_of_few(pages: u64) -> Option<u16> {
        FEW.get(usize::try_from(pages).ok()?).copied()
    }

    /// The queue and the quarantine for as much as one 2 MiB entry maps, aligned for it.
    #[inline]
    pub(crate) const fn queue_of_one_large(pages: u64) -> Option<(u16, u32)> {
        if pages != PageSize::Size2M.bytes() / PageSize::Size4K.bytes() {
            return None;
        }
        Some((CLASSES as u16 + 1, Self::LARGE_QUARANTINE))
    }

    /// The smallest slot for `pages` mapped pages, without a queue: for a window too full for a rounded one.
    pub(crate) fn tight(&self, pages: u64) -> Self {
        // `of` has bounded `pages`, and the rounded slot bounds the multiple.
        let pages = (pages + 1).next_multiple_of(self.least_alignment);
        Self { pages, alignment: self.least_alignment, queue: NO_QUEUE, ..*self }
    }

    /// Where a slot of this class lies in the free pages from `start` on; `None` if it does not fit.
    pub(crate) fn fit(&self, start: u64, pages: u64) -> Option<u64> {
        let aligned = start.checked_next_multiple_of(self.alignment)?;
        let end = aligned.checked_add(self.pages)?;
        (end <= start.checked_add(pages)?).then_some(aligned)
    }
}

/// The pages of a slot for some pages: one more at least, and twice as many for a power of two.
#[inline]
const fn slot_of_few(pages: u64) -> u64 {
    if pages & pages.wrapping_sub(1) == 0 { pages.wrapping_mul(2) } else { pages.wrapping_add(1) }
}

/// The slot size in units for at least `units`, and its class among those of an alignment.
#[inline]
fn round(units: u64) -> (u64, u16) {
    if units <= EXACT { (units, units as u16 - 1) } else { round_large(units) }
}

fn round_large(units: u64) -> (u64, u16) {
    if units > LARGEST {
        return (units, NO_QUEUE);
    }
    let doubling = (units - 1).ilog2();
    let step = 1 << (doubling - 2);
    let rounded = units.next_multiple_of(step);
    let quarter = (rounded - (1 << doubling)) / step;
    (rounded, EXACT as u16 + (doubling as u16 - 6) * 4 + quarter as u16 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_ascend_without_holes_and_waste_little() {
        let mut last = None;
        for units in 1..=LARGEST {
            let (rounded, class) = round(units);
            assert!(rounded >= units && (rounded - units) * 5 <= rounded, "{units} -> {rounded}");
            assert_eq!(round(rounded), (rounded, class));
            assert!(last.is_none_or(|last| class == last || class == last + 1), "{units}");
            last = Some(class);
        }
        assert_eq!(last, Some(CLASSES as u16 - 1));
        assert_eq!(round(LARGEST + 1), (LARGEST + 1, NO_QUEUE));
    }

    #[test]
    fn the_fast_path_to_a_queue_leads_to_the_same_one() {
        for pages in 1..=EXACT / 2 {
            let class = SizeClass::of(pages, PageSize::Size4K).unwrap();
            assert_eq!(SizeClass::queue_of_few(pages), Some(class.queue), "{pages}");
            assert_eq!(class.quarantine, SizeClass::QUARANTINE);
        }
        assert_eq!([EXACT / 2 + 1, u64::MAX].map(SizeClass::queue_of_few), [None; 2]);
        assert_eq!(SizeClass::queue_of_few(0), Some(0));
        let large = SizeClass::of(512, PageSize::Size2M).unwrap();
        assert_eq!(SizeClass::queue_of_one_large(512), Some((large.queue, large.quarantine)));
        assert_eq!(SizeClass::queue_of_one_large(511), None);
    }

    #[test]
    fn a_power_of_two_of_pages_starts_at_a_multiple_of_its_size() {
        for pages in [1, 2, 16, 64, 256, 512] {
            let class = SizeClass::of(pages, PageSize::Size4K).unwrap();
            assert_eq!((class.pages, class.alignment), (2 * pages, pages));
            assert_eq!((class.tight(pages).pages, class.tight(pages).alignment), (pages + 1, 1));
        }
        assert_eq!(SizeClass::of(1024, PageSize::Size4K).unwrap().alignment, 1);
        assert_eq!(SizeClass::of(17, PageSize::Size4K).unwrap().alignment, 1);
    }

    #[test]
    fn a_slot_has_room_for_its_gap_and_keeps_its_alignment() {
        for alignment in [PageSize::Size4K, PageSize::Size2M, PageSize::Size1G] {
            for pages in [1, 2, 63, 64, 65, 511, 512, 513, 262_143, 262_144] {
                let class = SizeClass::of(pages, alignment).unwrap();
                assert!(class.pages > pages);
                assert_eq!(class.pages % class.alignment, 0);
            }
        }
        assert_eq!(SizeClass::of(0, PageSize::Size4K), Err(IovaError::NoPages));
        assert_eq!(SizeClass::of(u64::MAX, PageSize::Size4K), Err(IovaError::Exhausted { pages: u64::MAX }));
    }

    #[test]
    fn a_slot_fits_only_where_its_aligned_start_leaves_room() {
        let class = SizeClass::of(512, PageSize::Size2M).unwrap();
        assert_eq!(class.pages, 1024);
        assert_eq!(class.fit(0x201, 0x5ff), Some(0x400));
        assert_eq!(class.fit(0x201, 0x5fe), None);
        assert_eq!(class.fit(u64::MAX - 1, 1), None);
    }
}
