//! Dumps whose lines have an offset.
//!
//! ```text
//!     0000: 44 4D 41 52 B8 00 00 00 01 E9 49 4E 54 45 4C 20  DMAR......INTEL
//! 0000020 5043 445f 4c41 2045 0001 0000 4e49 4c54
//! 00000000  44 4d 41 52 b8 00 00 00  01 e9 49 4e 54 45 4c 20  |DMAR......INTEL |
//! *
//! ```
//!
//! Offsets are hex or octal: what the first two lines have between them tells which. Bytes stand alone or in numbers,
//! whose order the signature tells.

use super::super::extract::likeness;

/// Bytes of a table's signature.
const SIGNATURE_BYTES: usize = 4;
/// Digits of an offset.
const OFFSET_DIGITS: std::ops::RangeInclusive<usize> = 4..=16;
/// Words that a log puts before a line are not more.
const MOST_WORDS_BEFORE: usize = 12;
/// Bytes of the longest line.
const LONGEST_ROW: usize = 64;
/// No dump of a table is larger.
const LARGEST: usize = 16 << 20;

/// The memory that the dumps show.
pub(super) fn blobs(text: &[u8]) -> Vec<Vec<u8>> {
    let mut blobs = Vec::new();
    let mut dump: Option<Dump<'_>> = None;
    let mut finish = |dump: Option<Dump<'_>>| blobs.extend(dump.and_then(Dump::bytes));
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if line == b"*" {
            dump.iter_mut().for_each(|dump| dump.repeats = true);
            continue;
        }
        let Some(row) = Row::read(line) else {
            finish(dump.take());
            continue;
        };
        let goes_on = dump.as_mut().is_some_and(|dump| dump.take(&row));
        if !goes_on {
            finish(dump.replace(Dump::begin(row)));
        }
    }
    finish(dump);
    blobs
}

/// A line of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'t> {
    offset: &'t str,
    /// Bytes as they stand, and behind which of them the gap is wider.
    bytes: Vec<u8>,
    gaps: Vec<usize>,
    /// Bytes of a number.
    size: usize,
}

impl<'t> Row<'t> {
    /// Reads a line; `None` if it is anything else.
    fn read(line: &'t [u8]) -> Option<Self> {
        let line = str::from_utf8(line.get(..line.len().min(400))?).ok()?;
        let mut rest = line;
        for _ in 0..MOST_WORDS_BEFORE {
            let end = rest.find([' ', '\t']).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            if let Some(row) = Self::behind_offset(word, behind) {
                return Some(row);
            }
            rest = behind.trim_start();
        }
        None
    }

    /// Reads the numbers behind what may be an offset. An offset alone ends a dump.
    fn behind_offset(word: &'t str, behind: &str) -> Option<Self> {
        // `0000:44 4D`: no blank behind the colon.
        let (word, glued) = match word.split_once(':') {
            Some((offset, glued)) => (offset, glued),
            None => (word, ""),
        };
        let offset = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
        let offset = offset.strip_suffix(['h', 'H']).unwrap_or(offset);
        let is_offset =
            OFFSET_DIGITS.contains(&offset.len()) && offset.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_offset {
            return None;
        }
        let numbers = if glued.is_empty() { behind.to_owned() } else { format!("{glued}{behind}") };
        let mut row = Self { offset, bytes: Vec::new(), gaps: Vec::new(), size: 1 };
        row.take_numbers(&numbers);
        let is_end = behind.trim().is_empty() && glued.is_empty();
        (row.bytes.len() > 1 || is_end || row.bytes.len() == 1 && row.size == 1).then_some(row)
    }

    /// Takes numbers of one size with one or two blanks between them; a wider gap parts them from the characters.
    fn take_numbers(&mut self, text: &str) {
        let mut rest = text.trim_start_matches([' ', '\t']);
        while self.bytes.len() < LONGEST_ROW {
            let end = rest.find([' ', '\t', '-']).unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            let digits = number.strip_prefix("0x").unwrap_or(number);
            let Some(bytes) = octal_bytes(digits).or_else(|| hex_bytes(digits)) else { break };
            if self.bytes.is_empty() {
                self.size = bytes.len();
            }
            if bytes.len() > self.size || bytes.len() < self.size && self.size != 2 && self.size != 16 {
                break;
            }
            self.bytes.extend(bytes);
            let next = behind.strip_prefix('-').unwrap_or(behind).trim_start_matches([' ', '\t']);
            match behind.len() - next.len() {
                0 => break,
                1 => {}
                2 => self.gaps.push(self.bytes.len()),
                _ => break,
            }
            rest = next;
        }
    }

    fn offset(&self, radix: u32) -> Option<usize> {
        usize::from_str_radix(self.offset, radix).ok()
    }
}

/// Lines of a dump that follow each other.
struct Dump<'t> {
    first: Row<'t>,
    /// Of the offsets, and bytes of a line, once two lines are known.
    shape: Option<(u32, usize)>,
    bytes: Vec<u8>,
    last: Row<'t>,
    /// Lines equal to the last one were left out.
    repeats: bool,
}

