//! For tests on the host: memory as a unit sees it, and a clock that passes only while somebody waits.

mod clock;
mod memory;

pub use clock::FakeClock;
pub use memory::{FakeMemory, View};
