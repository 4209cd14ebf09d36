//! Device registers: uncached, never executable, never over memory.
//!
//! The platform's registers are mapped by address, since the kernel takes it from tables and processor registers. A
//! device's are mapped by a [`pci::Window`] alone, which only the check of all devices' windows makes; and whatever that
//! found, none of the platform's is mapped in that way.
#![expect(unsafe_code, reason = "UNSAFETY: accesses device registers by address")]

use core::fmt;
use core::ptr::NonNull;

use dma_types::PhysAddr;
use mmio_regs::Registers;
use pci::{Claims, Owner, Window};
use spin::Once;
use volatile::VolatilePtr;

use super::image::Use;
use super::map;
use super::paging::MemoryType;
use super::window::{self, WindowFull};
use crate::arch::cpu;

/// A window to device registers, mapped for as long as the kernel runs.
///
/// Accesses of a width are single instructions of that width. One outside of the window does not happen: a
/// read gives all ones, as from a device that is not there.
#[derive(Clone, Debug)]
pub struct Mmio {
    /// A multiple of [`WIDEST`].
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: the window is mapped on every processor, and an access is one instruction that the device orders.
unsafe impl Send for Mmio {}
// SAFETY: as above; there is no state on this side.
unsafe impl Sync for Mmio {}

/// Bytes of the widest register. A window starts at a multiple of them, so that an offset alone tells whether a register
/// is aligned.
const WIDEST: u64 = 8;

/// What no device's registers may be.
static NO_DEVICES: Once<Claims> = Once::new();

/// Notes what no device's registers may be. To be called once, before the first [`Mmio::of_device`].
pub fn keep_from_devices(claims: Claims) -> &'static Claims {
    NO_DEVICES.call_once(|| claims)
}

macro_rules! accessors {
    ($width:literal, $type:ty, $read:ident, $write:ident) => {
        #[doc = concat!("Reads a ", $width, "-bit register; all ones outside of the window or where misaligned.")]
        pub fn $read(&self, offset: usize) -> $type {
            self.register::<$type>(offset).map_or(<$type>::MAX, VolatilePtr::read)
        }

        #[doc = concat!("Writes a ", $width, "-bit register; does nothing outside of the window or where misaligned.")]
        pub fn $write(&self, offset: usize, value: $type) {
            if let Some(register) = self.register::<$type>(offset) {
                register.write(value);
            }
        }
    };
}

impl Mmio {
    /// Maps the first `length` bytes of a device's registers, or all if there are fewer; what is mapped already is
    /// shared.
    ///
    /// # Errors
    /// If there are registers of the platform, or it is not known yet where those are; otherwise as
    /// [`of_platform`](Self::of_platform).
    pub fn of_device(window: Window, length: usize) -> Result<Self, MmioError> {
        let claims = NO_DEVICES.get().ok_or(MmioError::TooEarly)?;
        if let Some(claim) = claims.met_by(window.range()) {
            return Err(MmioError::Platform { start: window.start(), owner: claim.owner });
        }
        let all = usize::try_from(window.bytes()).unwrap_or(usize::MAX);
        Self::of_platform(window.start(), length.min(all))
    }

    /// Maps `length` bytes of registers that belong to the platform: units, configuration space, interrupt
    /// controllers, and what else firmware's tables name. What is mapped already is shared.
    ///
    /// # Errors
    /// If the range is empty or misaligned, lies beyond what the processor can address, touches memory, or there is no
    /// room.
    pub fn of_platform(start: PhysAddr, length: usize) -> Result<Self, MmioError> {
        let end = start.checked_add(length as u64).ok_or(MmioError::Beyond { start, length })?;
        if length == 0 {
            return Err(MmioError::Empty { start });
        }
        if !start.is_aligned(WIDEST) {
            return Err(MmioError::Misaligned { start });
        }
        if end.as_u64() > 1 << cpu::physical_address_bits() {
            return Err(MmioError::Beyond { start, length });
        }
        if map::touches_ram(start, length as u64) {
            return Err(MmioError::Memory { start, length });
        }
        let at = window::show(start, length as u64, Use::Write, MemoryType::Uncached)?;
        let base = NonNull::new(at).ok_or(MmioError::Full)?;
        Ok(Self { base, length })
    }

    /// Bytes of the window.
    #[expect(clippy::len_without_is_empty, reason = "a window is never empty")]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Where the window is seen, for crates with accessors of their own.
    pub const fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    accessors!("8", u8, read8, write8);
    accessors!("16", u16, read16, write16);
    accessors!("32", u32, read32, write32);
    accessors!("64", u64, read64, write64);

    /// A register of the type's width, if it lies within the window and is aligned.
    fn register<T>(&self, offset: usize) -> Option<VolatilePtr<'_, T>> {
        const { assert!(align_of::<T>() as u64 <= WIDEST) };
        if offset.checked_add(size_of::<T>())? > self.length || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: within the window.
        let register = unsafe { self.base.add(offset) }.cast::<T>();
        // SAFETY: aligned, as the window's start is and the offset, and within the window, which stays mapped; others access
        // it only by single instructions, as this one does.
        Some(unsafe { VolatilePtr::new(register) })
    }
}

impl Registers for Mmio {
    fn len(&self) -> usize {
        self.len()
    }

    fn read32(&self, offset: usize) -> u32 {
        self.read32(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write32(offset, value);
    }

    fn read64(&self, offset: usize) -> u64 {
        self.read64(offset)
    }

    fn write64(&self, offset: usize, value: u64) {
        self.write64(offset, value);
    }
}

/// Why registers could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmioError {
    /// There is nothing to map.
    Empty {
        /// Where it would be.
        start: PhysAddr,
    },
    /// The range starts within a register.
    Misaligned {
        /// Where it starts.
        start: PhysAddr,
    },
    /// The range lies beyond what the processor can address.
    Beyond {
        /// Where it starts.
        start: PhysAddr,
        /// Its bytes.
        length: usize,
    },
    /// The range touches memory, which is no device's.
    Memory {
        /// Where it starts.
        start: PhysAddr,
        /// Its bytes.
        length: usize,
    },
    /// The range is a device's by its own word, but the platform's.
    Platform {
        /// Where it starts.
        start: PhysAddr,
        /// Whose it is.
        owner: Owner,
    },
    /// It is not known yet what is the platform's.
    TooEarly,
    /// No room is left, in the window or for tables.
    Full,
}

impl From<WindowFull> for MmioError {
    fn from(_: WindowFull) -> Self {
        Self::Full
    }
}

impl fmt::Display for MmioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { start } => write!(f, "no registers to map at {start}"),
            Self::Misaligned { start } => {
                write!(f, "registers at {start} do not start at a multiple of {WIDEST}")
            }
            Self::Beyond { start, length } => {
                write!(f, "{length} bytes at {start} lie beyond what the processor can address")
            }
            Self::Memory { start, length } => {
                write!(f, "{length} bytes at {start} touch memory, which is no device's")
            }
            Self::Platform { start, owner } => write!(f, "registers at {start} are no device's, but {owner}"),
            Self::TooEarly => f.write_str("no device's registers are mapped before the platform's are known"),
            Self::Full => f.write_str("no room left to map device registers"),
        }
    }
}

impl core::error::Error for MmioError {}
