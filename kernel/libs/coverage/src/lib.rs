//! Which remapping unit serves which function, and which functions own which firmware region.
//!
//! Joins what the firmware's table says ([`Description`], made of one of [`acpi_tables`]) with what stands on the buses
//! ([`pci`]). Both are untrusted; what does not fit becomes a [`TableFinding`], and a function that no unit covers stays
//! uncovered rather than be guessed at.
//!
//! Document: VT-d 774206, revision 4.1 ("Device Scope Structure", "Remapping Hardware Unit Definition Structure").
//!
//! # Example
//! ```
//! use acpi_tables::testing::{DmarBuilder, ScopeSpec};
//! use acpi_tables::{Dmar, DrhdFlags};
//! use coverage::{Description, Plan};
//! use dma_types::{PhysAddr, Segment};
//! use pci::testing::{FakeSpace, bdf};
//!
//! let topology = FakeSpace::new().endpoint("00:03.0", 0x1234, 0x11e8).endpoint("00:04.0", 0x1234, 0x11e8).enumerate();
//! // A unit that serves one device, and none that takes the rest.
//! let scope = [ScopeSpec::endpoint(0, 3, 0)];
//! let base = PhysAddr::new(0xfed9_0000);
//! let table = DmarBuilder::new().drhd(DrhdFlags::empty(), Segment(0), base, &scope).build();
//!
//! let description = Description::from(&Dmar::parse(&table)?);
//! let plan = Plan::new(&description, &topology, 39);
//! let unit_of = |device| plan.unit_of[topology.index_of(bdf(device)).unwrap()];
//! // What no unit names is left without protection, and so without DMA.
//! assert_eq!((unit_of("00:03.0"), unit_of("00:04.0")), (Some(0), None));
//! # Ok::<(), acpi_tables::TableError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod choice;
mod description;
mod dmar;
mod finding;
mod grant;
mod judged;
mod plan;
mod region;
mod shortfall;
#[cfg(test)]
mod tests;

pub use choice::choose_dmar;
pub use description::{
    Controller, ControllerScope, Description, DeviceScope, Platform, Reach, Remainder, ReservedRegion,
    UnitDescription,
};
pub use finding::TableFinding;
pub use grant::Grants;
pub use judged::{JudgedFinding, Source, UnitAnswer};
pub use plan::{MessageSource, Plan, Unit, UnitProblem};
pub use region::{Ground, Obstacle, Pages, Region, union};
pub use shortfall::Shortfall;
