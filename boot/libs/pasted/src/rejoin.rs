//! Line ends that a terminal or a mail put into the middle of a word or number.
//!
//! ```text
//! DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x7c
//! 346000 [fault reason 0x06] PTE Read access is not set
//! ```
//!
//! Two lines are one where both halves together are a word of a message, or a number that the message goes on
//! behind as it must. All else stays as it is, and whoever reads the number finds that it ends where its line does.

use crate::hex;

/// The words of the messages that are looked for, in order.
const WORDS: [&str; 72] = [
    "access",
    "addr",
    "address",
    "amd_iommu_report_page_fault",
    "arg1",
    "arg2",
    "arg3",
    "arg4",
    "base",
    "bugcheck",
    "bugcheckcode",
    "bugcheckparameter1",
    "bugcheckparameter2",
    "bugcheckparameter3",
    "bugcheckparameter4",
    "callbacks",
    "caused",
    "completion",
    "detected",
    "device",
    "dma",
    "dmar",
    "dmar_fault",
    "domain",
    "drhd",
    "driver_verifier_dma_violation",
    "error",
    "event",
    "failure",
    "fault",
    "flags",
    "flags_rmp",
    "gpa",
    "handling",
    "illegal_dev_table_entry",
    "index",
    "intr",
    "invalid_device_request",
    "invalid_ppr_request",
    "invalidation",
    "io_page_fault",
    "iommu",
    "iotlb_inv_timeout",
    "iova",
    "level",
    "logged",
    "messages",
    "no_pasid",
    "pasid",
    "passthru",
    "present",
    "prior",
    "queue",
    "qw0",
    "qw1",
    "read",
    "reason",
    "reg",
    "remap",
    "repeated",
    "request",
    "rmrr",
    "slpte",
    "status",
    "suppressed",
    "timed",
    "translation",
    "type",
    "violation",
    "vmg_tag",
    "vtd_iommu_translate",
    "write",
];
/// The longest of them.
const LONGEST_WORD: usize = 29;
/// The letters that words of each length end with, which most pairs of lines do not.
const LAST_LETTERS: [u32; LONGEST_WORD + 1] = {
    let mut letters = [0; LONGEST_WORD + 1];
    let mut next = 0;
    while next < WORDS.len() {
        let word = WORDS[next].as_bytes();
        letters[word.len()] |= letter(word[word.len() - 1]);
        next += 1;
    }
    letters
};
/// The longest number or address of a device, with what stands around it.
const LONGEST_NUMBER: usize = 24;

/// Tells whether `head`, a line's beginning, goes on with the word or number that `tail` ends with, and if so how
/// much of it is indentation.
pub(super) fn joint(tail: &[u8], head: &[u8]) -> Option<usize> {
    let last = *tail.last()?;
    let blank = head.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let head = head.get(blank..)?;
    let first = *head.first()?;
    let is_one = if last.is_ascii_alphabetic() || last == b'_' {
        is_word(tail, head)
            || first.is_ascii_alphanumeric() && (is_number(tail, head) || is_device(tail, head))
    } else if matches!(last, b'0'..=b'9' | b'=' | b'[' | b':' | b'.' | b'`')
        && (first.is_ascii_alphanumeric() || matches!(first, b':' | b'.'))
    {
        is_number(tail, head) || is_device(tail, head)
    } else {
        false
    };
    is_one.then_some(blank)
}

/// A character as a bit in a set of letters.
const fn letter(character: u8) -> u32 {
    1 << (character & 0x1f)
}

