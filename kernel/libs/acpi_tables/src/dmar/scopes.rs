//! The walk over the entries of a device scope.

use core::fmt;
use core::iter::FusedIterator;

use super::scope::{Scope, ScopeFlags, ScopeKind};
use crate::reader::Reader;

/// Bytes of an entry before its path.
const SCOPE_HEADER_BYTES: usize = 6;

/// The entries of a device scope in order. After an error that leaves the rest unreachable, that error is the
/// last item.
///
/// An empty one stands for structures that list no devices.
#[derive(Clone, Debug, Default)]
pub struct Scopes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Scopes<'a> {
    /// Takes the next entry off the list, with what is wrong with it although it can be decoded.
    ///
    /// Each step takes at least six bytes or ends the walk.
    pub(crate) fn step(&mut self) -> Option<Result<(Scope<'a>, Option<ScopeError>), ScopeError>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut rest = Reader::new(self.rest);
        let decoded = take_entry(&mut rest, self.offset);
        match &decoded {
            Ok((scope, _)) => {
                self.offset = self.offset.saturating_add(usize::from(scope.length));
                self.rest = rest.rest();
            }
            Err(_) => self.rest = &[],
        }
        Some(decoded)
    }
}

impl<'a> Iterator for Scopes<'a> {
    type Item = Result<Scope<'a>, ScopeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map(|entry| match entry {
            Ok((scope, None)) => Ok(scope),
            Ok((_, Some(error))) | Err(error) => Err(error),
        })
    }
}

impl FusedIterator for Scopes<'_> {}

/// Decodes the entry that begins at `offset` in the table.
fn take_entry<'a>(
    list: &mut Reader<'a>,
    offset: usize,
) -> Result<(Scope<'a>, Option<ScopeError>), ScopeError> {
    let left = list.rest().len();
    let Some(&[kind, length, flags, reserved, enumeration_id, start_bus]) = list.rest().first_chunk() else {
        return Err(ScopeError::Truncated { offset, left });
    };
    if usize::from(length) < SCOPE_HEADER_BYTES {
        return Err(ScopeError::LengthTooSmall { offset, length });
    }
    let entry = list.take(usize::from(length)).ok_or(ScopeError::Overrun { offset, length, left })?;
    let (path, half_hop) = entry.get(SCOPE_HEADER_BYTES..).unwrap_or_default().as_chunks();
    let scope = Scope {
        offset,
        length,
        kind: ScopeKind(kind),
        flags: ScopeFlags::from_bits_retain(flags),
        reserved,
        enumeration_id,
        start_bus,
        path,
    };
    Ok((scope, (!half_hop.is_empty()).then_some(ScopeError::OddLength { offset, length })))
}

/// The bytes of a structure that hold its scope entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScopeList<'a> {
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> ScopeList<'a> {
    /// The list that stands after `fixed_bytes` of the structure at `structure`.
    pub(super) fn after(structure: usize, fixed_bytes: usize, bytes: &'a [u8]) -> Self {
        Self { offset: structure.saturating_add(fixed_bytes), bytes }
    }

    /// Walks it.
    pub(super) fn iter(&self) -> Scopes<'a> {
        Scopes { rest: self.bytes, offset: self.offset }
    }
}

/// Why an entry of a device scope could not be read.
///
/// After the first three nothing tells where the next entry begins, so the walk ends there; after the last
/// it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// The structure ends within an entry's fixed fields.
    Truncated {
        /// Where in the table.
        offset: usize,
        /// Bytes left there.
        left: usize,
    },
    /// The length does not cover the entry's fixed fields.
    LengthTooSmall {
        /// Where in the table.
        offset: usize,
        /// The length it declares.
        length: u8,
    },
    /// The entry reaches past its structure's end.
    Overrun {
        /// Where in the table.
        offset: usize,
        /// The length it declares.
        length: u8,
        /// Bytes left there.
        left: usize,
    },
    /// Half a hop stands at the path's end, so which device is meant is not known.
    OddLength {
        /// Where in the table.
        offset: usize,
        /// The length it declares.
        length: u8,
    },
}

impl ScopeError {
    /// Where in the table the entry begins.
    pub const fn offset(&self) -> usize {
        match self {
            Self::Truncated { offset, .. }
            | Self::LengthTooSmall { offset, .. }
            | Self::Overrun { offset, .. }
            | Self::OddLength { offset, .. } => *offset,
        }
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset, left } => {
                write!(f, "scope at {offset:#x}: {left} bytes left, expected at least {SCOPE_HEADER_BYTES}")
            }
            Self::LengthTooSmall { offset, length } => write!(
                f,
                "scope at {offset:#x}: length {length}, expected at least {SCOPE_HEADER_BYTES}; the rest of \
                 the list is lost"
            ),
            Self::Overrun { offset, length, left } => write!(
                f,
                "scope at {offset:#x}: length {length}, but only {left} bytes are left; the rest of the \
                 list is lost"
            ),
            Self::OddLength { offset, length } => {
                write!(f, "scope at {offset:#x}: length {length} ends within a hop, expected an even number")
            }
        }
    }
}

impl core::error::Error for ScopeError {}
