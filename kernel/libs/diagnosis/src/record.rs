//! What the books hold: who mapped what, where, which way and when.

use core::fmt;
use core::panic::Location;

use dma_types::{Direction, Iova, PAGE_SIZE, PhysAddr};

use crate::Timestamp;

/// The name a driver gives to a mapping, such as `"rx ring"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub &'static str);

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A place in the source text; one pointer, shown as `file:line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(&'static Location<'static>);

impl Site {
    /// The place that called the function that calls this, if that one is `#[track_caller]`.
    #[track_caller]
    pub fn caller() -> Self {
        Self(Location::caller())
    }

    /// A place that no call comes from.
    pub(crate) const NOWHERE: Self = Self(Location::caller());

    /// The source file; a foreign crate's from the crate's name on, wherever it lay when the kernel was built.
    pub fn file(&self) -> &'static str {
        from_crate(self.0.file())
    }

    /// The line in it, from 1.
    pub fn line(&self) -> u32 {
        self.0.line()
    }
}

/// What of an absolute path names a crate and its file.
fn from_crate(path: &str) -> &str {
    const SOURCES: &[u8] = b"/src/";
    let bytes = path.as_bytes();
    let end = bytes.windows(SOURCES.len()).rposition(|part| part == SOURCES);
    let folders = end.filter(|_| bytes.first() == Some(&b'/')).and_then(|end| bytes.get(..end));
    let above = folders.and_then(|folders| folders.iter().rposition(|byte| *byte == b'/'));
    above.and_then(|above| path.get(above + 1..)).unwrap_or(path)
}

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Self {
        Self(location)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file(), self.line())
    }
}

/// When and where something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it was done, on the kernel's clock.
    pub at: Timestamp,
    /// The call in the driver by which it was done.
    pub site: Site,
}

/// The physical memory behind a mapping, kept so that its numbers can be recognised.
///
/// One contiguous run. Of a mapping with several, the books keep the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    start: PhysAddr,
    length: u64,
}

impl Backing {
    /// The pages that `length` bytes from `start` on touch; at least one.
    #[inline]
    pub const fn new(start: PhysAddr, length: u64) -> Self {
        Self { start, length }
    }

    /// Beyond all memory.
    pub(crate) const NOWHERE: Self = Self::new(PhysAddr::new(u64::MAX), 1);

    /// Address of the first page.
    pub const fn first_page(&self) -> PhysAddr {
        self.start.page()
    }

    /// Pages; at least 1.
    pub const fn pages(&self) -> u64 {
        pages_touched(self.start.page_offset(), self.length)
    }

    /// Tells whether a page is one of them.
    pub const fn covers(&self, page: PhysAddr) -> bool {
        let offset = page.as_u64().wrapping_sub(self.first_page().as_u64());
        offset / PAGE_SIZE < self.pages()
    }
}

/// What a driver had mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first byte that the device may reach.
    pub start: Iova,
    /// Bytes from there on that the device may reach.
    pub length: u64,
    /// Which way the data flow.
    pub direction: Direction,
    /// What the driver calls it.
    pub label: Label,
    /// The memory behind it.
    pub backing: Backing,
    /// When and where it was mapped.
    pub mapped: Step,
}

impl Mapping {
    /// Number of the first page.
    pub(crate) const fn first_page(&self) -> u64 {
        self.start.as_u64() / PAGE_SIZE
    }

    /// Pages touched; at least 1.
    pub(crate) const fn pages(&self) -> u64 {
        pages_touched(self.start.page_offset(), self.length)
    }

    /// Number of the page behind the last one.
    pub(crate) const fn end_page(&self) -> u64 {
        self.first_page().saturating_add(self.pages())
    }

    /// Tells whether the page around `address` is one of its pages.
    pub const fn covers(&self, address: Iova) -> bool {
        let page = address.as_u64() / PAGE_SIZE;
        self.first_page() <= page && page < self.end_page()
    }
}

/// A mapping, live or released, as the books keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingRecord {
    /// What was mapped, from where and when.
    pub mapping: Mapping,
    /// When and where it was unmapped; `None` while it is live.
    pub released: Option<Step>,
}

impl MappingRecord {
    /// Tells whether the mapping is live.
    pub const fn is_live(&self) -> bool {
        self.released.is_none()
    }

    /// Tells whether the page around `address` is one of its pages.
    pub const fn covers(&self, address: Iova) -> bool {
        self.mapping.covers(address)
    }
}

const fn pages_touched(offset: u64, length: u64) -> u64 {
    let pages = offset.saturating_add(length).div_ceil(PAGE_SIZE);
    if pages == 0 { 1 } else { pages }
}

#[cfg(test)]
mod tests {
    use super::from_crate;

    #[test]
    fn a_foreign_crates_file_is_named_from_the_crate_on() {
        for (path, named) in [
            ("/home/a/registry/src/index-1/queues-0.1.0/src/ring/used.rs", "queues-0.1.0/src/ring/used.rs"),
            ("kernel/libs/iova/src/lib.rs", "kernel/libs/iova/src/lib.rs"),
            ("/src/lib.rs", "/src/lib.rs"),
            ("/a.rs", "/a.rs"),
            ("", ""),
        ] {
            assert_eq!(from_crate(path), named);
        }
    }
}
