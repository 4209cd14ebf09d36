//! Configuration space: how it is reached, and the registers that every function has.

use bitflags::bitflags;
use dma_types::Bdf;

/// Configuration space of the whole machine.
///
/// What is not there reads as all ones and swallows writes, as on hardware; so does every offset above 4095,
/// or above 255 where the function is not reached through ECAM. An access of 2 or 4 bytes is aligned to its
/// size.
pub trait ConfigSpace {
    /// Reads one byte; all ones where no function answers.
    fn read8(&self, function: Bdf, offset: u16) -> u8;
    /// Reads two bytes at an even offset; all ones where no function answers.
    fn read16(&self, function: Bdf, offset: u16) -> u16;
    /// Reads four bytes at a multiple of 4; all ones where no function answers.
    fn read32(&self, function: Bdf, offset: u16) -> u32;
    /// Writes two bytes, and leaves the neighbours alone.
    fn write16(&self, function: Bdf, offset: u16, value: u16);
    /// Writes four bytes at a multiple of 4; nothing happens where no function answers.
    fn write32(&self, function: Bdf, offset: u16, value: u32);
}

impl<C: ConfigSpace> ConfigSpace for &C {
    fn read8(&self, function: Bdf, offset: u16) -> u8 {
        (**self).read8(function, offset)
    }

    fn read16(&self, function: Bdf, offset: u16) -> u16 {
        (**self).read16(function, offset)
    }

    fn read32(&self, function: Bdf, offset: u16) -> u32 {
        (**self).read32(function, offset)
    }

    fn write16(&self, function: Bdf, offset: u16, value: u16) {
        (**self).write16(function, offset, value);
    }

    fn write32(&self, function: Bdf, offset: u16, value: u32) {
        (**self).write32(function, offset, value);
    }
}

bitflags! {
    /// Command register, PCI "Device Control".
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Command: u16 {
        /// Answers port accesses.
        const IO_SPACE = 1 << 0;
        /// Answers memory accesses.
        const MEMORY_SPACE = 1 << 1;
        /// May start requests of its own: DMA and message-signalled interrupts.
        const BUS_MASTER = 1 << 2;
        /// Does not assert its interrupt pin.
        const INTX_DISABLE = 1 << 10;
        const _ = !0;
    }
}

/// The vendor id that nobody has: the function is absent.
pub(crate) const ABSENT: u16 = 0xffff;
/// Status bit: the capability pointer is valid.
pub(crate) const STATUS_CAPABILITIES: u16 = 1 << 4;

/// Offsets of the header's registers, PCI "Configuration Space Header" and PCI-to-PCI Bridge.
pub(crate) mod register {
    /// Vendor id, 16 bits, read-only.
    pub(crate) const VENDOR: u16 = 0x00;
    /// Device id, 16 bits, read-only.
    pub(crate) const DEVICE: u16 = 0x02;
    /// Command, 16 bits, read-write.
    pub(crate) const COMMAND: u16 = 0x04;
    /// Status, 16 bits, write-1-to-clear.
    pub(crate) const STATUS: u16 = 0x06;
    /// Revision in the low byte, class code above it, read-only.
    pub(crate) const CLASS_REVISION: u16 = 0x08;
    /// Cache line size, then latency timer, 8 bits each; header layout 0.
    pub(crate) const CACHE_LINE: u16 = 0x0c;
    /// Header type, 8 bits, read-only.
    pub(crate) const HEADER_TYPE: u16 = 0x0e;
    /// First base address register.
    pub(crate) const BAR0: u16 = 0x10;
    /// CardBus bridges: pointer to the first capability, 8 bits.
    pub(crate) const CARDBUS_CAPABILITIES: u16 = 0x14;
    /// Bridges: primary, secondary, subordinate bus, a byte each.
    pub(crate) const BUSES: u16 = 0x18;
    /// Subsystem vendor, then subsystem, 16 bits each; header layout 0.
    pub(crate) const SUBSYSTEM: u16 = 0x2c;
    /// Pointer to the first capability, 8 bits.
    pub(crate) const CAPABILITIES: u16 = 0x34;
    /// Interrupt line, then interrupt pin, which is read-only, 8 bits each; header layout 0.
    pub(crate) const INTERRUPT_LINE: u16 = 0x3c;
}

/// Changes bits of the command register.
///
/// Written with 16 bits, since the upper half of that doubleword is the status register, whose bits clear
/// where a 1 is written.
pub(crate) fn update_command(config: &impl ConfigSpace, function: Bdf, set: Command, clear: Command) {
    let old = Command::from_bits_retain(config.read16(function, register::COMMAND));
    let new = old.difference(clear).union(set);
    if new != old {
        config.write16(function, register::COMMAND, new.bits());
    }
}