impl<'t> Dump<'t> {
    fn begin(first: Row<'t>) -> Self {
        Self { last: first.clone(), first, shape: None, bytes: Vec::new(), repeats: false }
    }

    /// Takes the next line; `false` if it is none of this dump.
    fn take(&mut self, row: &Row<'t>) -> bool {
        if self.shape.is_none() {
            self.shape = self.shape_with(row);
        }
        let Some((radix, width)) = self.shape else { return false };
        let (Some(start), Some(offset)) = (self.first.offset(radix), row.offset(radix)) else { return false };
        let Some(wanted) = offset.checked_sub(start).filter(|wanted| *wanted <= LARGEST) else {
            return false;
        };
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend(self.last.bytes.iter().take(width));
        let is_next = if self.repeats {
            let line: Vec<u8> = self.last.bytes.iter().copied().take(width).collect();
            while !line.is_empty() && bytes.len() < wanted {
                bytes.extend(&line);
            }
            bytes.truncate(wanted);
            bytes.len() == wanted
        } else {
            // The offset behind the last byte may stand within its number.
            bytes.len() == wanted
                || row.bytes.is_empty() && wanted < bytes.len() && bytes.len() - wanted < self.first.size
        };
        if is_next {
            bytes.truncate(wanted);
            self.bytes = bytes;
            self.last = row.clone();
            self.repeats = false;
        } else {
            bytes.truncate(bytes.len() - self.last.bytes.len().min(width));
            self.bytes = bytes;
        }
        is_next
    }

    /// The radix of the offsets and the width of the lines, if `second` is the second line.
    fn shape_with(&self, second: &Row<'_>) -> Option<(u32, usize)> {
        let present = self.first.bytes.len();
        [16, 8, 10].into_iter().find_map(|radix| {
            let distance = second.offset(radix)?.checked_sub(self.first.offset(radix)?)?;
            let is_width = distance == present
                || self.first.gaps.contains(&distance)
                || self.repeats && distance > present && distance.is_multiple_of(present.max(1))
                || second.bytes.is_empty() && distance < present && present - distance < self.first.size;
            (distance > 0 && is_width).then_some((radix, distance.min(present)))
        })
    }

    /// All of the bytes, in the order in which they stand in memory.
    fn bytes(self) -> Option<Vec<u8>> {
        let mut bytes = self.bytes;
        let width = self.shape.map_or(usize::MAX, |(_, width)| width);
        // What stands behind a wider gap in a line that is not full are characters.
        let full = self.last.bytes.len() >= width;
        let gap =
            self.last.gaps.iter().copied().find(|gap| !full && *gap != width / 2 && !gap.is_multiple_of(8));
        bytes.extend(self.last.bytes.iter().take(gap.unwrap_or(width).min(width)));
        let other_order = reversed(&bytes, self.first.size);
        let best = [other_order, bytes].into_iter().max_by_key(|bytes| likeness(bytes))?;
        (best.len() > SIGNATURE_BYTES).then_some(best)
    }
}

/// The same with the bytes of each number in the other order.
fn reversed(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.chunks(size.max(1)).flat_map(|number| number.iter().rev().copied()).collect()
}

/// A byte or a number of 16 bits in octal, as `od` shows them unless told otherwise. Three bytes in hex are no number.
fn octal_bytes(digits: &str) -> Option<Vec<u8>> {
    match digits.len() {
        3 => u8::from_str_radix(digits, 8).ok().map(|byte| Vec::from([byte])),
        6 => u16::from_str_radix(digits, 8).ok().map(|number| number.to_be_bytes().to_vec()),
        _ => None,
    }
}

/// One or more bytes as hex digits; `None` for anything else.
fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() || digits.len() > 32 {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

/// The value of a digit in hex.
pub(super) fn hex_digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_look_like_hex_are_not_bytes() {
        let line = b"  0050: 41 42 20 43                                      AB C";
        let row = Row::read(line.trim_ascii()).unwrap();
        assert_eq!((row.offset(16), row.bytes), (Some(0x50), b"AB C".to_vec()));
        assert_eq!(Row::read(b"0000:00:02.0 VGA compatible controller"), None);
        assert_eq!(Row::read(b"[000h 0000   4] Signature"), None);
    }

    #[test]
    fn the_first_lines_tell_octal_from_hex() {
        let octal = "0000000 44 4d 41 52 b8 00 00 00 01 e9 49 4e 54 45 4c 20\n0000020 43 50\n0000022\n";
        let hex = "0000000 44 4d 41 52 b8 00 00 00 01 e9 49 4e 54 45 4c 20\n0000010 43 50\n";
        for text in [octal, hex] {
            assert_eq!(blobs(text.as_bytes())[0].len(), 18, "{text}");
        }
    }
}
