//! A report as pages of text, for machines from which nothing else can be taken away: on a screen as QR codes, on a
//! network as datagrams that nobody acknowledges.
//!
//! A page reads `IVT2:2/5:1A2B3C4D:…:`: which page of how many, the CRC-32 of the whole report as it was packed, and a
//! piece of it in Base45 (RFC 9285), whose characters are those that a QR code holds most densely. The packed form is
//! raw DEFLATE (RFC 1951), [`pack`]. Pages may come in any order, more than once, or from several reports at once: the
//! number of the report tells which belong together, and proves in the end that nothing is missing.
//!
//! # Example
//! ```
//! use pages::{Page, Pages};
//!
//! let pages = Pages::of(b"{\"event\":\"end\"}\n", 832).expect("few enough pages");
//! let text = pages.page(0).expect("there is one page").to_string();
//! assert!(text.starts_with("IVT2:1/1:"));
//! let page = Page::parse(&text).expect("what was written can be read");
//! assert_eq!((page.number, page.of), (1, 1));
//! assert_eq!(page.data, pages.packed());
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod base45;
mod deflate;
mod page;
#[cfg(test)]
mod tests;

pub use deflate::pack;
pub use page::{MARK, MOST_PAGES, Page, PageError, PageText, Pages};

/// The UDP port to which a kernel sends pages, unless it is told otherwise; of the dynamic ones (RFC 6335).
pub const PORT: u16 = 52_230;

/// The number of a report: the CRC-32 of its packed bytes.
pub fn number(packed: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(packed)
}
