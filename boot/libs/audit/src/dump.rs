//! Dumps of tables in text, back to bytes.
//!
//! A dump has lines of an offset and bytes (`rows`), as `acpidump`, `iasl -d`, `xxd`, `hexdump`, `od`, the UEFI shell and
//! Linux write them, or is a list of bytes (`listing`), as `xxd -p`, `base64`, C, the Windows registry and others do.

mod listing;
mod rows;

use std::io::Read;

use pasted::PastedText;

/// The memory that the dumps in a text show, one dump after the other.
pub(super) fn blobs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut text = Vec::new();
    if PastedText::new(bytes).read_to_end(&mut text).is_err() {
        return Vec::new();
    }
    let mut blobs = rows::blobs(&text);
    if blobs.is_empty() {
        blobs = listing::blobs(&text);
    }
    blobs
}
