//! Text that is nothing but a fault record or a stop code, without any message around it.

use super::bugcheck;
use super::fault::Fault;
use super::raw;
use pasted::hex;

/// Longer text is no bare number.
const LONGEST: usize = 1024;

/// Reads a text in which no message was found.
pub(super) fn read(text: &[u8]) -> Option<Fault> {
    if text.len() > LONGEST {
        return None;
    }
    bugcheck::bare(text).or_else(|| record(text))
}

/// Reads a fault record: 128 bits as one number, as two of 64, four of 32, or 16 bytes.
///
/// Numbers of 64 bits are taken in either order, bytes and numbers of 32 bits in memory's order or as one
/// long number: a fault sets the topmost bit, and what must be zero tells the orders apart. Digits may be
/// grouped as debuggers and languages do.
pub(super) fn record(text: &[u8]) -> Option<Fault> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'`' | b'_')).collect();
    let mut numbers: Vec<&[u8]> = text
        .split(|byte| !byte.is_ascii_alphanumeric())
        .map(without_prefix)
        .filter(|word| word.len() >= 2 && word.iter().all(u8::is_ascii_hexdigit))
        .collect();
    if let [offset, data @ ..] = &numbers[..]
        && matches!(data.len(), 8 | 16)
        && offset.iter().all(|digit| *digit == b'0')
    {
        // The first line of a dump, behind its offset.
        let pairs = data.iter().flat_map(|bytes| bytes.chunks(2));
        numbers = pairs.collect();
    }
    let long: Vec<&[u8]> = numbers.iter().copied().filter(|word| word.len() >= 8).collect();
    match long[..] {
        [whole] if whole.len() == 32 => halves(&[&whole[..16], &whole[16..]]),
        [high] if high.len() == 16 => raw::decode(None, hex::parse(high)?),
        [_, _] => halves(&long),
        [a, b, c, d] if long.iter().all(|word| word.len() == 8) => {
            halves(&[&[a, b].concat(), &[c, d].concat()])
                .or_else(|| halves(&[&[d, c].concat(), &[b, a].concat()]))
        }
        [] if numbers.len() == 16 && numbers.iter().all(|word| word.len() == 2) => {
            let reversed: Vec<u8> = numbers.iter().rev().copied().flatten().copied().collect();
            halves(&[&reversed[..16], &reversed[16..]])
        }
        _ => None,
    }
}

/// Decodes two halves in the order in which they make sense.
fn halves(words: &[&[u8]]) -> Option<Fault> {
    let [first, second] = words else { return None };
    let (first, second) = (hex::parse(first)?, hex::parse(second)?);
    raw::decode(Some(second), first).or_else(|| raw::decode(Some(first), second))
}

fn without_prefix(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::super::fault::{Reading, Request};
    use super::*;

    #[test]
    fn a_record_is_read_in_every_grouping() {
        for text in [
            "c0000006000001180000000012345000",
            "0xC000000600000118_0000000012345000",
            "0xc000000600000118 0x0000000012345000",
            "0000000012345000:c000000600000118",
            "12345000 00000000 00000118 c0000006",
            "c0000006 00000118 00000000 12345000",
            "00 50 34 12 00 00 00 00 18 01 00 00 06 00 00 c0",
            "fault record: {0xc000000600000118, 0x12345000}",
            "c0000006`00000118 00000000`12345000",
            "0xc000_0006_0000_0118_0000_0000_1234_5000",
            "00000000  00 50 34 12 00 00 00 00  18 01 00 00 06 00 00 c0",
            "00000000: 0050 3412 0000 0000 1801 0000 0600 00c0  .P4.............",
        ] {
            let Some(Fault::Request(Request { place, device, .. })) = read(text.as_bytes()) else {
                panic!("{text}")
            };
            assert_eq!((place, device.unwrap().as_str()), (Reading::Value(0x1234_5000), "01:03.0"), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_record() {
        for text in
            ["", "hello", "deadbeef", "0000000000000000 0000000000000000", "12 34", "ffffffffffffffff"]
        {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
