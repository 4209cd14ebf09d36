//! Tests of packing and pages, against an unpacker that shares no code with the packer.

use super::*;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn unpacked(packed: &[u8]) -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec(packed).expect("the packed form follows RFC 1951")
}

/// Lines like those of a report.
fn report() -> String {
    let device = |n| {
        format!(
            "{{\"event\":\"device\",\"t\":{},\"bdf\":\"0000:00:{:02x}.{}\",\"id\":\"8086:{:04x}\",\"state\":\"blocked\"}}\n",
            n * 7919,
            n / 8,
            n % 8,
            n * 40503 % 65536
        )
    };
    (0..200).map(device).collect()
}

#[test]
fn what_is_packed_is_unpacked_by_others() {
    let report = report();
    for bytes in [&b""[..], b"a", b"ab", &[0; 5000], b"abcabcabcabcabcx", report.as_bytes()] {
        assert_eq!(unpacked(&pack(bytes)), bytes);
    }
    let packed = pack(report.as_bytes()).len();
    assert!(packed * 4 < report.len(), "{packed} of {}", report.len());
}

/// A match may lie as far back as the window reaches, and no farther.
#[test]
fn matches_at_the_windows_end_are_right() {
    for gap in (1 << 15) - 6..(1 << 15) + 3 {
        let mut bytes: Vec<u8> =
            (0..gap as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        bytes.splice(0..6, *b"needle");
        bytes.extend(b"needle");
        assert_eq!(unpacked(&pack(&bytes)), bytes, "{gap}");
    }
}

#[test]
fn pages_hold_the_report_and_say_which_they_are() {
    let report = report();
    let pages = Pages::of(report.as_bytes(), 833).unwrap();
    assert!(pages.count() > 1);
    let mut packed = Vec::new();
    for index in 0..pages.count() {
        let text = pages.page(index).unwrap().to_string();
        assert!(text.bytes().all(|byte| b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains(&byte)));
        let page = Page::parse(&format!(" {text}\n")).unwrap();
        assert_eq!((page.number, page.of, page.report), (index + 1, pages.count(), pages.number()));
        packed.extend(page.data);
    }
    assert!(pages.page(pages.count()).is_none());
    assert_eq!(number(&packed), pages.number());
    assert_eq!(unpacked(&packed), report.as_bytes());
}

#[test]
fn what_is_no_page_is_refused() {
    let page = Pages::of(b"x", 100).unwrap().page(0).unwrap().to_string();
    assert!(Page::parse(&page).is_ok());
    for (text, error) in [
        ("", PageError::Mark),
        ("IVT1:stop=e6", PageError::Mark),
        ("IVT2:", PageError::Head),
        ("IVT2:1:00000000:BB8:", PageError::Head),
        ("IVT2:0/1:00000000:BB8:", PageError::Head),
        ("IVT2:2/1:00000000:BB8:", PageError::Head),
        ("IVT2:+1/1:00000000:BB8:", PageError::Head),
        ("IVT2:1/1000:00000000:BB8:", PageError::Head),
        ("IVT2:1/1:0000000:BB8:", PageError::Head),
        ("IVT2:1/1:+0000000:BB8:", PageError::Head),
        ("IVT2:1/1:00000000:BB8", PageError::Data),
        ("IVT2:1/1:00000000:B:", PageError::Data),
        ("IVT2:1/1:00000000:bb8:", PageError::Data),
    ] {
        assert_eq!(Page::parse(text), Err(error), "{text}");
    }
    assert_eq!(Page::parse(page.strip_suffix(':').unwrap()), Err(PageError::Data));
}

#[test]
fn a_report_of_too_many_pages_is_refused() {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..4000).map(|_| next()).collect();
    assert!(Pages::of(&noise, 2).is_none());
    assert!(Pages::of(&noise, 100).is_some());
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in prop::collection::vec(0_u8..8, 0..3000), noise: Vec<u8>) {
        prop_assert_eq!(unpacked(&pack(&bytes)), bytes);
        prop_assert_eq!(unpacked(&pack(&noise)), noise);
    }

    #[test]
    fn no_text_panics(text: String, tail: String) {
        let _ = Page::parse(&text);
        let _ = Page::parse(&format!("IVT2:1/2:00C0FFEE:{tail}:"));
    }
}
