//! Error sections as Linux prints those that it does not know.
//!
//! ```text
//! {1}[Hardware Error]:   section type: unknown, 5b51fef7-c79d-4434-8f1b-aa62de3e2c64
//! {1}[Hardware Error]:   section length: 0x20
//! {1}[Hardware Error]:   00000000: 00000300 01000101 7c346000 00000000
//! ```
//!
//! The bytes are shown as numbers of 32 bits (`cper_print_section`).

use super::cper::{ErrorRecord, Purpose};
use super::device::DeviceName;
use super::fault::{Fault, Origin, Pasid, Reading, Request};
use dma_types::SourceId;
use pasted::hex;

/// The type of a section about a blocked request, whatever the family of the unit (UEFI Specification 2.10,
/// appendix N "DMAr Generic Errors").
pub(super) const GENERIC: &str = "5b51fef7-c79d-4434-8f1b-aa62de3e2c64";
/// How far behind the type the bytes may stand.
const WITHIN: usize = 1024;
/// Words up to the address's end.
const WORDS: usize = 4;

/// Reads the section whose type stands at `at`, and where what is read of it ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    let start = at + GENERIC.len();
    let rest = &text[start..text.len().min(start + WITHIN)];
    let mut end = start;
    let words = rest.split_inclusive(|byte| *byte == b'\n').take(6).find_map(|line| {
        end += line.len();
        words(line)
    })?;
    let [ids, _, low, high] = words;
    let segment = ids >> 16;
    let source = SourceId::from_bits((ids & 0xffff) as u16);
    let device = match segment {
        0 => Some(source.into()),
        segment => DeviceName::read(format!("{segment:04x}:{source}").as_bytes()),
    };
    let request = Request {
        origin: Origin::Record,
        access: None,
        device,
        place: Reading::Value(u64::from(high) << 32 | u64::from(low)),
        reason: Reading::Absent,
        pasid: Pasid::Absent,
    };
    Some((Fault::Cper(Box::new(ErrorRecord { request, walk: None, purpose: Purpose::Unknown })), end))
}

/// The first words of a section, if they stand on this line.
fn words(line: &[u8]) -> Option<[u32; WORDS]> {
    let offset = line.windows(9).position(|window| window == b"00000000:")?;
    let mut numbers = line[offset + 9..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut words = [0; WORDS];
    for word in &mut words {
        let digits = numbers.next().filter(|digits| digits.len() == 8)?;
        *word = u32::try_from(hex::parse(digits)?).ok()?;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requester_and_address_are_read() {
        let text = format!(
            "section type: unknown, {GENERIC}\n{{1}}[Hardware Error]:   section length: 0x20\n\
             {{1}}[Hardware Error]:   00000000: 00010300 01000101 7c346000 00000001\n"
        );
        let Some((Fault::Cper(record), _)) = read(text.as_bytes(), text.find(GENERIC).unwrap()) else {
            panic!("{text}")
        };
        assert_eq!(record.request.device, DeviceName::read(b"0001:03:00.0"));
        assert_eq!(record.request.place, Reading::Value(0x1_7c34_6000));
        assert_eq!(read(GENERIC.as_bytes(), 0), None);
    }
}
