//! Tests of putting reports together.

use super::*;
use pages::Pages;
use proptest::prelude::*;

fn pages(report: &str, bytes: usize) -> Vec<String> {
    let pages = Pages::of(report.as_bytes(), bytes).unwrap();
    (0..pages.count()).map(|index| pages.page(index).unwrap().to_string()).collect()
}

fn report(name: &str) -> String {
    (0..100).map(|n| format!("{{\"event\":\"{name}\",\"t\":{}}}\n", n * n)).collect()
}

#[test]
fn pages_of_several_reports_come_in_any_order_and_more_than_once() {
    let (one, other) = (pages(&report("one"), 60), pages(&report("other"), 60));
    let mut collector = Collector::default();
    for page in one.iter().rev().chain(&other[1..]).chain(&one) {
        collector.take(page).unwrap();
    }
    assert_eq!(collector.complete().collect::<Vec<_>>(), [Ok(report("one"))]);
    let missing: Vec<_> = collector.missing().collect();
    let [Missing { pages, of, .. }] = &missing[..] else { panic!("{missing:?}") };
    assert_eq!((&pages[..], *of), (&[1][..], other.len()));
    assert!(missing[0].to_string().ends_with(&format!("pages 1 of {} are missing", other.len())));
    collector.take(&other[0]).unwrap();
    assert_eq!(collector.complete().count(), 2);
}

#[test]
fn pages_are_found_in_what_was_pasted() {
    let pages = pages(&report("pasted"), 60);
    for text in [
        pages.join("\n"),
        format!("page one\n{}\nand that is all: really:\n", pages.join("\n")),
        pages.join(""),
        // Broken after every 40 characters.
        pages
            .join("\n")
            .as_bytes()
            .chunks(40)
            .map(|line| format!("{}\n", str::from_utf8(line).unwrap()))
            .collect(),
    ] {
        let mut collector = Collector::default();
        collector.take_all(&text);
        assert_eq!(collector.complete().next(), Some(Ok(report("pasted"))), "{text}");
    }
}

/// A page that was changed, and still reads as one, is found out by the report's number.
#[test]
fn a_changed_page_is_found_out() {
    let mut pages = pages(&report("x"), 60);
    let last = pages.len() - 1;
    let replaced = pages[0].replacen("0", "1", 9).replacen("1", "0", 1);
    let head = pages[0].match_indices(':').nth(2).unwrap().0;
    pages[0] = format!("{}{}", &pages[0][..=head], &replaced[head + 1..]);
    let mut collector = Collector::default();
    pages.iter().for_each(|page| collector.take(page).unwrap());
    assert_eq!(collector.complete().next(), Some(Err(ReportError::Number)));
    assert!(last > 0);
}

#[test]
fn what_unpacks_without_end_is_refused() {
    let huge = pages(&"0".repeat(MOST_BYTES + 1), 100_000);
    let mut collector = Collector::default();
    huge.iter().for_each(|page| collector.take(page).unwrap());
    assert_eq!(collector.complete().next(), Some(Err(ReportError::Packing)));
}

proptest! {
    #[test]
    fn no_text_panics(text: String, pieces in prop::collection::vec("(IVT2:[0-9]{1,3}/[0-9]{1,3}:[0-9A-F]{8}:[A-Z0-9 ]{0,9}:?\n?)", 0..9)) {
        let mut collector = Collector::default();
        collector.take_all(&text);
        collector.take_all(&pieces.concat());
        collector.complete().for_each(drop);
        collector.missing().for_each(drop);
    }
}
