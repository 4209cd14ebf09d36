//! Devices that come late, and devices that go without a word.

mod arrival;
mod memory;
mod removal;
mod rounds;
mod slot;

pub(super) use self::arrival::late_arrival;
pub(super) use self::removal::surprise_removal;
