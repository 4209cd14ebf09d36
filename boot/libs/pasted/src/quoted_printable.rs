//! Mail's encoding of text (RFC 2045 "Quoted-Printable Content-Transfer-Encoding").
//!
//! ```text
//! AMD-Vi: Event logged [IO_PAGE_FAULT domain=3D0x000b addres=
//! s=3D0xb6674000 flags=3D0x0050]
//! ```
//!
//! In a text so encoded no equals sign stands for itself: each is followed by two digits in upper case or ends
//! the line. A line with any other one is left as it is.

use quoted_printable::ParseMode;

/// No line of a message is longer once it is put together.
const LONGEST: usize = 8 << 10;
/// Characters that mails encode most, as they come out: an equals sign, blanks that do not break, quotes.
const TELLING: [&[u8]; 4] = [b"=3D", b"=C2=A0", b"=E2=80", b"=EF=BB=BF"];

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// It is not encoded.
    No,
    /// It was.
    Yes {
        /// The line.
        text: Vec<u8>,
        /// How much of what follows belongs to it.
        more: usize,
    },
    /// Its end is still to be read.
    Unfinished,
}

/// Tells whether an equals sign, which `text` begins with, is one that tells of an encoded text; most lines have none.
pub(super) fn tells(text: &[u8]) -> bool {
    matches!(
        text,
        [_] | [_, b'\r' | b'\n', ..] | [_, b'3', b'D', ..] | [_, b'C', b'2', ..] | [_, b'E', b'2' | b'F', ..]
    )
}

/// Tells whether an equals sign, which `text` begins with, may be one of an encoded text.
fn may_begin(text: &[u8]) -> bool {
    match text {
        [_, high, low, ..] if is_digit(*high) && is_digit(*low) => true,
        [_, b' ' | b'\t' | b'\r' | b'\n', ..] | [_] => true,
        _ => false,
    }
}

/// Decodes a line with those that belong to it, which follow in `rest`; `is_all` tells that nothing comes after.
pub(super) fn decode(line: &[u8], rest: &[u8], is_all: bool) -> Decoded {
    let breaks = breaks_softly(line);
    let tells = TELLING.iter().any(|code| contains(line, code));
    if !(tells || breaks) || !is_encoded(line) {
        return Decoded::No;
    }
    let mut whole = trimmed(line).to_vec();
    let mut more = 0;
    while whole.ends_with(b"=") && whole.len() < LONGEST {
        let Some(next) = rest[more..].split(|byte| *byte == b'\n').next().filter(|_| more < rest.len())
        else {
            if is_all {
                break;
            }
            return Decoded::Unfinished;
        };
        let is_whole = more + next.len() < rest.len();
        if !is_whole && !is_all && next.len() < LONGEST {
            return Decoded::Unfinished;
        }
        if !is_encoded(next) {
            // A line that happens to be cut behind an equals sign.
            if !tells && more == 0 {
                return Decoded::No;
            }
            break;
        }
        whole.extend_from_slice(b"\r\n");
        whole.extend_from_slice(trimmed(next));
        more += next.len() + usize::from(is_whole);
    }
    ::quoted_printable::decode(&whole, ParseMode::Robust)
        .map_or(Decoded::No, |text| Decoded::Yes { text, more })
}

/// Tells whether a line ends with the mark that it goes on. Lines of base64 may, too, but have no blanks.
fn breaks_softly(line: &[u8]) -> bool {
    let line = trimmed(line);
    line.strip_suffix(b"=").is_some_and(|line| {
        line.contains(&b' ')
            && line.last().is_some_and(|byte| !matches!(byte, b' ' | b'=' | b'!' | b'<' | b'>'))
    })
}

/// Tells whether each equals sign of a line could be one of an encoded text.
fn is_encoded(line: &[u8]) -> bool {
    let line = trimmed(line);
    (0..line.len()).filter(|at| line[*at] == b'=').all(|at| may_begin(&line[at..]) || at + 1 == line.len())
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(line: &str, rest: &str) -> Option<(String, usize)> {
        match decode(line.as_bytes(), rest.as_bytes(), true) {
            Decoded::Yes { text, more } => Some((String::from_utf8(text).unwrap(), more)),
            Decoded::No => None,
            Decoded::Unfinished => panic!("{line}: unfinished"),
        }
    }

    #[test]
    fn codes_and_soft_line_breaks_are_undone() {
        let line = "Event logged [IO_PAGE_FAULT domain=3D0x000b addres=";
        let rest = "s=3D0xb6674000 flags=3D0x0050]\nnext";
        let whole = "Event logged [IO_PAGE_FAULT domain=0x000b address=0xb6674000 flags=0x0050]";
        assert_eq!(decoded(line, rest), Some((whole.into(), 31)));
        let thrice = decoded("fault addr 0x7c=", "34=\n6000 [fa=\nult reason 0x06]\n").unwrap();
        assert_eq!(thrice.0, "fault addr 0x7c346000 [fault reason 0x06]");
    }

    #[test]
    fn equals_signs_of_other_texts_stand_for_themselves() {
        for line in [
            "IO_PAGE_FAULT device=3d:00.0 domain=0x0012 address=0x20",
            "==================================================",
            "RE1BUrgAAAA=",
            "if a =",
            "say=%23PF",
        ] {
            assert_eq!(decoded(line, "flags=0x0000]"), None, "{line}");
        }
        // Cut by hand behind an equals sign.
        assert_eq!(decoded("[IO_PAGE_FAULT domain=", "0x000b address=0x1000 flags=0x0000]"), None);
    }

    #[test]
    fn a_line_that_goes_on_waits_for_more() {
        assert_eq!(decode(b"fault addr 0x7c=", b"", false), Decoded::Unfinished);
        assert_eq!(decode(b"fault addr 0x7c=", b"3460", false), Decoded::Unfinished);
        assert_eq!(decoded("fault addr 0x7c=", "").unwrap().0, "fault addr 0x7c");
    }
}
