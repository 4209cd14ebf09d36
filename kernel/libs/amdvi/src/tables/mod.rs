//! The tables that say which memory each requester may reach.
//!
//! [`DeviceTable`] leads a requester to its domain, [`PageTable`] is the domain's address space. They change memory only; what
//! the unit may still have cached is the caller's to invalidate. Neither frees anything when dropped.
//!
//! Units read them through the processors' caches, since the control register says so: nothing is written back.

use dma_types::PhysAddr;
pub use iommu::TableError;

mod device_table;
mod page_table;

pub use device_table::{DeviceTable, Standing};
pub use page_table::{PageTable, Unmapped};

/// The 8-byte word number `index` of a table's page.
const fn word(table: PhysAddr, index: u64) -> PhysAddr {
    PhysAddr::new(table.page().as_u64() | (index & 0x1ff) << 3)
}
