//! Stop screens that were read from a photograph: letters for digits, digits for letters.
//!
//! ```text
//! Stop code: DRlVER_VERlFlER_DMA_VlOLATlON (OxE6)
//! ```

use super::parameters::{Parameters, Reach, Seen};
use super::{Bugcheck, Mention, StopCode, context, is_word_byte};
use pasted::hex;

/// A part of the name that is hardly ever misread, and where in the name it stands.
pub(crate) const MARK: [&str; 2] = ["DMA_V", "DMA V"];
const MARK_AT: usize = 16;
/// How far behind the name or code the parameters may stand.
const WITHIN: usize = 512;

/// Reads the mention whose name has its mark at `at`.
pub(super) fn read_name(text: &[u8], at: usize) -> Option<Mention> {
    let code = StopCode::DmaViolation;
    let start = at.checked_sub(MARK_AT)?;
    let after = start + code.name().len();
    let written = text.get(start..after)?;
    let is_name = written.iter().zip(code.name().bytes()).all(|(seen, meant)| may_be(*seen, meant));
    if !is_name || text.get(after).is_some_and(|byte| is_word_byte(*byte)) {
        return None;
    }
    Some(mention(text, after, Seen { stop: code, name: true, code: false, shift: 0, reach: Reach::Onwards }))
}

/// Reads the mention whose code stands between `start` and `after`, if something calls it a code.
pub(super) fn read_code(text: &[u8], start: usize, after: usize, code: StopCode) -> Option<Mention> {
    let word = right_digits(&text[start..after])?;
    if hex::parse(&word) != Some(code.number()) || text.get(after).is_some_and(|byte| is_word_byte(*byte)) {
        return None;
    }
    context(&text[..start]).filter(|context| *context != "p1")?;
    Some(mention(text, after, Seen { stop: code, name: false, code: true, shift: 0, reach: Reach::Onwards }))
}

/// A mention whose code ends at `after`, with the parameters that only digits put right make readable.
pub(super) fn put_right(text: &[u8], after: usize, seen: Seen, found: Mention) -> Mention {
    let known = |bugcheck: &Bugcheck| bugcheck.parameters.iter().flatten().count();
    if found.bugcheck.is_whole() {
        return found;
    }
    let right = mention(text, after, seen);
    if known(&right.bugcheck) <= known(&found.bugcheck) || !right.bugcheck.agrees(&found.bugcheck) {
        return found;
    }
    Mention { standing: found.standing, ..right }
}

/// Reads the parameters behind `after` from a copy of the text in which digits are put right.
fn mention(text: &[u8], after: usize, seen: Seen) -> Mention {
    let code = seen.stop;
    let named = if seen.name { super::Standing::Named } else { super::Standing::Coded(None) };
    let rest = &text[after..text.len().min(after + WITHIN)];
    let mut copy = Vec::with_capacity(rest.len());
    let mut wrong = Vec::new();
    for word in rest.split_inclusive(|byte| !is_word_byte(*byte)) {
        let length = word.iter().take_while(|byte| is_word_byte(**byte)).count();
        match right_digits(&word[..length]) {
            Some(right) => {
                wrong.extend(hex::parse(&right));
                copy.extend(right);
            }
            None => copy.extend_from_slice(&word[..length]),
        }
        copy.extend_from_slice(&word[length..]);
    }
    let found = Parameters::after(&copy, 0, seen).mention(code, named);
    let doubtful = found.bugcheck.parameters.map(|value| value.is_some_and(|value| wrong.contains(&value)));
    Mention {
        bugcheck: Bugcheck { doubtful, ..found.bugcheck },
        end: after + found.end.min(rest.len()),
        ..found
    }
}

/// A number that begins as one in hex does, with digits for what only looks like some; `None` where nothing is
/// wrong, or too much.
fn right_digits(word: &[u8]) -> Option<Vec<u8>> {
    let [b'0' | b'O' | b'o', b'x' | b'X', digits @ ..] = word else { return None };
    let right: Vec<u8> = digits.iter().map(|byte| digit(*byte)).collect::<Option<_>>()?;
    (right != digits || word[0] != b'0').then(|| [b"0x", &right[..]].concat())
}

const fn digit(seen: u8) -> Option<u8> {
    Some(match seen {
        b'O' | b'o' | b'Q' => b'0',
        b'l' | b'I' | b'i' => b'1',
        b'Z' | b'z' => b'2',
        b'S' | b's' => b'5',
        b'G' => b'6',
        b'T' => b'7',
        b'g' | b'q' => b'9',
        _ if seen.is_ascii_hexdigit() => seen,
        _ => return None,
    })
}

/// Tells whether a character may be what a reader makes of a letter of the name.
fn may_be(seen: u8, meant: u8) -> bool {
    let looks_like: &[u8] = match meant {
        b'I' => b"l1|!",
        b'O' => b"0Q",
        b'D' => b"0O",
        b'V' => b"Yv",
        b'A' => b"4",
        b'E' => b"F3",
        b'F' => b"E",
        b'R' => b"P",
        b'_' => b" -.",
        _ => b"",
    };
    seen.eq_ignore_ascii_case(&meant) || looks_like.contains(&seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_misread_is_found() {
        for text in [
            "DRlVER_VERlFlER_DMA_VlOLATlON",
            "DRIVER VER1F1ER DMA VI0LATI0N",
            "DRIVER_VERIFIER_DMA_V|OLATION",
        ] {
            let at = text.find("DMA").unwrap();
            let mention = read_name(text.as_bytes(), at).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(mention.bugcheck, Bugcheck::of(StopCode::DmaViolation));
        }
        assert_eq!(read_name(b"the driver verifies DMA_Vector", 20), None);
        assert_eq!(read_name(b"DMA_V", 0), None);
    }

    #[test]
    fn digits_that_were_put_right_are_marked() {
        let text = b"STOP: OxOOOOOOE6 (0x0000000000000026, OxFFFFD08BBl43S060, 0x0000000000000040, 0x0000000000000006)";
        let Bugcheck { parameters, doubtful, .. } =
            read_code(text, 6, 16, StopCode::DmaViolation).unwrap().bugcheck;
        assert_eq!(parameters, [Some(0x26), Some(0xffff_d08b_b143_5060), Some(0x40), Some(6)]);
        assert_eq!(doubtful, [false, true, false, false]);
        let list = b"0xE6 (0x26, OxFFFFD08BBl435060, 0x40, 0x6)";
        let list = super::super::read_code(list, 2, StopCode::DmaViolation).unwrap().bugcheck;
        assert_eq!(
            (list.parameters[1], list.doubtful),
            (Some(0xffff_d08b_b143_5060), [false, true, false, false])
        );
        assert_eq!(read_code(b"serial OxE6", 7, 11, StopCode::DmaViolation), None);
    }
}
