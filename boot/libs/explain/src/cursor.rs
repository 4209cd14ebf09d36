//! Reads words out of text that was wrapped, quoted or coloured on its way.

use super::fault::Reading;
use pasted::hex;

/// What a log puts before each line is not longer.
const LONGEST_PREFIX: usize = 120;

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Cursor<'t> {
    /// At offset `at` of `text`.
    pub(super) const fn new(text: &'t [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// The offset.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte, gaps included.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Goes on by a number of bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// Skips what stands between words: blanks, line ends (also spelled out as `\n`), the quote marks that
    /// mail puts at the start of a line, colours.
    pub(super) fn skip_gap(&mut self) {
        loop {
            let length = match self.rest() {
                [byte, ..] if byte.is_ascii_whitespace() => 1,
                [b'\\', b'n' | b'r' | b't', ..] => 2,
                [b'>' | b'|', ..] if self.begins_line() => 1,
                [0x1b, b'[', rest @ ..] => {
                    2 + rest.iter().position(u8::is_ascii_alphabetic).map_or(rest.len(), |end| end + 1)
                }
                _ => return,
            };
            self.skip(length);
        }
    }

    /// Tells whether only blanks and quote marks stand between here and the line's start.
    fn begins_line(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        let start = before.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'>' | b'|'));
        start.is_none_or(|last| before[last] == b'\n')
    }

    /// Takes a word, in upper or lower case, after a gap; `None` leaves the place as it is. Where the gap is a
    /// line end, the next line may have what a log puts before each.
    pub(super) fn word(&mut self, word: &str) -> Option<()> {
        let mut next = *self;
        next.skip_gap();
        if next.take(word).is_none() {
            let crosses_line = self.text[self.at..next.at].contains(&b'\n');
            let prefix = if crosses_line { next.log_prefix_before(word)? } else { return None };
            next.skip(prefix);
            next.take(word)?;
        }
        *self = next;
        Some(())
    }

    /// Takes a word that stands right here.
    fn take(&mut self, word: &str) -> Option<()> {
        let found = self.rest().get(..word.len())?;
        let after = self.rest().get(word.len());
        if !found.eq_ignore_ascii_case(word.as_bytes()) || after.is_some_and(|byte| is_word_byte(*byte)) {
            return None;
        }
        self.skip(word.len());
        Some(())
    }

    /// Bytes of a time, host or program before `word` on this line.
    fn log_prefix_before(&self, word: &str) -> Option<usize> {
        let line = self.rest().split(|byte| *byte == b'\n').next()?;
        let line = &line[..line.len().min(LONGEST_PREFIX + word.len())];
        let length =
            line.windows(word.len()).position(|found| found.eq_ignore_ascii_case(word.as_bytes()))?;
        let prefix = &line[..length];
        let ends_like_one = matches!(prefix.trim_ascii_end().last(), Some(b':' | b']'));
        let is_message = prefix.windows(7).any(|found| found.eq_ignore_ascii_case(b"request"));
        (ends_like_one && !is_message).then_some(length)
    }

    /// Takes a character after a gap; `None` leaves the place as it is.
    pub(super) fn mark(&mut self, mark: u8) -> Option<()> {
        let mut next = *self;
        next.skip_gap();
        (next.peek()? == mark).then(|| {
            next.skip(1);
            *self = next;
        })
    }

    /// Takes all up to the next blank, comma, bracket or the like, after a gap; may be empty.
    pub(super) fn token(&mut self) -> &'t [u8] {
        self.skip_gap();
        let rest = self.rest();
        let length = rest.iter().position(|byte| ends_token(*byte)).unwrap_or(rest.len());
        self.skip(length);
        &rest[..length]
    }

    /// Tells whether a line ends between `start` and here.
    pub(super) fn crosses_line_since(&self, start: usize) -> bool {
        self.text.get(start..self.at).unwrap_or_default().contains(&b'\n')
    }

    /// The token that ends here; may be empty.
    pub(super) fn last_token(&self) -> &'t [u8] {
        let before = self.text.get(..self.at).unwrap_or_default();
        let start = before.iter().rposition(|byte| ends_token(*byte)).map_or(0, |last| last + 1);
        &before[start..]
    }

    /// Tells whether digits of the number that ends here may stand elsewhere: another message broke in, or the line
    /// ends and the next one begins with digits that nothing explains.
    fn may_be_cut(&self) -> bool {
        let line_end = match self.rest() {
            [b'[', rest @ ..] => return is_time(rest),
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        let next = &self.rest()[line_end..];
        let digits = next.iter().take(17).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, behind) = next.split_at(digits);
        let ends = matches!(behind.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b']'));
        let is_line_number = behind.trim_ascii_start().strip_prefix(b"[").is_some_and(is_time);
        digits.len() <= 16 && digits.iter().any(u8::is_ascii_digit) && ends && !is_line_number
    }

    /// Takes a token that is a number in hex, with or without `0x`. Any other token cannot be read, nor can a number
    /// that may be but a part of one.
    pub(super) fn hex(&mut self) -> Reading<u64> {
        let token = self.token();
        if !token.is_empty() && self.may_be_cut() {
            return Reading::Unreadable;
        }
        let number = token.strip_suffix(b".").filter(|rest| !rest.ends_with(b".")).unwrap_or(token);
        if number.is_empty() {
            return Reading::Absent;
        }
        hex::parse(number).map_or(Reading::Unreadable, Reading::Value)
    }
}

