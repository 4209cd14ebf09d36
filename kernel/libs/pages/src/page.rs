//! One page: how it is written and read.

use alloc::vec::Vec;
use core::fmt;

use crate::{base45, deflate, number};

/// What every page begins with: the kind of text, and the version of its form.
pub const MARK: &str = "IVT2:";

/// The most pages of a report.
pub const MOST_PAGES: usize = 999;

/// A report, packed and cut into pages.
#[derive(Clone, Debug)]
pub struct Pages {
    packed: Vec<u8>,
    number: u32,
    bytes: usize,
    count: usize,
}

impl Pages {
    /// Packs a report and cuts it into pieces of so many packed bytes at most; `None` if those would be too many.
    pub fn of(report: &[u8], bytes: usize) -> Option<Self> {
        let packed = deflate::pack(report);
        // An odd byte takes a character and a half; only the last page may have one.
        let bytes = (bytes & !1).max(2);
        let count = packed.len().div_ceil(bytes);
        (count <= MOST_PAGES).then(|| Self { number: number(&packed), packed, bytes, count })
    }

    /// How many pages there are; at least one.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The number of the report.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The report as it was packed.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// A page, counted from 0.
    pub fn page(&self, index: usize) -> Option<PageText<'_>> {
        let data = self.packed.chunks(self.bytes).nth(index)?;
        Some(PageText { number: index + 1, of: self.count, report: self.number, data })
    }
}

/// A page as it is shown and sent; its text consists of characters of a QR code's alphanumeric mode alone, and neither
/// begins nor ends with a blank.
#[derive(Clone, Copy, Debug)]
pub struct PageText<'a> {
    number: usize,
    of: usize,
    report: u32,
    data: &'a [u8],
}

impl fmt::Display for PageText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}/{}:{:08X}:", self.number, self.of, self.report)?;
        base45::write(self.data, f)?;
        f.write_str(":")
    }
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which page, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
    /// The number of its report.
    pub report: u32,
    /// Its piece of the packed report.
    pub data: Vec<u8>,
}

/// Why a text is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// It does not begin like one.
    Mark,
    /// It does not say which page of how many it is, or of which report.
    Head,
    /// Its piece of the report cannot be read: characters are missing or wrong.
    Data,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mark => "a page begins with IVT2:",
            Self::Head => "the page does not say which one of how many it is, or of which report",
            Self::Data => "characters of the page are missing or wrong",
        })
    }
}

impl core::error::Error for PageError {}

impl Page {
    /// Reads a page. Blanks around it are no part of it.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn parse(text: &str) -> Result<Self, PageError> {
        let text = text.trim().strip_prefix(MARK).ok_or(PageError::Mark)?;
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(PageError::Head);
        let (place, report, data) = (part()?, part()?, part()?);
        let (number, of) = place.split_once('/').ok_or(PageError::Head)?;
        let (number, of) = (decimal(number)?, decimal(of)?);
        if number == 0 || number > of || of > MOST_PAGES || report.len() != 8 || report.starts_with('+') {
            return Err(PageError::Head);
        }
        let report = u32::from_str_radix(report, 16).map_err(|_| PageError::Head)?;
        let data = data.strip_suffix(':').and_then(base45::read).ok_or(PageError::Data)?;
        Ok(Self { number, of, report, data })
    }
}

fn decimal(digits: &str) -> Result<usize, PageError> {
    // The number parser would also take a leading plus sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or(PageError::Head)
}