fn is_word(tail: &[u8], head: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = tail.iter().rev().take_while(|byte| is_part(byte)).count();
    let more = head.iter().take_while(|byte| is_part(byte)).count();
    if length == 0 || more == 0 || length + more > LONGEST_WORD {
        return false;
    }
    let mut letters = [0; LONGEST_WORD];
    let word = &mut letters[..length + more];
    word[..length].copy_from_slice(&tail[tail.len() - length..]);
    word[length..].copy_from_slice(&head[..more]);
    word.make_ascii_lowercase();
    if LAST_LETTERS[length + more] & letter(word[length + more - 1]) == 0 {
        return false;
    }
    let is_known = |word: &[u8]| WORDS.binary_search_by(|known| known.as_bytes().cmp(word)).is_ok();
    // Half of a key may be a word of its own: `addr` of `address=`.
    is_known(word) && (!is_known(&word[..length]) || head.get(more) == Some(&b'='))
}

/// A number behind its label, in a list, or in a record, whose digits go on in the next line.
fn is_number(tail: &[u8], head: &[u8]) -> bool {
    let digits = tail.iter().rev().take_while(|byte| is_of_number(**byte)).count();
    let (before, begun) = tail.split_at(tail.len() - digits);
    let more = head.iter().take_while(|byte| is_of_number(**byte)).count();
    let (rest, behind) = head.split_at(more);
    if more == 0 || digits + more > LONGEST_NUMBER || hex::parse(&[begun, rest].concat()).is_none() {
        return false;
    }
    if before.ends_with(b"=") {
        // Nothing but a key ends so.
        return goes_on(behind) || digits == 0 && behind.is_empty();
    }
    if digits == 0 {
        return false;
    }
    if let Some(label) = label(before) {
        return goes_on(behind)
            || label == Label::Status && behind.trim_ascii().is_empty() && digits + more < 5;
    }
    is_in_list(before) && matches!(behind.first(), Some(b',' | b')' | b'}'))
}

/// What a number is called by the word before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Status,
    Other,
}

fn label(before: &[u8]) -> Option<Label> {
    let word = before.trim_ascii_end();
    if word.len() == before.len() {
        return None;
    }
    let ends = |label: &str| {
        word.len() >= label.len() && word[word.len() - label.len()..].eq_ignore_ascii_case(label.as_bytes())
    };
    if ends("status reg") {
        return Some(Label::Status);
    }
    let others = ["addr", "address", "index", "reason", "pasid", "sid", "flags", "="];
    others.iter().any(|label| ends(label)).then_some(Label::Other)
}

/// Tells whether a number stands in brackets, behind another one or as the first.
fn is_in_list(before: &[u8]) -> bool {
    let trimmed = before.trim_ascii_end();
    let open = trimmed.iter().rposition(|byte| matches!(byte, b'(' | b'{'));
    matches!(trimmed.last(), Some(b',' | b'(' | b'{'))
        && open.is_some_and(|open| {
            trimmed[open..]
                .iter()
                .all(|byte| is_of_number(*byte) || matches!(byte, b'(' | b'{' | b',' | b' '))
        })
}

/// Tells whether a message goes on behind a number as it must.
fn goes_on(behind: &[u8]) -> bool {
    let next = behind.trim_ascii_start();
    let is_key = || {
        let length = next.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        length > 0 && next.get(length) == Some(&b'=')
    };
    match behind.first() {
        Some(b']' | b')' | b',') => true,
        Some(b' ' | b'\t') => {
            next.starts_with(b"[fault")
                || next.starts_with(b"fault")
                || next.starts_with(b"flags")
                || is_key()
        }
        _ => false,
    }
}

/// The address of a device that its line's end cuts in two.
fn is_device(tail: &[u8], head: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = tail.iter().rev().take_while(|byte| is_part(byte)).count();
    let more = head.iter().take_while(|byte| is_part(byte)).count();
    if more == 0 || length + more > LONGEST_NUMBER {
        return false;
    }
    let before = &tail[..tail.len() - length];
    let begun = &tail[tail.len() - length..];
    let whole = [begun, &head[..more]].concat();
    let whole = whole.strip_suffix(b":").unwrap_or(&whole);
    let is_begun = before.ends_with(b"[")
        || before.ends_with(b"device=")
        || before.ends_with(b"dev=")
        || begun.contains(&b':');
    is_begun && is_address(whole) && !is_address(begun)
}

