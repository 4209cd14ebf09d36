//! What an attack aims at.

use core::fmt;
use core::str::FromStr;

use dma_types::Iova;

/// What a device is told to reach although it is not the device's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// A page filled with a known pattern.
    #[default]
    Canary,
    /// The kernel's own pages.
    Kernel,
    /// The remapping tables.
    Tables,
    /// A buffer that was unmapped a moment ago.
    Freed,
    /// The rest of a page of which a part is mapped.
    Neighbour,
    /// A buffer of another device.
    Foreign,
    /// A live buffer, against its direction.
    WrongDirection,
    /// The page behind a live buffer.
    PastEnd,
    /// Another device's interrupt: no memory, but a message that is not its own.
    Interrupt,
    /// An address as the device would send it.
    Address(Iova),
}

impl Target {
    /// What is read.
    pub const EXPECTED: &'static str = "canary|kernel|tables|freed|neighbour|foreign|wrong-direction|past-end|interrupt or an address such as 0x1000";

    /// The targets that have a name.
    pub const NAMED: [Self; 9] = [
        Self::Canary,
        Self::Kernel,
        Self::Tables,
        Self::Freed,
        Self::Neighbour,
        Self::Foreign,
        Self::WrongDirection,
        Self::PastEnd,
        Self::Interrupt,
    ];

    /// The name; `None` for an address.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Canary => Some("canary"),
            Self::Kernel => Some("kernel"),
            Self::Tables => Some("tables"),
            Self::Freed => Some("freed"),
            Self::Neighbour => Some("neighbour"),
            Self::Foreign => Some("foreign"),
            Self::WrongDirection => Some("wrong-direction"),
            Self::PastEnd => Some("past-end"),
            Self::Interrupt => Some("interrupt"),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (None, Self::Address(iova)) => write!(f, "{iova}"),
            (name, _) => f.write_str(name.unwrap_or_default()),
        }
    }
}

/// A text that is neither a target's name nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTargetError;

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Target::EXPECTED)
    }
}

impl core::error::Error for ParseTargetError {}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        if let Some(digits) = text.strip_prefix("0x") {
            // The number parser would also take a leading plus sign.
            let valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let address = if valid { u64::from_str_radix(digits, 16).ok() } else { None };
            return address.map(|address| Self::Address(Iova::new(address))).ok_or(ParseTargetError);
        }
        Self::NAMED.into_iter().find(|target| target.name() == Some(text)).ok_or(ParseTargetError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::{String, ToString};

    #[test]
    fn every_target_reads_back() {
        for target in Target::NAMED {
            assert_eq!(target.to_string().parse(), Ok(target));
            assert!(Target::EXPECTED.contains(&target.to_string()));
        }
    }

    #[test]
    fn addresses_are_hex_with_their_prefix() {
        assert_eq!("0xFEE00000".parse(), Ok(Target::Address(Iova::new(0xfee0_0000))));
        for text in ["", "0x", "0x+1", "1000", "0xg", "0x10000000000000000", "Canary", "x1"] {
            assert_eq!(text.parse::<Target>(), Err(ParseTargetError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_address_reads_back(address: u64) {
            let target = Target::Address(Iova::new(address));
            prop_assert_eq!(format!("{target}").parse(), Ok(target));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Target>();
        }
    }
}
