//! Intel VT-d: register and table layouts, and the behaviour of a remapping unit.
//!
//! `spec` holds layouts only; the other modules hold behaviour. Nothing here touches hardware: registers
//! are reached through [`Registers`], tables through [`TableMemory`], time through [`Clock`]. The kernel
//! supplies the real ones; `testing` a unit that follows the specification and a walker that translates
//! from table memory alone.
//!
//! Document: VT-d 774206, cited by section title.
//!
//! # Example
//! A unit made of software stands for the real one:
//! ```
//! use dma_types::{Access, DomainId, Iova, MsiMessage, PAGE_SIZE, Permissions, PhysAddr, SourceId};
//! use vtd::tables::{Coherence, Format, RootTable, SecondStage};
//! use vtd::testing::fake_unit::{FakeConfig, FakeUnit};
//! use vtd::testing::{FakeClock, FakeMemory};
//! use vtd::{BringUp, Unit};
//!
//! let (config, clock, mut memory) = (FakeConfig::default(), FakeClock::new(), FakeMemory::new());
//! let mut root = RootTable::new(&mut memory, Coherence::of_unit(config.extended_capabilities())).unwrap();
//! let hardware = FakeUnit::new(config, memory.clone());
//! let mut unit = Unit::probe(hardware.clone()).unwrap();
//! let fault_message = MsiMessage { address: 0xfee0_0000, data: 0x31 };
//! unit.bring_up(&BringUp { root: root.address(), fault_message }, &mut memory, &clock).unwrap();
//!
//! // A domain with one page, for one device.
//! let (device, domain, page) = (SourceId::from_bits(0x18), DomainId(1), Iova::new(0x20_0000));
//! let format = Format::of_unit(unit.levels().unwrap(), unit.capabilities(), unit.extended_capabilities());
//! let mut tables = SecondStage::new(&mut memory, format).unwrap();
//! let root_of_domain = (tables.root(), tables.levels());
//! unit.attach(&mut root, (device, domain), root_of_domain, &mut memory, &clock).unwrap();
//! let target = PhysAddr::new(0x8000_0000);
//! tables.map(&mut memory, page, target, PAGE_SIZE, Permissions::READ).unwrap();
//! unit.after_map(domain, (page, 1), &mut memory, &clock).unwrap();
//! assert_eq!(hardware.dma(device, page, Access::Read), Ok(target));
//! assert!(hardware.dma(device, page, Access::Write).is_err());
//!
//! // The entry goes, the unit confirms, and only then are memory and tables free.
//! let unmapped = tables.unmap(&mut memory, page, PAGE_SIZE).unwrap();
//! unit.after_unmap(domain, (page, 1), unmapped.stale(), &mut memory, &clock).unwrap();
//! unmapped.release(&mut memory);
//! assert!(hardware.dma(device, page, Access::Read).is_err());
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
extern crate std;

mod fault;
mod invalidation;
mod queue;
pub mod spec;
mod table_memory;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unit;
mod wait;

pub use fault::{DrainOutcome, FaultPort};
pub use invalidation::{
    BatchPlan, Blocks, Changed, Invalidation, InvalidationError, MAX_BLOCKS, PageBlock, RangePlan,
};
pub use mmio_regs::{Clock, Registers, TypedAccess};
pub use queue::{MAX_BATCH, QueueError};
pub use table_memory::TableMemory;
pub use unit::{
    AnnounceError, AttachError, BringUp, EnforcementLost, EnforcementPort, FirmwareState, InvalidationPath,
    RetireError, TakeBackError, Ticket, Unit, UnitError, WindowPart, register_bytes,
};
pub use wait::{ANSWER_LIMIT_NS, EMPTY_QUEUE_LIMIT_NS, TimedOut};
