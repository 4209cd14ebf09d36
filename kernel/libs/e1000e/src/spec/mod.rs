//! Layouts of registers and descriptors; no behaviour.

pub mod address;
pub mod control;
pub mod interrupt;
pub mod receive;
pub mod registers;
pub mod transmit;
