//! Every PCI function that was found, and the drivers of some.

pub mod edu;
mod edu_probe;
mod record;
mod start;

use alloc::vec::Vec;

use dma_types::Bdf;
use spin::Once;

use crate::probe::Overreach;

pub use record::{DeviceRecord, Facts, Role};
pub use start::{enumerate, give_firmware_regions, start_drivers};

static RECORDS: Once<Vec<DeviceRecord>> = Once::new();
static CAPABLE: Once<Vec<&'static dyn Overreach>> = Once::new();

/// Every function, by rising BDF.
pub fn all() -> &'static [DeviceRecord] {
    RECORDS.get().map_or(&[], Vec::as_slice)
}

/// The record of a function.
pub fn find(bdf: Bdf) -> Option<&'static DeviceRecord> {
    let all = all();
    all.get(all.binary_search_by_key(&bdf, |record| record.bdf).ok()?)
}

/// The functions whose requests may carry this id. Allocates nothing.
pub fn behind(requester: Bdf) -> impl Iterator<Item = &'static DeviceRecord> {
    let carries = move |record: &&DeviceRecord| {
        record.bdf.segment == requester.segment && record.aliases.contains(&requester.source)
    };
    all().iter().filter(carries)
}

/// The devices that can be told to overreach.
pub fn capable() -> impl Iterator<Item = &'static dyn Overreach> {
    CAPABLE.get().into_iter().flatten().copied()
}
