//! What follows from a DMA fault: whom it stops, how it is counted, and what of it is told.
//!
//! `diagnosis` says why a request was blocked; here is decided what to do about it.
//!
//! - [`Waiting`] holds what the units recorded until there is time for it.
//! - [`cannot_wait`] says whether the sender is stopped before anything but its id is known.
//! - [`Expectations`] knows the faults that somebody causes on purpose.
//! - [`decide`] picks the answer: by policy, by who is held responsible, and by how many faults came before.
//! - [`Accounts`] counts: it tells storms, and which lines are worth telling.
//!
//! Nothing here allocates but the making of [`Accounts`], and every call is bounded.
//!
//! # Example
//! ```
//! use fault_response::{Case, Decision, Measure, Rate, decide};
//! use options::Policy;
//! use report::Action;
//!
//! let case = Case { suspect: Some("a network card"), policy: Policy::Contain, notice: None, rate: Rate::Bearable };
//! assert_eq!(decide(case), Decision { action: Action::Contained, measure: Measure::Contain("a network card") });
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod accounts;
mod decision;
mod expected;
mod waiting;

pub use accounts::{Accounts, Answer, Arrival, Judged, Pacing, Response, Tell};
pub use decision::{Case, Decision, Haste, Measure, Rate, cannot_wait, decide};
pub use expected::{Expectation, ExpectationId, Expectations, Notice};
pub use waiting::{Full, Waiting};
