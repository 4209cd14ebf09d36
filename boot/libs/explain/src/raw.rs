//! Fault recording registers as numbers, with a label before them.
//!
//! ```text
//! Fault: hi=0xc000000600000118, reason=0x6, ..., info=0x12345
//! FRCD 0xc000000600000118 0x0000000012345000
//! ```

use dma_types::Access;
use vtd::spec::fault_record::FaultRecord;

use super::bare;
use super::cursor::{Cursor, is_word_byte};
use super::fault::{Fault, Origin, Pasid, Reading, Request};
use pasted::hex;

/// How much of the line counts, before the upper half and behind it.
const WITHIN: (usize, usize) = (64, 256);

/// Reads the record whose upper half is labelled at `at` (`hi=`), and where that half ends.
pub(super) fn read_halves(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    if at.checked_sub(1).is_some_and(|before| is_word_byte(text[before])) {
        return None;
    }
    let mut cursor = Cursor::new(text, at);
    while cursor.peek().is_some_and(|byte| is_word_byte(byte) || matches!(byte, b'=' | b':')) {
        let is_last = matches!(cursor.peek(), Some(b'=' | b':'));
        cursor.skip(1);
        if is_last {
            break;
        }
    }
    let high = cursor.hex().value()?;
    let (before, behind) = WITHIN;
    let start = at.saturating_sub(before);
    let same_line = text[start..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let rest = &text[cursor.at()..text.len().min(cursor.at() + behind)];
    let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let low = labelled(rest, b"lo=")
        .or_else(|| labelled(rest, b"low="))
        .or_else(|| labelled(same_line, b"lo="))
        .or_else(|| labelled(same_line, b"low="))
        .or_else(|| labelled(rest, b"info=").map(|page| page << 12));
    Some((decode(low, high)?, cursor.at()))
}

/// Reads the record behind a register's name that stands at `at`, and where its line ends; each half may have
/// a name and a line of its own.
pub(super) fn read_register(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let rest = &text[at..text.len().min(at + WITHIN.1)];
    let mut lines = rest.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let second = lines.next().filter(|line| line.windows(4).any(|name| name.eq_ignore_ascii_case(b"frcd")));
    let both = second.map(|second| &rest[..line.len() + 1 + second.len()]);
    [both, Some(line)].into_iter().flatten().find_map(|part| Some((bare::record(part)?, at + part.len())))
}

/// The number behind a label.
fn labelled(text: &[u8], label: &[u8]) -> Option<u64> {
    let at = text.windows(label.len()).position(|window| window.eq_ignore_ascii_case(label))?;
    let is_word = at.checked_sub(1).is_some_and(|before| is_word_byte(text[before]));
    if is_word { None } else { hex::parse(Cursor::new(text, at + label.len()).token()) }
}

/// Decodes a record; `None` if it holds no fault or has bits set that no record has. Without the lower half
/// the place is not known.
pub(super) fn decode(low: Option<u64>, high: u64) -> Option<Fault> {
    /// Bits 91:80 of the record.
    const RESERVED_HIGH: u64 = 0x0fff_0000;
    /// Bits 11:0 of the record.
    const RESERVED_LOW: u64 = 0xfff;
    let record = FaultRecord::from_halves(low.unwrap_or(0), high);
    let reason = record.reason();
    let is_sound = record.is_valid() && reason.0 != 0 && high & RESERVED_HIGH == 0;
    if !is_sound || low.is_some_and(|low| low & RESERVED_LOW != 0) {
        return None;
    }
    let place = match record.access() {
        Access::Interrupt => record.interrupt_index().map(|index| u64::from(index.0)),
        _ => record.page().map(|page| page.as_u64()),
    };
    Some(Fault::Request(Request {
        origin: Origin::Record,
        access: Some(record.access()),
        device: Some(record.source().into()),
        place: low.and(place).map_or(Reading::Absent, Reading::Value),
        reason: Reading::Value(reason),
        pasid: record.pasid().map_or(Pasid::Absent, Pasid::Number),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtd::spec::fault_reason::FaultReason;

    fn request(fault: Option<(Fault, usize)>) -> Request {
        match fault {
            Some((Fault::Request(request), _)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lower_half_may_stand_anywhere_on_the_line() {
        let place = |text: &str| request(read_halves(text.as_bytes(), text.find("hi").unwrap())).place;
        assert_eq!(place("hi=0x80000005000000fb"), Reading::Absent);
        assert_eq!(place("hi=0xc000000600000118, Source=0x118, info=0x12345"), Reading::Value(0x1234_5000));
        assert_eq!(place("lo=0x12345000 hi=0xc000000600000118"), Reading::Value(0x1234_5000));
        assert_eq!(place("hi=0xc000000600000118 lo=0x12345000"), Reading::Value(0x1234_5000));
        assert_eq!(place("high=0xc000000600000118\nlo=0x1000"), Reading::Absent);
    }

    #[test]
    fn the_halves_of_a_register_may_have_a_line_each() {
        let place = |text: &str| request(read_register(text.as_bytes(), 0)).place;
        for text in [
            "FRCDH = 0xc000000600000118\nFRCDL = 0x12345000\n",
            "FRCD_LO: 0x0000000012345000\n  FRCD_HI: 0xc000000600000118",
            "FRCD0 0xc000000600000118 0x12345000\nFRCD1 0x0 0x0",
        ] {
            assert_eq!(place(text), Reading::Value(0x1234_5000), "{text}");
        }
        assert_eq!(place("FRCDH 0xc000000600000118\nFRCDH 0xc000000600000118"), Reading::Absent);
    }

    #[test]
    fn all_fields_are_decoded() {
        let read = request(read_halves(b"hi=0xc000000600000118", 0));
        assert_eq!((read.access, read.reason), (Some(Access::Read), Reading::Value(FaultReason(6))));
        assert_eq!(read.device.unwrap().as_str(), "01:03.0");
        assert_eq!(request(read_halves(b"hi=0x8000027180000010", 0)).pasid, Pasid::Number(2));
    }

    #[test]
    fn registers_that_hold_no_fault_are_passed_over() {
        for text in ["hi=0x4000000600000010", "hi=0x0", "hi=0xffffffffffffffff", "hi=there"] {
            assert_eq!(read_halves(text.as_bytes(), 0), None, "{text}");
        }
    }
}
