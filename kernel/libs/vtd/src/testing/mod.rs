//! For tests on the host: a unit, its memory and a clock in software, and a walker to judge them by.

pub mod fake_unit;
pub mod walker;

pub use iommu::testing::{FakeClock, FakeMemory, View};
