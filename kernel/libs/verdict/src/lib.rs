//! Whether a machine's memory is protected from its devices: one word, the checks behind it, and what to change.
//!
//! [`Verdict::of`] turns [`Facts`] into six [`Check`]s and a [`Word`]. Each check says what its result rests on, by the
//! ladder *claimed → measured → seen → enforced* ([`Evidence`]), and none says more than its evidence carries: that
//! firmware claims something is no proof of it, and a drill that tried nothing has shown nothing.
//!
//! | check | fails the word to | an unknown |
//! | --- | --- | --- |
//! | `dma-covered` | NOT PROTECTED if requests of a device may pass no unit, else GAPS | makes it GAPS |
//! | `drill` | NOT PROTECTED if a device got through, else GAPS | makes it GAPS: nobody has seen a request blocked |
//! | `interrupts` | GAPS | – |
//! | `external-ports` | GAPS | does not count: who is there already is held by a unit like all others |
//! | `boot-window` | GAPS | does not count: see below |
//! | `firmware-table` | GAPS | – |
//!
//! The word is about the machine as it runs now. What was on before the operating system cannot be learned afterwards,
//! so a kernel that was started without a loader that looked says *unknown*; that is no gap of what it enforces, and a
//! word that is always GAPS would tell nobody anything. What a loader has *measured* to be open is a gap that set-up can close,
//! and counts.
//!
//! Nothing here allocates, so a kernel that stops can ask as well.
//!
//! # Example
//! ```
//! use verdict::{Facts, Id, Interrupts, Maker, Outcome, Verdict, Word};
//!
//! // A machine of which nothing is known is one without an IOMMU.
//! let verdict = Verdict::of(&Facts { maker: Maker::Amd, ..Facts::default() });
//! assert_eq!(verdict.word, Word::NotProtected);
//! let covered = verdict.checks.iter().find(|check| check.id == Id::DmaCovered).unwrap();
//! assert_eq!(covered.outcome, Outcome::Fail);
//! // An AMD machine is not told to look for Intel's switch.
//! let advice = verdict.remedies().next().unwrap().to_string();
//! assert!(advice.contains("AMD-Vi") && !advice.contains("Intel"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod check;
mod facts;
mod judge;
mod matrix;
mod remedy;
mod sentence;
#[cfg(test)]
mod tests;

pub use check::{Check, Evidence, Id, Outcome, Word};
pub use facts::{
    Drill, ExternalDevices, Facts, FirmwareClaim, GivenUp, Interrupts, Maker, Moment, NotTried, Origin,
    Ports, Table, TableKind, Units, Window,
};
pub use judge::{SHOWN, Verdict};
pub use matrix::{Cell, Matrix, Row};
pub use remedy::Remedy;
pub use sentence::Sentence;
