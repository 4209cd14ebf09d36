//! From a fault record to an answer: who, where, why, how often, and what the policy does about it.
//!
//! The judgement itself is the library's ([`diagnosis`]); here it meets the kernel's devices, domains,
//! probes and policies. Everything runs with interrupts off, in the fault handler as a rule, and allocates
//! nothing.

mod account;
mod answer;
mod cper;
mod store;
mod telling;
pub mod text;
mod world;

pub use account::{finish, forget_storm, policy, set_policy, start};
pub use answer::{answer_waiting, contain_sender, end_window, predict};
pub use cper::{error_record, note_table};
pub use store::{FaultNote, recent};
