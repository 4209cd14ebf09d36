//! Text files as bytes, whatever wrote them.

use std::io::{self, Read};

/// How much of the beginning tells the encoding.
const SAMPLE: u64 = 512;

/// Reads text; UTF-16, as Windows writes it, comes out with a byte a character, also where the byte order mark
/// was cut off.
///
/// Characters beyond ASCII become blanks or `?` where the text is UTF-16, and stay as they stand elsewhere.
#[derive(Debug)]
pub(crate) struct PlainText<R> {
    source: R,
    encoding: Encoding,
    /// Bytes read before the encoding was known, and half a character.
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Undecided,
    Bytes,
    LittleEndian,
    BigEndian,
}

impl<R: Read> PlainText<R> {
    /// Reads from the start of `source`.
    pub(crate) fn new(source: R) -> Self {
        Self { source, encoding: Encoding::Undecided, pending: Vec::new() }
    }

    /// Looks for a byte order mark, or for a beginning that is mostly ASCII.
    fn decide(&mut self) -> io::Result<()> {
        (&mut self.source).take(SAMPLE).read_to_end(&mut self.pending)?;
        let (pairs, _) = self.pending.as_chunks();
        let mostly = |is_ascii: fn(&[u8; 2]) -> bool| {
            pairs.iter().filter(|pair| is_ascii(pair)).count() * 2 > pairs.len()
        };
        self.encoding = match self.pending[..] {
            [0xff, 0xfe, ..] => Encoding::LittleEndian,
            [0xfe, 0xff, ..] => Encoding::BigEndian,
            _ if mostly(|pair| matches!(pair, [1..=0x7f, 0])) => Encoding::LittleEndian,
            _ if mostly(|pair| matches!(pair, [0, 1..=0x7f])) => Encoding::BigEndian,
            _ => Encoding::Bytes,
        };
        if self.encoding != Encoding::Bytes && matches!(self.pending[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
        {
            self.pending.drain(..2);
        }
        Ok(())
    }

    /// Fills `buffer` with the characters of as many pairs.
    fn read_pairs(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().saturating_mul(2).min(1 << 16);
        let mut bytes = std::mem::take(&mut self.pending);
        let wanted = most.saturating_sub(bytes.len());
        (&mut self.source).take(wanted as u64).read_to_end(&mut bytes)?;
        self.pending = bytes.split_off(bytes.len().min(most) / 2 * 2);
        let (pairs, _) = bytes.as_chunks();
        for (character, pair) in buffer.iter_mut().zip(pairs) {
            let code = match self.encoding {
                Encoding::BigEndian => u16::from_be_bytes(*pair),
                _ => u16::from_le_bytes(*pair),
            };
            *character = ascii(code);
        }
        Ok(pairs.len())
    }
}

/// The character of ASCII that a unit of UTF-16 is, or looks like.
fn ascii(code: u16) -> u8 {
    match code {
        // Forms as wide as ideographs.
        0xff01..=0xff5e => u8::try_from(code - 0xff00 + 0x20).unwrap_or(b'?'),
        _ if char::from_u32(code.into())
            .is_some_and(|character| !character.is_ascii() && character.is_whitespace()) =>
        {
            b' '
        }
        _ => u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(b'?'),
    }
}

impl<R: Read> Read for PlainText<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Undecided {
            self.decide()?;
        }
        if self.encoding != Encoding::Bytes {
            return self.read_pairs(buffer);
        }
        if self.pending.is_empty() {
            return self.source.read(buffer);
        }
        let count = self.pending.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.pending[..count]);
        self.pending.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        PlainText::new(bytes).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn bytes_pass_as_they_are() {
        for text in [&b""[..], b"a", b"ab", b"abc\n", "\u{fc}ber".as_bytes(), &[0xff, 0x00, 0xfe]] {
            assert_eq!(read(text), text);
        }
    }

    #[test]
    fn both_orders_of_utf16_become_characters() {
        assert_eq!(read(&[0xff, 0xfe, b'E', 0, b'6', 0]), b"E6");
        assert_eq!(read(&[0xfe, 0xff, 0, b'E', 0x26, 0x3a, 0]), b"E?");
        assert_eq!(read(&[b'E', 0, b'6', 0]), b"E6");
        assert_eq!(read(&[0, b'E', 0, b'6']), b"E6");
        assert_eq!(read(&[b'a', 0, 0xa0, 0, 0x0c, 0xff, b'b', 0, b'c', 0]), b"a ,bc");
        let begins_otherwise: Vec<u8> =
            "\u{201c}E6 (0x26)".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&begins_otherwise), b"?E6 (0x26)");
        let long: Vec<u8> = [0xff, 0xfe].into_iter().chain([b'x', 0].repeat(100_000)).collect();
        assert_eq!(read(&long), vec![b'x'; 100_000]);
    }
}
