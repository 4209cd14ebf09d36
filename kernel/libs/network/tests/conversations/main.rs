//! Stations in conversation with a far end: one that behaves, one that does not, and one that is hostile.

mod good_and_bad;
mod hostile;
mod world;
