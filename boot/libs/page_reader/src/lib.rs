//! Puts a report together from its pages: from a screen, from a network, from whatever text they were pasted into.
//!
//! Pages come in any order, more than once, and of several reports at once; what comes from outside is bounded.
//!
//! # Example
//! ```
//! use page_reader::Collector;
//! use pages::Pages;
//!
//! let pages = Pages::of("one line\n".repeat(500).as_bytes(), 20).unwrap();
//! let mut collector = Collector::default();
//! for index in (0..pages.count()).rev() {
//!     collector.take(&pages.page(index).unwrap().to_string()).unwrap();
//! }
//! assert_eq!(collector.complete().next().unwrap().unwrap(), "one line\n".repeat(500));
//! ```
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;

use miniz_oxide::inflate::decompress_to_vec_with_limit;
use pages::{MARK, Page, PageError, number};

/// The longest report that is unpacked.
const MOST_BYTES: usize = 16 << 20;

/// The most reports that are collected at once.
const MOST_REPORTS: usize = 64;

/// Pages that have come.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    reports: BTreeMap<(u32, usize), BTreeMap<usize, Vec<u8>>>,
}

/// What of a report is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The report.
    pub report: u32,
    /// Its pages that have not come, from 1.
    pub pages: Vec<usize>,
    /// How many it has.
    pub of: usize,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages: Vec<String> = self.pages.iter().map(ToString::to_string).collect();
        write!(f, "of the report {:08X}, pages {} of {} are missing", self.report, pages.join(", "), self.of)
    }
}

/// Why a report whose pages are all there cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// Its bytes do not have the number that they should.
    Number,
    /// It cannot be unpacked, or would be too long.
    Packing,
    /// It is no text.
    Text,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a page of the report was changed on its way",
            Self::Packing => "the report cannot be unpacked",
            Self::Text => "the report is no text",
        })
    }
}

impl std::error::Error for ReportError {}

impl Collector {
    /// Takes a page. One that came before stays as it was.
    ///
    /// # Errors
    /// If the text is none.
    pub fn take(&mut self, text: &str) -> Result<(), PageError> {
        let Page { number, of, report, data } = Page::parse(text)?;
        if self.reports.len() < MOST_REPORTS || self.reports.contains_key(&(report, of)) {
            self.reports.entry((report, of)).or_default().entry(number).or_insert(data);
        }
        Ok(())
    }

    /// Takes every page that a text holds, each on a line or several of its own.
    pub fn take_all(&mut self, text: &str) {
        for (start, _) in text.match_indices(MARK) {
            let rest = text.get(start..).unwrap_or_default();
            let end = rest.match_indices(MARK).nth(1).map_or(rest.len(), |(end, _)| end);
            // Terminals and mails break long lines; a page has no line ends of its own.
            let joined: String = rest.get(..end).unwrap_or_default().lines().collect();
            // Behind the page's last colon other text may follow, so ends are tried from the back.
            for (colon, _) in joined.rmatch_indices(':') {
                if self.take(joined.get(..=colon).unwrap_or_default()).is_ok() {
                    break;
                }
            }
        }
    }

    /// The reports of which every page has come.
    pub fn complete(&self) -> impl Iterator<Item = Result<String, ReportError>> {
        self.reports.iter().filter(|((_, of), pages)| pages.len() == *of).map(|((report, _), pages)| {
            let packed: Vec<u8> = pages.values().flatten().copied().collect();
            if number(&packed) != *report {
                return Err(ReportError::Number);
            }
            let bytes =
                decompress_to_vec_with_limit(&packed, MOST_BYTES).map_err(|_| ReportError::Packing)?;
            String::from_utf8(bytes).map_err(|_| ReportError::Text)
        })
    }

    /// The reports of which some page has not come.
    pub fn missing(&self) -> impl Iterator<Item = Missing> {
        self.reports.iter().filter(|((_, of), pages)| pages.len() < *of).map(|((report, of), pages)| {
            Missing {
                report: *report,
                pages: (1..=*of).filter(|page| !pages.contains_key(page)).collect(),
                of: *of,
            }
        })
    }
}

#[cfg(test)]
mod tests;
