//! Devices told to overreach, and what came of it: `drill`, `attack` and `demo`.
//!
//! The library `attack` has the steps of an attack and says what came of it; here are the targets, the announcement of
//! the fault, and the report.

mod aim;
mod attempt;
mod flight;
mod forging;
mod kept;
mod loans;
mod neighbour;
mod order;
mod other_interrupt;
mod run;
mod step;
mod tally;

pub use fault_response::Notice;
pub use flight::{Flight, announce, behind, land};
pub use order::{Order, Sabotage};
pub use run::{demo, drill_all, drill_at_boot, run as run_attacks, strike};
pub use tally::totals;
