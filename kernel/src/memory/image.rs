//! The kernel's own image: which of its pages hold code, constants and variables.
//!
//! The loader leaves the ELF file in memory and maps the file's pages where they lie. Its program headers say
//! what each part may be used for.
#![expect(unsafe_code, reason = "UNSAFETY: reads the image's file in memory")]

use core::ops::Range;

use bootloader_api::BootInfo;
use dma_types::{PAGE_SIZE, PhysAddr};
use frames::Span;
use spin::Once;

use super::layout::{DIRECT_MAP, KERNEL_IMAGE};

/// Program headers looked at.
const MAX_SEGMENTS: usize = 16;
/// Offsets and sizes in a 64-bit ELF file (ELF "ELF Header", "Program Header").
const HEADER_TABLE_OFFSET: usize = 32;
const HEADER_COUNT: usize = 56;
const HEADER_BYTES: usize = 56;
const FILE_HEADER_BYTES: usize = 64;
/// Types of program headers.
const LOADED: u32 = 1;
const CONSTANT_AFTER_RELOCATION: u32 = 0x6474_e552;

/// What the pages of a segment may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Code.
    Execute,
    /// Constants.
    Read,
    /// Variables.
    Write,
}

/// A part of the image in virtual memory, in whole pages.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// First address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// What its pages are for.
    pub purpose: Use,
}

/// The image: its file and its segments.
#[derive(Debug)]
pub struct Image {
    /// Where the file lies, in whole pages.
    pub file: Span,
    segments: [Option<Segment>; MAX_SEGMENTS],
    /// What the loader wrote relocated addresses to, and nobody writes to after that.
    relocated: Range<u64>,
}

static IMAGE: Once<Image> = Once::new();

/// Reads the image's headers; must come before everything else here.
pub(super) fn find(boot_info: &BootInfo) {
    IMAGE.call_once(|| {
        let file = Span::with_length(PhysAddr::new(boot_info.kernel_addr), boot_info.kernel_len);
        let start = (DIRECT_MAP + boot_info.kernel_addr) as *const u8;
        // SAFETY: the loader has left the file there and mapped all memory; nothing writes to the headers.
        let bytes = unsafe { core::slice::from_raw_parts(start, boot_info.kernel_len as usize) };
        parse(file.outer_pages(), bytes)
    });
}

/// The image, once it was found.
pub fn get() -> Option<&'static Image> {
    IMAGE.get()
}

/// The addresses of the kernel's code.
pub fn text() -> Option<Range<u64>> {
    let segment = get()?.segments().find(|segment| segment.purpose == Use::Execute)?;
    Some(segment.start..segment.end)
}

impl Image {
    /// What is loaded of it.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().copied().flatten()
    }

    /// What a page of a segment may be used for, now that addresses are relocated.
    pub fn purpose(&self, segment: &Segment, page: u64) -> Use {
        if self.relocated.contains(&page) { Use::Read } else { segment.purpose }
    }
}

/// Finds what is loaded, and what of it becomes constant after relocation.
fn parse(span: Span, file: &[u8]) -> Image {
    let table = word(file, HEADER_TABLE_OFFSET) as usize;
    let count = usize::from(half(file, HEADER_COUNT)).min(MAX_SEGMENTS);
    assert!(count > 0 && table >= FILE_HEADER_BYTES, "the kernel's image has no program headers");
    let mut image = Image { file: span, segments: [None; MAX_SEGMENTS], relocated: 0..0 };
    let headers = file[table..].chunks_exact(HEADER_BYTES).take(count);
    for (header, slot) in headers.zip(&mut image.segments) {
        let start = word(header, 16);
        let end = start + word(header, 40);
        match kind(header) {
            LOADED => *slot = Some(segment(start, end, half(header, 4))),
            // What shares the last page with variables stays writable.
            CONSTANT_AFTER_RELOCATION => image.relocated = page_of(start)..page_of(end),
            _ => {}
        }
    }
    let first = image.segments().map(|segment| segment.start).min();
    assert_eq!(first, Some(KERNEL_IMAGE), "the kernel's image is linked for another address");
    image
}

/// The pages of a loaded segment, and the use that its flags allow.
fn segment(start: u64, end: u64, flags: u16) -> Segment {
    let purpose = match flags & 0b111 {
        flags if flags & 1 != 0 => Use::Execute,
        flags if flags & 2 != 0 => Use::Write,
        _ => Use::Read,
    };
    Segment { start: page_of(start), end: end.next_multiple_of(PAGE_SIZE), purpose }
}

const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

fn kind(header: &[u8]) -> u32 {
    u32::from(half(header, 0)) | u32::from(half(header, 2)) << 16
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
