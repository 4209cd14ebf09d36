//! The common configuration, virtio "Common configuration structure layout", and the features of all devices.

/// Which half of the device's features is shown: 0 or 1 (32 bits).
pub const DEVICE_FEATURE_SELECT: usize = 0x00;
/// That half of what the device offers (32 bits).
pub const DEVICE_FEATURE: usize = 0x04;
/// The entry of the message table for changes of the configuration (16 bits).
pub const CONFIG_VECTOR: usize = 0x10;
/// Device status (8 bits).
pub const DEVICE_STATUS: usize = 0x14;
/// Which queue the registers below are about (16 bits).
pub const QUEUE_SELECT: usize = 0x16;
/// The entry of the message table for this queue (16 bits).
pub const QUEUE_VECTOR: usize = 0x1a;
/// Where the device is notified of this queue, in units of the layout's multiplier (16 bits).
pub const QUEUE_NOTIFY_OFFSET: usize = 0x1e;
/// Bytes of the structure.
pub const BYTES: usize = 0x38;

/// No entry of the message table; also what a device answers that refuses the one it was given.
pub const NO_VECTOR: u16 = 0xffff;

/// Feature: the device follows version 1 or later of the specification.
pub const VERSION_1: u64 = 1 << 32;
/// Feature: the device's requests pass through the IOMMU like any other's.
pub const ACCESS_PLATFORM: u64 = 1 << 33;

/// What every device that is driven here must offer and gets accepted.
pub const REQUIRED: u64 = VERSION_1 | ACCESS_PLATFORM;
