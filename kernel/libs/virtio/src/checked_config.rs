//! A configuration space made of checked numbers alone, for code that believes what it reads there.

use core::fmt;

use arrayvec::ArrayVec;

use crate::layout::{Layout, Region};

/// Registers of the header, PCI "Type 00h Configuration Space Header".
mod register {
    pub const ID: u8 = 0x00;
    pub const COMMAND_STATUS: u8 = 0x04;
    pub const BAR0: u8 = 0x10;
    pub const BAR_END: u8 = 0x28;
    pub const CAPABILITIES: u8 = 0x34;
}

/// Command: memory accesses are answered. Status: there is a list of capabilities.
const COMMAND_STATUS: u32 = 1 << 1 | 1 << 20;
/// A base address register of memory anywhere in 64 bits.
const MEMORY_64: u32 = 0b100;
/// Where the capabilities stand here, and bytes from one to the next.
const FIRST_CAPABILITY: u8 = 0x40;
const CAPABILITY_BYTES: u8 = 20;
/// A capability that the vendor defines.
const VENDOR_SPECIFIC: u32 = 0x09;

/// Windows that fit into the registers, two of which make a 64-bit address.
const WINDOWS: usize = 3;

/// A window to a device's memory that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The base address register behind it.
    pub bar: u8,
    /// Where it is seen.
    pub address: u64,
    /// Bytes that are mapped.
    pub bytes: u64,
}

/// A function's configuration space as it would be if the device were honest: ids, the windows as they are
/// mapped, and a capability for each structure, all of which lie within them.
///
/// Nothing that the device says later can reach whoever reads this, and nothing written here reaches the
/// device.
#[derive(Clone, Debug)]
pub struct CheckedConfig {
    id: u32,
    windows: ArrayVec<Window, WINDOWS>,
    structures: ArrayVec<(u8, Region), 4>,
    notify_multiplier: u32,
    /// The registers that were written with all ones and so tell a size, a bit each.
    sizing: u8,
}

/// Why a device's layout cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// A structure does not lie within its window.
    Outside(Region),
    /// The structures are spread over more windows than there is room for.
    Windows,
    /// A window is not aligned as base address registers are.
    Alignment(Window),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(region) => write!(
                f,
                "a structure of {:#x} bytes at {:#x} does not lie in the window of register {}",
                region.length, region.offset, region.bar
            ),
            Self::Windows => f.write_str("the structures lie in more than three windows"),
            Self::Alignment(window) => {
                write!(
                    f,
                    "the window of register {} is mapped at {:#x}, unaligned",
                    window.bar, window.address
                )
            }
        }
    }
}

impl core::error::Error for CheckError {}

impl CheckedConfig {
    /// Checks a layout against the windows that are mapped. `id` is vendor and device.
    ///
    /// # Errors
    /// If a structure lies in no window, or the windows cannot be told.
    pub fn new(id: (u16, u16), layout: &Layout, windows: &[Window]) -> Result<Self, CheckError> {
        let windows = ArrayVec::try_from(windows).map_err(|_| CheckError::Windows)?;
        if let Some(window) = windows.iter().find(|window| !window.address.is_multiple_of(16)) {
            return Err(CheckError::Alignment(*window));
        }
        let all = [
            (1, Some(layout.common)),
            (2, Some(layout.notify)),
            (3, Some(layout.interrupt_status)),
            (4, layout.device),
        ];
        let structures = all.into_iter().filter_map(|(kind, region)| Some((kind, region?))).collect();
        let checked = Self {
            id: u32::from(id.1) << 16 | u32::from(id.0),
            windows,
            structures,
            notify_multiplier: layout.notify_multiplier,
            sizing: 0,
        };
        match checked.structures.iter().find(|(_, region)| checked.place_of(*region).is_none()) {
            Some((_, region)) => Err(CheckError::Outside(*region)),
            None => Ok(checked),
        }
    }

    /// The doubleword at an offset.
    pub fn read_word(&self, offset: u8) -> u32 {
        match offset {
            register::ID => self.id,
            register::COMMAND_STATUS => COMMAND_STATUS,
            register::BAR0..register::BAR_END => self.bar((offset - register::BAR0) / 4),
            register::CAPABILITIES => u32::from(FIRST_CAPABILITY),
            FIRST_CAPABILITY.. => self.capability(offset - FIRST_CAPABILITY),
            _ => 0,
        }
    }

    /// Notes that a base address register is being sized; every other write has no effect.
    pub fn write_word(&mut self, offset: u8, value: u32) {
        if (register::BAR0..register::BAR_END).contains(&offset) {
            let bit = 1 << ((offset - register::BAR0) / 4);
            self.sizing = if value == u32::MAX { self.sizing | bit } else { self.sizing & !bit };
        }
    }

    /// The number here of the window that a region lies in.
    fn place_of(&self, region: Region) -> Option<usize> {
        self.windows.iter().position(|window| window.bar == region.bar && region.end() <= window.bytes)
    }

    /// A base address register: the window's address, or the bits of it that could be set.
    fn bar(&self, index: u8) -> u32 {
        let Some(window) = self.windows.get(usize::from(index / 2)) else { return 0 };
        let settable = !window.bytes.next_power_of_two().max(16).wrapping_sub(1);
        let value = if self.sizing >> index & 1 == 1 { settable } else { window.address };
        let is_low = index.is_multiple_of(2);
        if is_low { value as u32 & !0xf | MEMORY_64 } else { (value >> 32) as u32 }
    }

    /// A doubleword of the list of capabilities.
    fn capability(&self, offset: u8) -> u32 {
        let index = usize::from(offset / CAPABILITY_BYTES);
        let Some(&(kind, region)) = self.structures.get(index) else { return 0 };
        match offset % CAPABILITY_BYTES {
            0 => {
                let is_last = index + 1 == self.structures.len();
                let next = FIRST_CAPABILITY + (index as u8 + 1) * CAPABILITY_BYTES;
                let next = if is_last { 0 } else { u32::from(next) };
                VENDOR_SPECIFIC | next << 8 | u32::from(CAPABILITY_BYTES) << 16 | u32::from(kind) << 24
            }
            4 => self.place_of(region).map_or(0, |place| 2 * place as u32),
            8 => region.offset,
            12 => region.length,
            16 => self.notify_multiplier,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
