//! Who asks: segments, requester ids, functions, domains.

use core::fmt;
use core::str::FromStr;

/// A PCI segment group: each has 256 buses of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Segment(pub u16);

/// The 16-bit id that a request carries: bus, device, function.
///
/// It names the *requester*, which behind a PCIe-to-PCI bridge is not the function itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(u16);

impl SourceId {
    /// Takes the id as the hardware writes it: bus 15:8, device 7:3, function 2:0.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Puts an id together; `None` if the device is above 31 or the function above 7.
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        if device > 31 || function > 7 {
            return None;
        }
        Some(Self((bus as u16) << 8 | (device as u16) << 3 | function as u16))
    }

    /// The id as the hardware writes it.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The bus number, bits 15:8.
    pub const fn bus(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Device number, 0 to 31.
    pub const fn device(self) -> u8 {
        (self.0 >> 3) as u8 & 0x1f
    }

    /// Function number, 0 to 7.
    pub const fn function(self) -> u8 {
        self.0 as u8 & 7
    }

    /// Device and function in one byte: the index into a context table.
    pub const fn devfn(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{:x}", self.bus(), self.device(), self.function())
    }
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceId({self})")
    }
}

/// A PCI function (or a requester id, where so named) on a machine: segment, bus, device, function.
///
/// Written and read as `SSSS:BB:DD.F` in hex; the segment may be left out when read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bdf {
    /// The segment group whose buses are meant.
    pub segment: Segment,
    /// Bus, device and function within it.
    pub source: SourceId,
}

impl Bdf {
    /// Joins a segment and an id.
    pub const fn new(segment: Segment, source: SourceId) -> Self {
        Self { segment, source }
    }
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{}", self.segment.0, self.source)
    }
}

impl fmt::Debug for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bdf({self})")
    }
}

/// A text that is not `[SSSS:]BB:DD.F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseBdfError;

impl fmt::Display for ParseBdfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a device as [SSSS:]BB:DD.F in hex, for example 00:03.0")
    }
}

impl core::error::Error for ParseBdfError {}

/// Reads a hex number of one to `digits` digits, and nothing but digits.
fn hex(text: &str, digits: usize) -> Option<u16> {
    let valid = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if valid { u16::from_str_radix(text, 16).ok() } else { None }
}

impl FromStr for Bdf {
    type Err = ParseBdfError;

    fn from_str(text: &str) -> Result<Self, ParseBdfError> {
        let parse = || {
            let (rest, function) = text.rsplit_once('.')?;
            let (rest, device) = rest.rsplit_once(':')?;
            let (segment, bus) = match rest.split_once(':') {
                Some((segment, bus)) => (hex(segment, 4)?, bus),
                None => (0, rest),
            };
            let [bus, device, function] =
                [(bus, 2), (device, 2), (function, 1)].map(|(part, digits)| hex(part, digits));
            let source = SourceId::new(
                u8::try_from(bus?).ok()?,
                u8::try_from(device?).ok()?,
                u8::try_from(function?).ok()?,
            )?;
            Some(Self::new(Segment(segment), source))
        };
        parse().ok_or(ParseBdfError)
    }
}

/// The number that tags a domain's entries in the caches of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(pub u16);

impl fmt::Display for DomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::String;

    #[test]
    fn source_ids_split_as_the_hardware_writes_them() {
        let id = SourceId::from_bits(0x411b);
        assert_eq!((id.bus(), id.device(), id.function(), id.devfn()), (0x41, 3, 3, 0x1b));
        assert_eq!(SourceId::new(0x41, 3, 3), Some(id));
        assert_eq!(SourceId::new(0, 32, 0), None);
        assert_eq!(SourceId::new(0, 0, 8), None);
    }

    #[test]
    fn texts_that_are_no_device_are_refused() {
        for text in [
            "",
            "0",
            "00:03",
            "00:03.8",
            "00:20.0",
            "100:00.0",
            "00:03.0 ",
            "+0:03.0",
            "g0:03.0",
            "00000:00:03.0",
            "0:0:0:0.0",
            ":00:03.0",
        ] {
            assert_eq!(text.parse::<Bdf>(), Err(ParseBdfError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_device_reads_back(segment: u16, bits: u16) {
            let bdf = Bdf::new(Segment(segment), SourceId::from_bits(bits));
            prop_assert_eq!(format!("{bdf}").parse(), Ok(bdf));
            if segment == 0 {
                prop_assert_eq!(format!("{}", bdf.source).parse(), Ok(bdf));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Bdf>();
        }
    }
}
