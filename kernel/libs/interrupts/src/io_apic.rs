//! The pins of an I/O APIC, as firmware left them, and how all of them fall silent (82093AA "Register Description").
//!
//! Registers lie behind an index: whoever selects one must not be interrupted by another who does.

use alloc::vec::Vec;
use core::fmt;

use mmio_regs::{ReadWrite, Register, Registers, TypedAccess};

/// Which register the window shows.
const SELECT: Register<u32, ReadWrite> = Register::new("IOREGSEL", 0x00);
/// The register that is selected.
const WINDOW: Register<u32, ReadWrite> = Register::new("IOWIN", 0x10);

/// Bytes of the registers that are used here.
pub const REGISTER_BYTES: usize = 0x20;
/// Index of the version register.
const VERSION: u32 = 0x01;
/// Index of the lower half of the first pin's entry; the upper half follows.
const FIRST_ENTRY: u32 = 0x10;
/// Pins that an index of 8 bits can reach.
pub const MOST_PINS: u8 = 120;

/// The lower half of a pin's entry ("I/O Redirection Table Registers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirection(pub u32);

impl Redirection {
    const MASKED: u32 = 1 << 16;
    const LEVEL: u32 = 1 << 15;
    const DELIVERY: u32 = 7 << 8;
    const SYSTEM_MANAGEMENT: u32 = 2 << 8;

    /// The vector that it raises.
    pub const fn vector(self) -> u8 {
        self.0 as u8
    }

    /// Nothing comes of the pin.
    pub const fn is_masked(self) -> bool {
        self.0 & Self::MASKED != 0
    }

    /// The pin raises its interrupt again for as long as somebody asks.
    pub const fn is_level(self) -> bool {
        self.0 & Self::LEVEL != 0
    }

    /// It calls the firmware's system management, and no vector.
    pub const fn is_system_management(self) -> bool {
        self.0 & Self::DELIVERY == Self::SYSTEM_MANAGEMENT
    }

    const fn masked(self) -> Self {
        Self(self.0 | Self::MASKED)
    }
}

/// A pin that was not masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmedPin {
    /// Its number, from 0.
    pub pin: u8,
    /// What it would have raised.
    pub entry: Redirection,
    /// Whether it took the mask.
    pub outcome: Outcome,
}

/// What became of a pin that was to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is masked.
    Masked,
    /// It is left as it was: system management is the firmware's, and reaches no vector.
    Left,
    /// It did not take the mask.
    Stuck,
}

impl fmt::Display for ArmedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trigger = if self.entry.is_level() { "level" } else { "edge" };
        write!(f, "pin {} ({trigger}-triggered, ", self.pin)?;
        match self.entry.is_system_management() {
            true => f.write_str("system management)")?,
            false => write!(f, "vector {:#04x})", self.entry.vector())?,
        }
        f.write_str(match self.outcome {
            Outcome::Masked => " is masked",
            Outcome::Left => " is left to the firmware",
            Outcome::Stuck => " does not take the mask",
        })
    }
}

/// Why an I/O APIC is not believed to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIoApic {
    /// Nothing answers where it should be.
    Silent {
        /// What its version register reads as.
        version: u32,
    },
    /// It claims more pins than can be reached; those that can were masked.
    TooManyPins {
        /// How many it claims.
        claimed: u16,
    },
}

impl fmt::Display for NoIoApic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { version } => write!(f, "nothing answers there (version {version:#x})"),
            Self::TooManyPins { claimed } => {
                write!(f, "it claims {claimed} pins, of which {MOST_PINS} can be reached")
            }
        }
    }
}

impl core::error::Error for NoIoApic {}

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silenced {
    /// How many pins there are.
    pub pins: u8,
    /// Those that were not masked.
    pub armed: Vec<ArmedPin>,
}

/// Masks every pin, and tells which ones were not.
///
/// # Errors
/// If there is no I/O APIC, or it claims what cannot be.
pub fn silence(registers: &impl Registers) -> Result<Silenced, NoIoApic> {
    let claimed = pins(registers)?;
    let pins = u8::try_from(claimed).unwrap_or(u8::MAX).min(MOST_PINS);
    let armed = (0..pins).filter_map(|pin| mask(registers, pin)).collect();
    if claimed > u16::from(MOST_PINS) {
        return Err(NoIoApic::TooManyPins { claimed });
    }
    Ok(Silenced { pins, armed })
}

/// The pins that are not masked now, of the first `pins`.
pub fn unmasked(registers: &impl Registers, pins: u8) -> impl Iterator<Item = u8> {
    (0..pins.min(MOST_PINS)).filter(|pin| !entry(registers, *pin).is_masked())
}

/// How many pins it says it has: 1 to 256.
fn pins(registers: &impl Registers) -> Result<u16, NoIoApic> {
    let version = read(registers, VERSION);
    if version == 0 || version == u32::MAX {
        return Err(NoIoApic::Silent { version });
    }
    Ok(u16::from((version >> 16) as u8).saturating_add(1))
}

/// Masks a pin; `None` if it was masked.
fn mask(registers: &impl Registers, pin: u8) -> Option<ArmedPin> {
    let found = entry(registers, pin);
    if found.is_masked() {
        return None;
    }
    if found.is_system_management() {
        return Some(ArmedPin { pin, entry: found, outcome: Outcome::Left });
    }
    registers.set(SELECT, index(pin));
    registers.set(WINDOW, found.masked().0);
    let outcome = if entry(registers, pin).is_masked() { Outcome::Masked } else { Outcome::Stuck };
    Some(ArmedPin { pin, entry: found, outcome })
}

fn entry(registers: &impl Registers, pin: u8) -> Redirection {
    Redirection(read(registers, index(pin)))
}

const fn index(pin: u8) -> u32 {
    FIRST_ENTRY.saturating_add((pin as u32).saturating_mul(2))
}

fn read(registers: &impl Registers, index: u32) -> u32 {
    registers.set(SELECT, index);
    registers.get(WINDOW)
}

#[cfg(test)]
mod tests;