/// Tells whether a byte can be part of a name or number.
pub(super) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn ends_token(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(byte, b',' | b';' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'<' | b'>' | b'"' | b'\'')
        || matches!(byte, b'\\' | b'&' | 0x1b | 0x80..)
}

/// Tells whether a text, whose bracket was taken, is a log's time: `    0.960486]`.
fn is_time(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let seconds = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(rest) = text[seconds..].strip_prefix(b".").filter(|_| seconds > 0) else { return false };
    let fraction = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    fraction > 0 && rest.get(fraction) == Some(&b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_all_kinds_part_words() {
        for gap in [" ", "\n   ", "\r\n> ", "\n> > ", "\\n      ", "\x1b[0m\x1b[33m ", "\t"] {
            let text = format!("Request{gap}device");
            let mut cursor = Cursor::new(text.as_bytes(), 0);
            assert!(cursor.word("request").and_then(|()| cursor.word("DEVICE")).is_some(), "{gap:?}");
        }
        let prefixed = b"Request\nOct 22 08:54:51 host kernel: [    1.5]   device";
        let mut cursor = Cursor::new(prefixed, 0);
        assert!(cursor.word("request").and_then(|()| cursor.word("device")).is_some());
        let mut cursor = Cursor::new(b"devices", 0);
        assert_eq!((cursor.word("device"), cursor.at()), (None, 0));
    }

    #[test]
    fn a_number_that_may_be_cut_is_not_taken_for_whole() {
        let hex = |text: &'static str| Cursor::new(text.as_bytes(), 0).hex();
        for cut in ["0x7c\n346000 and", "0x7c\r\n34\n", "0x7c[    0.960490] usb 1-1: new"] {
            assert_eq!(hex(cut), Reading::Unreadable, "{cut}");
        }
        for whole in [
            "0x7c\n[    0.960490] usb",
            "0x7c\n2024-01-02T03:04:05 x",
            "0x7c\n12 [    0.9] x",
            "0x7c\nadd x",
            "0x7c",
        ] {
            assert_eq!(hex(whole), Reading::Value(0x7c), "{whole}");
        }
    }

    #[test]
    fn numbers_end_with_their_token() {
        let hex = |text: &'static str| Cursor::new(text.as_bytes(), 0).hex();
        assert_eq!(hex("5a3f1000 [fault"), Reading::Value(0x5a3f_1000));
        assert_eq!(hex(" 0x8c000, iommu"), Reading::Value(0x8_c000));
        assert_eq!(hex("ff.\n"), Reading::Value(0xff));
        for unreadable in ["ffxxxxxx", "ffff88W", "0x0...", "0x", "12345678901234567"] {
            assert_eq!(hex(unreadable), Reading::Unreadable, "{unreadable}");
        }
        assert_eq!(hex("  ]"), Reading::Absent);
        assert_eq!(hex::parse(b"ffff9a0b`1c2d3e40"), Some(0xffff_9a0b_1c2d_3e40));
    }
}
