//! For tests on the host: a unit in software, and a walker to judge it by.

pub mod fake_unit;
pub mod walker;
