//! AMD-Vi: register and table layouts, and the behaviour of a remapping unit.
//!
//! `spec` holds layouts only; the other modules hold behaviour. Nothing here touches hardware: registers are reached through
//! [`Registers`], tables through [`TableMemory`], time through [`Clock`]. `testing` has a unit that follows the specification
//! and a walker that translates from table memory alone.
//!
//! Document: AMD I/O Virtualization Technology (IOMMU) Specification, 48882, cited by section title. The text itself was not
//! at hand: layouts and numbers are those of public implementations that cite it, where several agree.
//!
//! # Example
//! A unit made of software stands for the real one; [`iommu::Controller`] has the sequences:
//! ```
//! use amdvi::spec::control::Control;
//! use amdvi::testing::fake_unit::{FakeConfig, FakeUnit};
//! use amdvi::{ActiveUnit, Announced, Caching, Unit};
//! use dma_types::{Access, Iova, PAGE_SIZE, Permissions, PhysAddr, SourceId};
//! use iommu::Controller;
//! use iommu::testing::{FakeClock, FakeMemory};
//!
//! let memory = FakeMemory::new();
//! let hardware = FakeUnit::new(FakeConfig::default(), memory.clone());
//! let announced = Announced { caching: Caching::Present, features: None };
//! let unit = Unit::probe(hardware.clone(), announced).unwrap();
//! let active = ActiveUnit::enable(unit, Control::empty(), memory, FakeClock::new()).unwrap();
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
pub use fault::{DrainOutcome, FaultPort, FaultRecord};
pub use invalidation::{BatchPlan, Invalidation, InvalidationError};
pub use iommu::TableMemory;
pub use mmio_regs::{Clock, Registers};
pub use queue::{MAX_BATCH, QueueError};
pub use unit::{
    Announced, BringUp, Caching, EnforcementLost, EnforcementPort, FirmwareState, Unit, UnitError,
};
