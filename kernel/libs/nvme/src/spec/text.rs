//! Text as controllers give it: ASCII, padded with blanks.

use core::fmt;

/// What stands for a byte that is no printable ASCII character.
const REPLACEMENT: u8 = b'?';

/// A text of at most `N` bytes. Holding one proves that it is printable ASCII without blanks at its ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AsciiText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> AsciiText<N> {
    /// Takes the text from what a device wrote: blanks and zeros around it are dropped, bytes that cannot be
    /// printed become `?`.
    pub(super) fn new(mut bytes: [u8; N]) -> Self {
        let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
        let start = bytes.iter().position(|byte| !is_padding(byte)).unwrap_or(N);
        let end = bytes.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
        bytes.copy_within(start..end, 0);
        let length = end - start;
        for byte in bytes.iter_mut().take(length) {
            if !matches!(byte, b' '..=b'~') {
                *byte = REPLACEMENT;
            }
        }
        Self { bytes, length }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Display for AsciiText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for AsciiText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn padding_goes_and_odd_bytes_show() {
        assert_eq!(AsciiText::new(*b"  QEMU NVMe\0 ").as_str(), "QEMU NVMe");
        assert_eq!(AsciiText::new(*b"a\xff\nb").as_str(), "a??b");
        assert_eq!(AsciiText::new([b' '; 8]).as_str(), "");
        assert_eq!(format!("{:<4}|", AsciiText::new(*b"ab")), "ab  |");
    }

    proptest! {
        #[test]
        fn whatever_a_device_writes_is_printable(bytes: [u8; 20]) {
            let text = AsciiText::new(bytes);
            prop_assert!(text.as_str().bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(text.as_str().trim(), text.as_str());
        }
    }
}
