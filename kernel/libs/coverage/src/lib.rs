//! Which remapping unit serves which function, and which functions own which firmware region.
//!
//! Joins what the firmware's table says ([`acpi_tables`]) with what stands on the buses ([`pci`]). Both are
//! untrusted; what does not fit becomes a [`Finding`], and a function that no unit covers stays uncovered
//! rather than be guessed at.
//!
//! Document: VT-d 774206 ("Device Scope Structure", "Remapping Hardware Unit Definition Structure").
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod finding;
mod plan;
mod region;
mod shortfall;
#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use plan::{Plan, Unit, UnitProblem};
pub use region::{Ground, Obstacle, Pages, Region, union};
pub use shortfall::Shortfall;
