//! What builders of both kinds of table have in common.

use std::marker::PhantomData;
use std::vec::Vec;

use super::{header, seal};

/// Puts a table of a kind together, part by part.
#[derive(Clone, Debug)]
pub struct TableBuilder<Kind> {
    bytes: Vec<u8>,
    last: usize,
    kind: PhantomData<Kind>,
}

impl<Kind> TableBuilder<Kind> {
    /// A table that ends behind the fields which all of its kind have.
    pub(super) fn with_fields(signature: [u8; 4], fields: &[u8]) -> Self {
        let mut bytes = header(signature);
        bytes.extend(fields);
        let last = bytes.len();
        Self { bytes, last, kind: PhantomData }
    }

    /// Adds a part: its first two bytes, its length, then `body`.
    #[must_use]
    pub(super) fn part(mut self, start: [u8; 2], body: &[u8]) -> Self {
        let length = u16::try_from(4 + body.len()).unwrap();
        self.last = self.bytes.len();
        self.bytes.extend(start);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(body);
        self
    }

    /// Adds bytes as they stand.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Overwrites the length that the last part declares.
    #[must_use]
    pub fn declared_length(self, length: u16) -> Self {
        self.patch_last(2, &length.to_le_bytes())
    }

    /// Overwrites bytes of the last part, counted from its start.
    #[must_use]
    pub fn patch_last(self, offset: usize, bytes: &[u8]) -> Self {
        let at = self.last + offset;
        self.patch(at, bytes)
    }

    /// Overwrites bytes of the table.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Where the last part begins.
    pub const fn last_offset(&self) -> usize {
        self.last
    }

    /// The table, with length and checksum set right.
    pub fn build(self) -> Vec<u8> {
        let mut table = self.bytes;
        seal(&mut table);
        table
    }
}
