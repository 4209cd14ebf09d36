//! Intel VT-d: register and table layouts, and the behaviour of a remapping unit.
//!
//! `spec` holds layouts only; the other modules hold behaviour. Nothing here touches hardware: registers
//! are reached through [`Registers`], tables through [`TableMemory`], time through [`Clock`]. The kernel
//! supplies the real ones; `testing` a unit that follows the specification and a walker that translates
//! from table memory alone.
//!
//! Document: VT-d 774206, Intel Virtualization Technology for Directed I/O, revision 4.1, cited by section title. The text
//! itself was not at hand: layouts and numbers are those of public implementations that cite revisions 4.1 and 5.0, where
//! several agree, and were tried on QEMU's unit.
//!
//! # Example
//! A unit made of software stands for the real one; [`iommu::Controller`] has the sequences:
//! ```
//! use dma_types::{Access, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};
//! use iommu::Controller;
//! use vtd::testing::fake_unit::{FakeConfig, FakeUnit};
//! use vtd::testing::{FakeClock, FakeMemory};
//! use vtd::{ActiveUnit, Unit};
//!
//! let memory = FakeMemory::new();
//! let hardware = FakeUnit::new(FakeConfig::default(), memory.clone());
//! let unit = Unit::probe(hardware.clone()).unwrap();
//! let fault_message = MsiMessage { address: 0xfee0_0000, data: 0x31 };
//! let active = ActiveUnit::enable(unit, fault_message, memory, FakeClock::new()).unwrap();
//! let mut controller = Controller::new(active);
//!
//! // A domain with one page, for one device.
//! let (device, page, target) = (SourceId::from_bits(0x18), Iova::new(0x20_0000), PhysAddr::new(0x8000_0000));
//! let mut domain = controller.new_domain().unwrap();
//! controller.attach(&domain, device).unwrap();
//! domain.map(&mut controller, (page, target), PAGE_SIZE, Permissions::READ).unwrap();
//! assert_eq!(hardware.dma(device, page, Access::Read), Ok(target));
//! assert!(hardware.dma(device, page, Access::Write).is_err());
//!
//! // The entry goes, the unit confirms, and only then are memory and tables free.
//! domain.unmap(&mut controller, page, PAGE_SIZE).unwrap();
//! assert!(hardware.dma(device, page, Access::Read).is_err());
//! controller.block([device]).unwrap();
//! controller.retire(&mut domain).unwrap();
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate std;

mod active;
mod fault;
mod invalidation;
mod queue;
pub mod spec;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unit;

pub use active::{ActiveUnit, DomainTables, EnableError, NotEnabled};
pub use fault::{DrainOutcome, FaultPort};
pub use invalidation::{
    BatchPlan, Blocks, Changed, Invalidation, InvalidationError, MAX_BLOCKS, PageBlock, RangePlan,
};
pub use iommu::TableMemory;
pub use iommu::wait::{ANSWER_LIMIT_NS, EMPTY_QUEUE_LIMIT_NS, TimedOut};
pub use mmio_regs::{Clock, Registers, TypedAccess};
pub use queue::{MAX_BATCH, QueueError};
pub use unit::{
    BringUp, EnforcementLost, EnforcementPort, FirmwareState, InvalidationPath, RemapError, Ticket, Unit,
    UnitError, WindowPart, register_bytes,
};
