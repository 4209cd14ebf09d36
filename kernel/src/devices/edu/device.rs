//! QEMU's `edu` device: a DMA engine that copies between its own buffer and wherever it is told.
//!
//! It is what the kernel's isolation is shown with: it takes any address and has no checks of its own.
//! A transfer takes 100 ms of virtual time, and one that is blocked still looks finished to the device.
//!
//! Document: QEMU `docs/specs/edu.rst`.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use dma_types::{Access, Iova};
use mmio_regs::TypedAccess;

use crate::devices::Requests;
use crate::memory::mmio::Mmio;
use ::attack::StartRefused;

/// Vendor and device id.
pub const ID: (u16, u16) = (0x1234, 0x11e8);

/// Bytes that one transfer may move; older QEMU refuses to move the whole buffer.
pub const LIMIT: u32 = 4095;

/// Bytes of the register window in use.
pub const WINDOW: usize = 0x100;

mod register {
    use mmio_regs::{ReadOnly, ReadWrite, Register};

    pub const IDENTIFICATION: Register<u32, ReadOnly> = Register::new("identification", 0x00);
    pub const RAISE: Register<u32, ReadWrite> = Register::new("interrupt raise", 0x60);
    pub const ACKNOWLEDGE: Register<u32, ReadWrite> = Register::new("interrupt acknowledge", 0x64);
    pub const SOURCE: Register<u64, ReadWrite> = Register::new("source", 0x80);
    pub const DESTINATION: Register<u64, ReadWrite> = Register::new("destination", 0x88);
    pub const COUNT: Register<u64, ReadWrite> = Register::new("count", 0x90);
    pub const COMMAND: Register<u64, ReadWrite> = Register::new("command", 0x98);
}

/// Command: start, and busy until done.
const RUN: u64 = 1;
/// Command: from the device's buffer into memory; otherwise the other way.
const TO_MEMORY: u64 = 2;
/// A cause of its interrupt; which one means nothing to it.
const INTERRUPT: u32 = 1;
/// Where the device's own buffer lies in its address space.
const BUFFER: u64 = 0x4_0000;

/// The device, claimed and mapped.
pub struct Edu {
    registers: Mmio,
    /// Whether the transfer started last is one request for each of two pages.
    crosses_pages: AtomicBool,
}

/// Why a transfer cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EduError {
    /// The window does not answer as this device does.
    Identification(u32),
    /// A transfer runs.
    Busy,
    /// More bytes than one transfer may move.
    Length(u32),
    /// Not a read or a write.
    Access(Access),
}

impl fmt::Display for EduError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identification(found) => {
                write!(f, "the edu device answers with identification {found:#x}, expected 0x??????ed")
            }
            Self::Busy => f.write_str("the edu device still moves the previous transfer"),
            Self::Length(bytes) => write!(f, "the edu device moves 1 to {LIMIT} bytes, not {bytes}"),
            Self::Access(access) => {
                write!(f, "the edu device reads and writes, it makes no {access} request")
            }
        }
    }
}

impl core::error::Error for EduError {}

impl From<EduError> for StartRefused {
    fn from(error: EduError) -> Self {
        match error {
            EduError::Busy => Self::Busy,
            EduError::Access(access) => Self::Access(access),
            EduError::Identification(_) | EduError::Length(_) => Self::Dead,
        }
    }
}

impl Edu {
    /// Takes the register window of a function with [`ID`].
    ///
    /// # Errors
    /// If the window does not answer as this device does.
    pub fn new(registers: Mmio) -> Result<Self, EduError> {
        let identification = registers.get(register::IDENTIFICATION);
        if identification & 0xff != 0xed {
            return Err(EduError::Identification(identification));
        }
        Ok(Self { registers, crosses_pages: AtomicBool::new(false) })
    }

    /// Starts moving `bytes` between the device's buffer and `iova`: a read fetches them into the buffer, a
    /// write stores what the buffer holds.
    ///
    /// # Errors
    /// If a transfer runs or the request is not one the device can make.
    pub fn start(&self, access: Access, iova: Iova, bytes: u32) -> Result<(), EduError> {
        if self.is_busy() {
            return Err(EduError::Busy);
        }
        if bytes == 0 || bytes > LIMIT {
            return Err(EduError::Length(bytes));
        }
        let (source, destination, command) = match access {
            Access::Read => (iova.as_u64(), BUFFER, RUN),
            Access::Write => (BUFFER, iova.as_u64(), RUN | TO_MEMORY),
            other => return Err(EduError::Access(other)),
        };
        let last = iova.checked_add(u64::from(bytes) - 1);
        self.crosses_pages.store(last.is_none_or(|last| last.page() != iova.page()), Ordering::Relaxed);
        self.registers.set(register::SOURCE, source);
        self.registers.set(register::DESTINATION, destination);
        self.registers.set(register::COUNT, u64::from(bytes));
        self.registers.set(register::COMMAND, command);
        Ok(())
    }

    /// How many requests the transfer started last makes.
    pub fn requests(&self) -> Requests {
        if self.crosses_pages.load(Ordering::Relaxed) { Requests::Many } else { Requests::One }
    }

    /// Raises its interrupt, and ends it: one message.
    pub fn interrupt(&self) {
        self.registers.set(register::RAISE, INTERRUPT);
        self.registers.set(register::ACKNOWLEDGE, INTERRUPT);
    }

    /// Tells whether a transfer runs.
    pub fn is_busy(&self) -> bool {
        self.registers.get(register::COMMAND) & RUN != 0
    }
}
