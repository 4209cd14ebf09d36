//! Where a device's structures lie, virtio "Virtio Structure PCI Capabilities".

use core::fmt;

use pci::{ConfigSpace, Function, Refusal, for_each_vendor_capability};

/// The vendor of every virtio device, virtio "PCI Device Discovery".
const VENDOR: u16 = 0x1af4;
/// Device ids that virtio devices have, the first ones with the legacy interface.
const DEVICES: core::ops::RangeInclusive<u16> = 0x1000..=0x107f;

/// Fields of a capability.
mod field {
    /// Bytes of the capability.
    pub const LENGTH: u16 = 2;
    /// What it tells of.
    pub const KIND: u16 = 3;
    /// The base address register.
    pub const BAR: u16 = 4;
    /// Where in that window.
    pub const OFFSET: u16 = 8;
    /// How long.
    pub const BYTES: u16 = 12;
    /// Notifications only: bytes between those of two queues.
    pub const MULTIPLIER: u16 = 16;
}

/// Bytes of a capability without the multiplier.
const SHORT: u8 = 16;
/// Bytes of a capability with it.
const LONG: u8 = 20;
/// Base address registers of a function.
const BARS: u8 = 6;

/// Tells whether a function is a virtio device, of whatever kind.
pub fn is_virtio(function: &Function) -> bool {
    function.vendor == VENDOR && DEVICES.contains(&function.device)
}

/// A part of a window to the device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The base address register, below 6.
    pub bar: u8,
    /// Bytes from the start of its window.
    pub offset: u32,
    /// Bytes that it spans.
    pub length: u32,
}

impl Region {
    /// Bytes from the window's start to the region's end.
    pub fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// Where a device's structures lie. The windows' sizes are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The common configuration.
    pub common: Region,
    /// Where the device is told that a queue has something new.
    pub notify: Region,
    /// Bytes between the notifications of two queues, times the queue's own factor.
    pub notify_multiplier: u32,
    /// Interrupt status.
    pub interrupt_status: Region,
    /// The configuration of this kind of device.
    pub device: Option<Region>,
}

/// Why a device has no layout that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// It has no common configuration: it speaks the legacy interface only.
    Legacy,
    /// It has no place for notifications, or one whose queues would overlap.
    Notifications,
    /// It has no interrupt status.
    InterruptStatus,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "the device has no common configuration: it speaks the legacy interface only",
            Self::Notifications => "the device has no usable place for notifications",
            Self::InterruptStatus => "the device has no interrupt status",
        })
    }
}

impl core::error::Error for LayoutError {}

impl Layout {
    /// Reads a device's capabilities; of each kind the first one counts that can be used.
    ///
    /// # Errors
    /// If a structure that every device has is not there.
    pub fn find(config: &impl ConfigSpace, function: &Function) -> Result<Self, LayoutError> {
        let [mut common, mut notify, mut interrupt_status, mut device] = [None; 4];
        for_each_vendor_capability(config, function, |at| {
            let Some(found) = Structure::read(config, function, at) else { return };
            let place = match found.kind {
                1 => &mut common,
                2 if found.multiplier.is_some_and(|bytes| bytes.is_multiple_of(2)) => &mut notify,
                3 => &mut interrupt_status,
                4 => &mut device,
                _ => return,
            };
            place.get_or_insert(found);
        });
        let region = |found: Option<Structure>| found.map(|structure| structure.region);
        let notify = notify.ok_or(LayoutError::Notifications);
        Ok(Self {
            common: region(common).ok_or(LayoutError::Legacy)?,
            notify: notify?.region,
            notify_multiplier: notify?.multiplier.unwrap_or(0),
            interrupt_status: region(interrupt_status).ok_or(LayoutError::InterruptStatus)?,
            device: region(device),
        })
    }

    /// Checks that every structure lies within a register window of its function, as far as that window is believed:
    /// without one it cannot be reached at all.
    ///
    /// # Errors
    /// If a structure reaches beyond its window; the function is to be refused for that.
    pub fn check(&self, function: &Function) -> Result<(), Refusal> {
        let reaches_out = |region: &Region| {
            function.windows.of_register(region.bar).is_some_and(|window| region.end() > window.bytes())
        };
        match self.regions().find(reaches_out) {
            Some(Region { bar, offset, length }) => {
                Err(Refusal::Structure { register: bar, offset, bytes: length })
            }
            None => Ok(()),
        }
    }

    /// Every region.
    pub fn regions(&self) -> impl Iterator<Item = Region> {
        [self.common, self.notify, self.interrupt_status].into_iter().chain(self.device)
    }

    /// Bytes of a base address register's window that the device's structures need; 0 if none is there.
    pub fn bytes_of(&self, bar: u8) -> u64 {
        self.regions().filter(|region| region.bar == bar).map(Region::end).max().unwrap_or(0)
    }
}

/// One capability.
#[derive(Clone, Copy)]
struct Structure {
    kind: u8,
    region: Region,
    multiplier: Option<u32>,
}

impl Structure {
    /// Reads a capability; `None` if it is too short or names no window.
    fn read(config: &impl ConfigSpace, function: &Function, at: u16) -> Option<Self> {
        let bdf = function.bdf;
        let length = config.read8(bdf, at + field::LENGTH);
        let bar = config.read8(bdf, at + field::BAR);
        // The last capability must end within the 256 bytes that such capabilities have.
        if length < SHORT || at + u16::from(length) > 0x100 || bar >= BARS {
            return None;
        }
        let multiplier = || config.read32(bdf, at + field::MULTIPLIER);
        Some(Self {
            kind: config.read8(bdf, at + field::KIND),
            region: Region {
                bar,
                offset: config.read32(bdf, at + field::OFFSET),
                length: config.read32(bdf, at + field::BYTES),
            },
            multiplier: (length >= LONG).then(multiplier),
        })
    }
}

#[cfg(test)]
mod tests;
