//! For tests on the host: a unit, its memory and a clock in software, and a walker to judge them by.

mod clock;
pub mod fake_unit;
mod memory;
pub mod walker;

pub use clock::FakeClock;
pub use memory::{FakeMemory, View};
