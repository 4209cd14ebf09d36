//! A device as a message names it.

use std::fmt;
use std::hash::{Hash, Hasher};

use dma_types::SourceId;

/// Characters of the longest name: a segment of eight digits, as some controllers make up.
const LONGEST: usize = 16;

/// `[SEGMENT:]BUS:DEVICE.FUNCTION` as it was written, brackets and `0x` left out. Names are equal where they mean
/// the same function, however it is spelled.
#[derive(Clone, Copy)]
pub(super) struct DeviceName {
    text: [u8; LONGEST],
    length: u8,
    segment: u32,
    function: SourceId,
}

impl PartialEq for DeviceName {
    fn eq(&self, other: &Self) -> bool {
        (self.segment, self.function) == (other.segment, other.function)
    }
}

impl Eq for DeviceName {}

impl Hash for DeviceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (u64::from(self.segment) << 16 | u64::from(self.function.bits())).hash(state);
    }
}

impl DeviceName {
    /// Reads a name; `None` if there can be no such device.
    pub(super) fn read(written: &[u8]) -> Option<Self> {
        let mut name = Self { text: [0; LONGEST], length: 0, segment: 0, function: SourceId::from_bits(0) };
        let mut rest = written;
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'0' && matches!(after.first(), Some(b'x' | b'X')) {
                rest = &after[1..];
                continue;
            }
            *name.text.get_mut(usize::from(name.length))? = byte;
            name.length += 1;
            rest = after;
        }
        (name.segment, name.function) = name.numbers()?;
        Some(name)
    }

    /// The device as written.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Segment and function; `None` if a number is out of range.
    fn numbers(&self) -> Option<(u32, SourceId)> {
        let text = self.as_str();
        let (buses, function) = text.rsplit_once('.')?;
        let (buses, device) = buses.rsplit_once(':')?;
        let (segment, bus) = buses.rsplit_once(':').unwrap_or(("0", buses));
        let number = |text: &str, digits: usize| {
            let fits =
                (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if fits { u32::from_str_radix(text, 16).ok() } else { None }
        };
        let segment = number(segment, 8)?;
        let part = |text, digits| number(text, digits).and_then(|value| u8::try_from(value).ok());
        Some((segment, SourceId::new(part(bus, 2)?, part(device, 2)?, part(function, 1)?)?))
    }

    /// The function, where the segment is the first or not named.
    pub(super) fn in_first_segment(&self) -> Option<SourceId> {
        (self.segment == 0).then_some(self.function)
    }
}

impl From<SourceId> for DeviceName {
    fn from(source: SourceId) -> Self {
        let text = source.to_string();
        let mut name = Self { text: [0; LONGEST], length: 0, segment: 0, function: source };
        for (place, byte) in name.text.iter_mut().zip(text.bytes()) {
            *place = byte;
            name.length += 1;
        }
        name
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceName({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        DeviceName::read(text.as_bytes()).map(|name| name.to_string())
    }

    #[test]
    fn names_stay_as_written() {
        for text in ["00:02.0", "0000:95:00.0", "7a:1f.7", "10000:e1:00.0", "0:2.0", "AB:0c.1"] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("0xc9:0x05.0").as_deref(), Some("c9:05.0"));
        assert_eq!(DeviceName::from(SourceId::new(0, 0x14, 0).unwrap()).as_str(), "00:14.0");
    }

    #[test]
    fn spellings_of_a_function_are_equal() {
        let name = |text: &str| DeviceName::read(text.as_bytes()).unwrap();
        for text in ["0000:00:02.0", "0:2.0", "0000:0:2.0", "00:02.0"] {
            assert_eq!(name(text), name("00:02.0"), "{text}");
        }
        assert_eq!(DeviceName::from(SourceId::new(0, 2, 0).unwrap()), name("0:2.0"));
        assert_ne!(name("0001:00:02.0"), name("00:02.0"));
        assert_ne!(name("00:02.1"), name("00:02.0"));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in [
            "",
            "00.14.4",
            "00:20.0",
            "00:1f.8",
            "xx:00.0",
            "00:02",
            "123456789:00:00.0",
            "1:2:3:4.0",
            "é:0.0",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
