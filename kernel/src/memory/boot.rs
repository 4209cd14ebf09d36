//! What the boot loader hands over.
#![expect(unsafe_code, reason = "UNSAFETY: reads the file that the loader left in memory")]

use alloc::vec::Vec;
use core::fmt;

use bootloader_api::BootInfo;
use bootloader_api::info::{FrameBuffer, MemoryRegionKind};
use dma_types::PhysAddr;

/// Bytes kept of the options file: one more than it may have, so that a longer one shows.
pub const OPTIONS_FILE_BYTES: usize = 4097;

/// Which firmware started the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A PC BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        })
    }
}

/// What the kernel keeps of the loader's information. Memory is in [`crate::memory::map`].
#[derive(Debug)]
pub struct BootFacts {
    /// Which firmware it was.
    pub firmware: Firmware,
    /// Where the ACPI tables start.
    pub rsdp: Option<PhysAddr>,
    /// The screen; the buffer stays mapped where it is.
    pub framebuffer: Option<FrameBuffer>,
    /// The start of the file `ramdisk`, at most [`OPTIONS_FILE_BYTES`].
    pub options_file: Vec<u8>,
}

impl BootFacts {
    /// Copies what is needed; the loader's own memory can be freed then.
    pub(crate) fn take(boot_info: &mut BootInfo) -> Self {
        let is_uefi = |kind: MemoryRegionKind| matches!(kind, MemoryRegionKind::UnknownUefi(_));
        let from_uefi = boot_info.memory_regions.iter().any(|region| is_uefi(region.kind));
        Self {
            firmware: if from_uefi { Firmware::Uefi } else { Firmware::Bios },
            rsdp: boot_info.rsdp_addr.into_option().map(PhysAddr::new),
            framebuffer: boot_info.framebuffer.take(),
            options_file: options_file(boot_info),
        }
    }
}

fn options_file(boot_info: &BootInfo) -> Vec<u8> {
    let Some(start) = boot_info.ramdisk_addr.into_option() else { return Vec::new() };
    let length = usize::try_from(boot_info.ramdisk_len).unwrap_or(0).min(OPTIONS_FILE_BYTES);
    // SAFETY: the loader has mapped the file there, as long as its tables are in use, and nothing writes to it.
    let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, length) };
    bytes.to_vec()
}
