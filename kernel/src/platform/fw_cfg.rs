//! QEMU's firmware configuration device: files that the host hands to the guest.
//!
//! Documents: QEMU "Firmware Configuration (fw_cfg) Device".
#![expect(unsafe_code, reason = "UNSAFETY: reads and writes the two I/O ports of fw_cfg")]

use x86_64::instructions::port::{PortReadOnly, PortWriteOnly};

/// The kernel's options.
pub const CMDLINE: &str = "opt/ivt/cmdline";
/// A DMA remapping table to be used instead of the firmware's.
pub const DMAR: &str = "opt/ivt/dmar";

const SELECTOR_PORT: u16 = 0x510;
const DATA_PORT: u16 = 0x511;

/// The item that says whose device this is.
const SIGNATURE_ITEM: u16 = 0x0000;
const SIGNATURE: [u8; 4] = *b"QEMU";
/// The item that lists the files.
const DIRECTORY_ITEM: u16 = 0x0019;

/// The most files that are looked at.
const MAX_FILES: u32 = 512;
const NAME_BYTES: usize = 56;

/// The device. Holding one proves that it answered with QEMU's signature.
#[derive(Debug)]
pub struct FwCfg {
    selector: PortWriteOnly<u16>,
    data: PortReadOnly<u8>,
}

/// A file as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct File<'b> {
    /// Its first bytes: all, if the buffer held as many.
    pub bytes: &'b [u8],
    /// Its whole length in bytes.
    pub length: usize,
}

impl FwCfg {
    /// Looks for the device; `None` on anything but QEMU.
    pub fn detect() -> Option<Self> {
        let mut device =
            Self { selector: PortWriteOnly::new(SELECTOR_PORT), data: PortReadOnly::new(DATA_PORT) };
        device.select(SIGNATURE_ITEM);
        (device.read_array() == SIGNATURE).then_some(device)
    }

    /// Reads a file into a buffer; `None` if there is none of this name.
    pub fn read<'b>(&mut self, name: &str, buffer: &'b mut [u8]) -> Option<File<'b>> {
        let (item, length) = self.find(name)?;
        self.select(item);
        let bytes = buffer.get_mut(..length.min(buffer.len()))?;
        bytes.fill_with(|| self.read_byte());
        Some(File { bytes, length })
    }

    /// Looks a file up: its item and its length.
    fn find(&mut self, name: &str) -> Option<(u16, usize)> {
        self.select(DIRECTORY_ITEM);
        let files = u32::from_be_bytes(self.read_array()).min(MAX_FILES);
        for _ in 0..files {
            let length = u32::from_be_bytes(self.read_array());
            let item = u16::from_be_bytes(self.read_array());
            let _reserved: [u8; 2] = self.read_array();
            let file_name: [u8; NAME_BYTES] = self.read_array();
            if file_name.split(|&byte| byte == 0).next() == Some(name.as_bytes()) {
                return Some((item, usize::try_from(length).ok()?));
            }
        }
        None
    }

    /// Chooses an item and starts at its first byte.
    fn select(&mut self, item: u16) {
        // SAFETY: the selector only moves the device's own read position; on a machine without the device
        // nothing listens at this port.
        unsafe { self.selector.write(item) };
    }

    fn read_byte(&mut self) -> u8 {
        // SAFETY: reading advances the device's own read position and has no other effect; past the end of
        // an item it gives zeros.
        unsafe { self.data.read() }
    }

    fn read_array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.read_byte())
    }
}