/// `[SEGMENT:]BUS:DEVICE.FUNCTION` with the digits that programs write.
fn is_address(text: &[u8]) -> bool {
    let hex = |part: &[u8], digits: usize| part.len() == digits && part.iter().all(u8::is_ascii_hexdigit);
    let mut parts = text.rsplitn(3, |byte| *byte == b':');
    let Some((device, bus)) = parts.next().zip(parts.next()) else { return false };
    parts.next().is_none_or(|segment| hex(segment, 4) || hex(segment, 5))
        && hex(bus, 2)
        && matches!(device, [a, b, b'.', function] if hex(&[*a, *b], 2) && matches!(function, b'0'..=b'7'))
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X' | b'`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_one(tail: &str, head: &str) -> bool {
        joint(tail.as_bytes(), head.as_bytes()).is_some()
    }

    /// A message is put together wherever it was cut, and never at one of its own blanks.
    #[test]
    fn messages_are_rejoined_wherever_they_were_cut() {
        for message in [
            "[    0.960486] DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x7c346000 [fault reason 0x06] PTE",
            "nvme 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000b address=0xf4f74080 flags=0x0020]",
            "AMD-Vi: Event logged [IO_PAGE_FAULT device=03:00.0 domain=0x000b address=0xf4f74080 flags=0x0020]",
            "DMAR: DRHD: handling fault status reg 402",
        ] {
            let start =
                message.find("DMA Read").or(message.find("Event")).or(message.find("handling")).unwrap();
            let end = message.rfind(']').unwrap_or(message.len());
            for at in start + 1..end {
                let (tail, head) = message.split_at(at);
                let (last, first) = (tail.as_bytes()[at - 1], head.as_bytes()[0]);
                let is_cut = last.is_ascii_alphanumeric() && first.is_ascii_alphanumeric();
                if is_cut {
                    assert!(is_one(tail, head), "{tail}|{head}");
                    assert!(is_one(tail, &format!("   {head}")), "{tail}|{head}");
                }
                if last == b' ' || first == b' ' {
                    assert!(!is_one(tail, head), "{tail}|{head}");
                }
            }
        }
    }

    #[test]
    fn the_words_are_in_order_and_fit() {
        assert!(WORDS.is_sorted());
        assert_eq!(WORDS.iter().map(|word| word.len()).max(), Some(LONGEST_WORD));
    }

    #[test]
    fn lists_are_rejoined() {
        assert!(is_one("STOP: 0x000000E6 (0x00000026, 0xFFFF9A0B", "1C2D3E40, 0x40, 0x6)"));
        assert!(is_one("BugCheck E6, {2", "6, ffff9a0b1c2d3e40, 40, 6}"));
        assert!(!is_one("STOP: 0x000000E6 (0x00000026,", "0xFFFF9A0B1C2D3E40, 0x40, 0x6)"));
    }

    #[test]
    fn lines_of_their_own_stay_apart() {
        for (tail, head) in [
            ("DRHD: handling fault status reg 2", "2024-01-02T03:04:05 host kernel: DMAR"),
            ("DRHD: handling fault status reg 2", "12 [    0.9] DMAR: [DMA Read]"),
            ("Request device [00:02.0] fault addr 1a45aa9000", "DMAR:[fault reason 06] PTE"),
            ("fault addr 7c346000", "add to that"),
            ("fault addr 0x7c", "[    0.96] usb 1-1: new device"),
            ("AMD-Vi: Event logged [IO_PAGE_FAULT device=03:00.0", "domain=0x000b address=0x1000"),
            ("PTE Read access is not set", "Oct 22 08:54:51 host kernel: DMAR"),
            ("the device", "status of it"),
            ("", "x"),
            ("x", ""),
        ] {
            assert!(!is_one(tail, head), "{tail}|{head}");
        }
    }
}
