//! Whether a function is still the one that enumeration found.
//!
//! What was put in another's place answers at the same address, carries the same id, and is told apart by nothing but
//! what it says of itself. So whoever trusts a function with anything asks again first.

use core::fmt;

use dma_types::Bdf;

use crate::config::{ABSENT, ConfigSpace, register};
use crate::function::Function;

/// What a function says of itself, as its registers hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor and device id.
    ids: u32,
    /// Revision and class.
    class_revision: u32,
    header: u8,
    /// Subsystem vendor and subsystem; header layout 0 only.
    subsystem: Option<(u16, u16)>,
}

/// What answers where a function was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The function that was there before.
    Same,
    /// Nobody answers at that place now.
    Absent,
    /// A function with another identity answers.
    Other(Identity),
}

impl Identity {
    /// Asks what is at a place; `None` if nothing is.
    pub fn ask(config: &impl ConfigSpace, place: Bdf) -> Option<Self> {
        let header = crate::function::header_type(config, place)?;
        let ids = config.read32(place, register::VENDOR);
        Some(Self {
            ids,
            class_revision: config.read32(place, register::CLASS_REVISION),
            header: header.0,
            subsystem: crate::function::read_subsystem(config, place, header),
        })
        .filter(|identity| identity.vendor() != ABSENT)
    }

    /// The maker's id, from the lower half of the first register.
    pub const fn vendor(&self) -> u16 {
        self.ids as u16
    }

    /// The device id, from the upper half of the first register.
    pub const fn device(&self) -> u16 {
        (self.ids >> 16) as u16
    }
}

impl From<&Function> for Identity {
    fn from(function: &Function) -> Self {
        let [base, sub, interface] = [function.class.base, function.class.sub, function.class.interface];
        Self {
            ids: u32::from(function.device) << 16 | u32::from(function.vendor),
            class_revision: u32::from_le_bytes([function.revision, interface, sub, base]),
            header: function.header.0,
            subsystem: function.subsystem,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor(), self.device())
    }
}

/// Asks whether the function that enumeration found still answers. Takes no lock and allocates nothing.
pub fn ask_again(config: &impl ConfigSpace, function: &Function) -> Answer {
    match Identity::ask(config, function.bdf) {
        None => Answer::Absent,
        Some(now) if now == Identity::from(function) => Answer::Same,
        Some(now) => Answer::Other(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSpace, bdf};

    #[test]
    fn every_part_of_what_it_says_of_itself_counts() {
        let at = bdf("00:05.0");
        let space = || {
            FakeSpace::new()
                .endpoint("00:05.0", 0x1b36, 0x10)
                .with("00:05.0", |f| f.set32(8, 0x0108_0202).set16(0x2c, 0x1af4).set16(0x2e, 0x1100))
        };
        let found = space();
        let topology = found.enumerate();
        let function = topology.get(at).unwrap();
        assert_eq!(ask_again(&found, function), Answer::Same);
        for (offset, byte) in [
            (0, 0x35),
            (2, 0x11),
            (8, 0x03),
            (9, 0x01),
            (0x0b, 0x02),
            (0x0e, 0x80),
            (0x2c, 0xf5),
            (0x2e, 0x01),
        ] {
            let swapped = space().with("00:05.0", |f| f.set8(offset, byte));
            let Answer::Other(other) = ask_again(&swapped, function) else { panic!("not noticed") };
            assert_eq!(Some(other), Identity::ask(&swapped, at));
        }
        assert_eq!(ask_again(&FakeSpace::new(), function), Answer::Absent);
    }
}
