//! The units that stand between devices and memory, and what the rest of the kernel may ask of them.
//!
//! Order: [`regions::set_aside`] as soon as the table is read, [`find()`] for what they say of
//! themselves, then with bus mastering off everywhere [`take()`]; from there every device is blocked until
//! [`AddressSpace::attach`], and [`enforcement`] sees to it that the units go on enforcing.

pub mod enforcement;
mod error;
mod find;
pub mod hidden;
pub mod interrupts;
pub mod regions;
mod silence;
mod space;
mod standing;
mod take;
mod unit;

use alloc::vec::Vec;

use dma_types::PhysAddr;
use spin::Once;

pub use error::IommuError;
pub use find::{Found, drain_stale, find, register_bytes};
pub use space::{AddressSpace, Size};
pub use take::{Retaken, take};
pub use unit::Unit;

use crate::devices::DeviceRecord;

static UNITS: Once<Vec<Unit>> = Once::new();

/// Every unit that the firmware's table names, in its order.
pub fn units() -> &'static [Unit] {
    UNITS.get().map_or(&[], Vec::as_slice)
}

/// The unit that covers a device.
pub fn unit_of(record: &DeviceRecord) -> Option<&'static Unit> {
    units().get(record.unit?)
}

/// The pages of the remapping tables that a device's requests are looked up in.
pub fn table_pages(record: &DeviceRecord) -> impl Iterator<Item = PhysAddr> {
    unit_of(record).map(Unit::table_pages).unwrap_or_default().into_iter()
}
