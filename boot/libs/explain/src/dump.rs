//! Bytes out of a hex dump: with or without offsets, blanks, line ends and characters at the right.
//!
//! ```text
//! 0000: 43 50 45 52 01 01 ff ff ff ff 02 00 00 00 00 00
//! 00000000  43 50 45 52 01 01 ff ff  ff ff 02 00 00 00 00 00  |CPER............|
//! 00000000: 4350 4552 0101 ffff ffff 0200 0000 0000  CPER............
//! 435045520101ffffffff0200...
//! ```

/// Bytes of a line that has an offset in front.
const LINE: usize = 16;
/// What stands before the first byte of a line is not longer.
const LONGEST_FRONT: usize = 256;
/// No dump has more characters for a byte, all in all.
const CHARACTERS: usize = 32;
/// Fewest digits of an offset.
const OFFSET_DIGITS: usize = 4;

/// Reads at most `limit` bytes of the dump whose first byte stands at `at`, and tells where it ends.
pub(super) fn read(text: &[u8], at: usize, limit: usize) -> (Vec<u8>, usize) {
    let text = &text[..text.len().min(at + LONGEST_FRONT + limit * CHARACTERS)];
    let near = at.saturating_sub(LONGEST_FRONT);
    let start = text[near..at].iter().rposition(|byte| *byte == b'\n').map_or(near, |last| near + last + 1);
    let front = &text[start..at];
    let has_offsets = front
        .rsplit(|byte| byte.is_ascii_whitespace())
        .find(|word| !word.is_empty())
        .is_some_and(|word| is_offset(word, 0));
    let mut bytes = Vec::new();
    let mut end = at;
    let mut line_start = start;
    for line in text[start..].split_inclusive(|byte| *byte == b'\n') {
        let data = match (bytes.is_empty(), has_offsets) {
            (true, _) => Some(front.len()),
            (false, true) => behind_offset(line, bytes.len()),
            (false, false) => column(line, front.len()),
        };
        let Some(data) = data else { break };
        let most = if has_offsets { limit.min(bytes.len() + LINE) } else { limit };
        let taken = take(&line[data..], &mut bytes, most);
        if taken == 0 {
            break;
        }
        end = line_start + data + taken;
        line_start += line.len();
        if bytes.len() >= limit {
            break;
        }
    }
    (bytes, end)
}

/// Takes the bytes at the start of a line up to what is none, and tells how much of the line they took.
fn take(line: &[u8], bytes: &mut Vec<u8>, most: usize) -> usize {
    let mut taken = 0;
    let mut at = 0;
    for word in line.split(|byte| byte.is_ascii_whitespace() || *byte == b'-') {
        let end = at + word.len();
        let is_data = word.len().is_multiple_of(2) && word.iter().all(u8::is_ascii_hexdigit);
        if !is_data || bytes.len() >= most {
            break;
        }
        let digits = word.chunks_exact(2).filter_map(|pair| str::from_utf8(pair).ok());
        bytes.extend(digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).take(most - bytes.len()));
        if !word.is_empty() {
            taken = end;
        }
        at = end + 1;
    }
    taken
}

/// Where the data of a line begin behind the offset `expected`.
fn behind_offset(line: &[u8], expected: usize) -> Option<usize> {
    let mut at = 0;
    for word in line.split(|byte| byte.is_ascii_whitespace()) {
        let end = at + word.len();
        if is_offset(word, expected) {
            return Some(end);
        }
        at = end + 1;
    }
    None
}

/// Where the data of a line without an offset begin: with its first word, or behind as much as stood before
/// the first line's data.
fn column(line: &[u8], front: usize) -> Option<usize> {
    let blank = line.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'>')?;
    let first = line[blank..].split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let is_data = first.len().is_multiple_of(2) && first.iter().all(u8::is_ascii_hexdigit);
    if is_data { Some(blank) } else { (front > 0 && front < line.len()).then_some(front) }
}

fn is_offset(word: &[u8], expected: usize) -> bool {
    let word = word.strip_suffix(b":").unwrap_or(word);
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    let number = str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    digits.len() >= OFFSET_DIGITS && number == Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Bytes that are all different, the first four the ones that dumps are found by.
    fn sample() -> Vec<u8> {
        [0x43, 0x50, 0x45, 0x52].into_iter().chain(0..60).collect()
    }

    #[track_caller]
    fn assert_read(text: &str) {
        let at = text.find("43").unwrap();
        let (bytes, end) = read(text.as_bytes(), at, 4096);
        assert_eq!(bytes, sample(), "{text}");
        assert!(text[end..].trim_start().starts_with(['.', '|', '*']) || text[end..].trim().is_empty());
    }

    fn dump(line: impl Fn(usize, &[u8]) -> String) -> String {
        sample().chunks(16).enumerate().map(|(index, bytes)| line(index * 16, bytes) + "\n").collect()
    }

    fn spaced(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
    }

    #[test]
    fn dumps_of_many_tools_are_read() {
        assert_read(&dump(|at, bytes| format!("{at:04x}: {}", spaced(bytes))));
        assert_read(&dump(|at, bytes| {
            format!("{at:08x}  {} {} |................|", spaced(&bytes[..8]), spaced(&bytes[8..]))
        }));
        assert_read(&dump(|at, bytes| {
            let pairs = bytes.chunks(2).fold(String::new(), |mut text, pair| {
                let _ = write!(text, "{:02x}{:02x} ", pair[0], pair[1]);
                text
            });
            format!("{at:08x}: {pairs} ................")
        }));
        assert_read(&dump(|_, bytes| spaced(bytes)));
        assert_read(&dump(|_, bytes| format!("  {}", spaced(bytes).replace(' ', ""))));
        assert_read(&sample().iter().map(|byte| format!("{byte:02X}")).collect::<String>());
        assert_read(&dump(|at, bytes| format!("[    1.{at:03}] host: {at:04x}: {}", spaced(bytes))));
        assert_read(&dump(|_, bytes| format!("> {}", spaced(bytes))));
        assert_read(&dump(|at, bytes| format!("0x{at:04x} {}", spaced(bytes).replacen("08 ", "08-", 1))));
    }

    #[test]
    fn a_dump_ends_where_other_text_begins() {
        let text = format!("0000: {}\nivt> 00 11", spaced(&sample()[..16]));
        assert_eq!(read(text.as_bytes(), 6, 4096).0, sample()[..16]);
        let text = format!("{} and more", spaced(&sample()));
        assert_eq!(read(text.as_bytes(), 0, 4096).0, sample());
        assert_eq!(read(text.as_bytes(), 0, 7).0, sample()[..7]);
        // A line of the dump is missing.
        let text =
            dump(|at, bytes| if at == 16 { String::new() } else { format!("{at:04x}: {}", spaced(bytes)) });
        assert_eq!(read(text.as_bytes(), 6, 4096).0, sample()[..16]);
    }
}
