//! Input that may hold the pages of a report, as `report qr` shows them: the report follows at the end.

use std::io::{self, Cursor, Read};

use memchr::memmem;
use page_reader::Collector;

/// The most bytes that are looked through for pages, from the first one on: all pages of the longest report fit.
const MOST_BYTES: usize = 4 << 20;

/// Passes its input on, and behind it every report whose pages it held.
pub(crate) struct Unfolded<R> {
    input: R,
    /// What has come since the first mark; before it, what may be the beginning of one.
    seen: Vec<u8>,
    found: bool,
    reports: Option<Cursor<Vec<u8>>>,
    collector: Collector,
}

impl<R: Read> Unfolded<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, seen: Vec::new(), found: false, reports: None, collector: Collector::default() }
    }

    /// The reports, once the input is at its end, each as lines.
    pub(crate) fn reports(&self) -> impl Iterator<Item = String> {
        self.collector.complete().flatten()
    }

    /// What keeps reports from being whole, a line each.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        let broken = self.collector.complete().filter_map(Result::err).map(|error| error.to_string());
        broken.chain(self.collector.missing().map(|missing| missing.to_string()))
    }

    fn note(&mut self, bytes: &[u8]) {
        let mark = pages::MARK.as_bytes();
        self.seen.extend_from_slice(
            bytes.get(..bytes.len().min(MOST_BYTES - self.seen.len())).unwrap_or_default(),
        );
        if self.found {
            return;
        }
        match memmem::find(&self.seen, mark) {
            Some(place) => {
                self.seen.drain(..place);
                self.found = true;
            }
            None => {
                let keep = self.seen.len().min(mark.len() - 1);
                self.seen.drain(..self.seen.len() - keep);
            }
        }
    }

    fn unfold(&mut self) -> Cursor<Vec<u8>> {
        if self.found {
            self.collector.take_all(&String::from_utf8_lossy(&self.seen));
        }
        let reports: Vec<String> = self.reports().collect();
        // On a line of its own, whatever the input ended with.
        Cursor::new(reports.into_iter().flat_map(|report| format!("\n{report}").into_bytes()).collect())
    }
}

impl<R: Read> Read for Unfolded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reports.is_none() && !buffer.is_empty() {
            let length = self.input.read(buffer)?;
            if length > 0 {
                self.note(buffer.get(..length).unwrap_or_default());
                return Ok(length);
            }
            self.reports = Some(self.unfold());
        }
        self.reports.as_mut().map_or(Ok(0), |reports| reports.read(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pages::Pages;

    #[test]
    fn a_report_follows_the_text_that_held_its_pages() {
        let report = "{\"event\":\"end\"}\n".repeat(400);
        let pages = Pages::of(report.as_bytes(), 20).unwrap();
        let text: String =
            (0..pages.count()).map(|index| format!("{}\r\n", pages.page(index).unwrap())).collect();
        let text = format!("a photo says {}{text}", "x".repeat(10_000));
        // A reader that gives a few bytes at a time cuts marks in two.
        let mut unfolded = Unfolded::new(Slow(text.as_bytes()));
        let mut all = String::new();
        unfolded.read_to_string(&mut all).unwrap();
        assert_eq!(all, format!("{text}\n{report}"));
        assert_eq!(unfolded.reports().collect::<Vec<_>>(), [report]);
        assert_eq!(unfolded.complaints().count(), 0);
    }

    #[test]
    fn a_page_that_is_missing_is_named() {
        let pages = Pages::of(&[7; 60_000].map(|_: u8| 1), 20).unwrap();
        assert!(pages.count() > 1);
        let mut unfolded = Unfolded::new(Cursor::new(pages.page(0).unwrap().to_string().into_bytes()));
        io::copy(&mut unfolded, &mut io::sink()).unwrap();
        let complaints: Vec<_> = unfolded.complaints().collect();
        assert!(complaints.len() == 1 && complaints[0].contains("are missing"), "{complaints:?}");
        let mut plain = Unfolded::new(&b"no pages: IVT2"[..]);
        io::copy(&mut plain, &mut io::sink()).unwrap();
        assert_eq!((plain.complaints().count(), plain.reports().count()), (0, 0));
    }

    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let few = buffer.len().min(3);
            self.0.read(&mut buffer[..few])
        }
    }
}
