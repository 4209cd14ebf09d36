//! The fault path: from a unit's record to an answer. Who, where, why, how often, and what the policy does about it.
//!
//! It goes one way, and each step has a file:
//!
//! 1. [`interrupt`]: the stub calls [`interrupt::ivt_handle_interrupt`]; every unit is drained ([`drain`]), whoever is
//!    stopped whatever the verdict loses bus mastering ([`containment`]), the interrupt ends.
//! 2. Its later half, with interrupts as they were: what was drained is taken one by one, within a share of the processor's
//!    time ([`throttle`]).
//! 3. [`handle`]: one fault is diagnosed ([`world`], library `diagnosis`), decided about ([`accounts`], library
//!    `fault_response`), acted upon ([`containment`]), and told ([`lines`], [`mod@recent`]); a stop comes last, by a hook.
//!
//! Nothing here calls who lies above: that one registers a hook, announces a fault that it will cause ([`expect`]), or
//! reads what is kept ([`fn@recent`]). Nothing here allocates once it was started.

mod accounts;
mod containment;
mod cper;
mod drain;
mod handle;
mod interrupt;
mod lines;
mod recent;
mod throttle;
mod world;

pub use accounts::{expect, finish, forget_storm, policy, seen, set_policy, start, withdraw};
pub use containment::contain_sender;
pub use cper::{error_record, note_table};
pub use drain::note_held_back;
pub use handle::{Violation, predict, set_stop_hook};
pub use interrupt::{listen, poll};
pub use recent::{FaultNote, noted, numbered, recent};
pub use throttle::{is_masking, most_in_a_window};
