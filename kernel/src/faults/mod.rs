//! The fault path: from a unit's record to an answer. Who, where, why, how often, and what the policy does about it.
//!
//! The judgement itself is the library's ([`diagnosis`]); here it meets the kernel's units, devices, domains and
//! policies. Everything runs with interrupts off, in the fault handler as a rule, and allocates nothing.

mod accounts;
mod answer;
mod cper;
mod drain;
mod interrupt;
mod recent;
mod telling;
mod throttle;
mod world;

pub use accounts::{finish, forget_storm, policy, set_policy, start};
pub use answer::{contain_sender, predict};
pub use cper::{error_record, note_table};
pub use drain::{note_held_back, poll};
pub use interrupt::ivt_handle_interrupt;
pub use recent::{FaultNote, recent};
pub use throttle::{is_masking, most_in_a_window};
