//! Which addresses and pages are targets.

use dma_types::{INTERRUPT_RANGE, Iova, PAGE_SIZE, PhysAddr};

use crate::*;

const ANY: Iova = Iova::new(u64::MAX);

fn check(iova: u64, length: u32, highest: Iova) -> Result<(), NotPossible> {
    check_address(Iova::new(iova), length, highest, |iova| iova.page() == Iova::new(0x5000))
}

#[test]
fn an_address_is_none_that_the_device_may_use_or_cannot_send() {
    assert_eq!(check(0x4000, 0x1000, ANY), Ok(()));
    assert_eq!(check(0x4000, 0x1001, ANY), Err(NotPossible::Live));
    assert_eq!(check(0x5fff, 1, ANY), Err(NotPossible::Live));
    assert_eq!(check(0x6000, 8, ANY), Ok(()));
    assert_eq!(check(0x6000, 8, Iova::new(0x6000)), Ok(()));
    assert_eq!(check(0x6001, 8, Iova::new(0x6000)), Err(NotPossible::Beyond));
}

#[test]
fn no_byte_of_a_transfer_is_an_interrupt() {
    let (start, end) = (INTERRUPT_RANGE.start, INTERRUPT_RANGE.end);
    assert_eq!(check(start - 8, 8, ANY), Ok(()));
    assert_eq!(check(start - 8, 9, ANY), Err(NotPossible::InterruptWindow));
    assert_eq!(check(end - 1, 1, ANY), Err(NotPossible::InterruptWindow));
    assert_eq!(check(end, 8, ANY), Ok(()));
    assert_eq!(check(u64::MAX, 0, ANY), Ok(()));
    assert_eq!(check(u64::MAX - 1, 64, ANY), Ok(()), "an end past all addresses wraps nowhere");
}

fn page(number: u64, sent: bool) -> RealPage {
    let at = number * PAGE_SIZE;
    RealPage { memory: PhysAddr::new(at), iova: sent.then_some(Iova::new(at)) }
}

#[test]
fn the_first_page_is_taken_that_suits_in_every_way() {
    // The number of page 2 means something to the device; of page 3 nothing is in place.
    let choose = |pages: &[RealPage]| {
        let is_nobodys = |iova: Iova| iova != Iova::new(0x2000);
        let place = |memory: PhysAddr| (memory != PhysAddr::new(0x3000)).then_some(0x10);
        choose_page(pages.iter().copied(), is_nobodys, place)
    };
    let all = [page(1, false), page(2, true), page(3, true), page(4, true), page(5, true)];
    assert_eq!(choose(&all), Ok((PhysAddr::new(0x4010), Iova::new(0x4010))));
    assert_eq!(choose(&all[..3]), Err(NotPossible::Contents));
    assert_eq!(choose(&[page(3, true), page(2, true)]), Err(NotPossible::Contents));
    assert_eq!(choose(&all[..2]), Err(NotPossible::Numbers));
    assert_eq!(choose(&all[..1]), Err(NotPossible::Beyond));
    assert_eq!(choose(&[]), Err(NotPossible::Beyond));
}

#[test]
fn what_is_written_stands_where_a_hit_changes_nothing() {
    let page = [0, 0, 7, 8, 7, 8, 0, 0, 7, 8];
    assert_eq!(offset_of(&[7, 8], &page), Some(4), "at a multiple of 4");
    assert_eq!(offset_of(&[7, 8], &page[..4]), None);
    assert_eq!(offset_of(&[7, 8, 7, 8, 7, 8, 7, 8, 7, 8, 7], &page), None);
}
