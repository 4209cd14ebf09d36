//! What a device is told in order to overreach, and what its attempt proves.
//!
//! An attack runs by a [`Script`]: the device fetches a pattern from a buffer that it was given and writes it to another.
//! Only if it arrives is the device known to be alive, and the same transfer at the target means something. Then comes the
//! overreach. It is [judged](Script::judge) by the fault record and by the target's memory, never by what the device says,
//! which calls a blocked transfer done.
//!
//! # Example
//! ```
//! use attack::{Traces, Judgement, Next, Meaning, OwnBuffer, Progress, Reached, Script, Sight, Skill};
//! use diagnosis::Verdict;
//! use dma_types::Access;
//! use options::Target;
//!
//! /// A device that copies, and a target with something else in it.
//! struct Scene(Vec<u8>);
//!
//! impl Sight for Scene {
//!     fn landed(&self) -> Result<Vec<u8>, Judgement> {
//!         Ok(self.0.clone())
//!     }
//!
//!     fn at_target(&self) -> Vec<u8> {
//!         b"secret".to_vec()
//!     }
//! }
//!
//! let (pattern, scene) = (b"thinga", Scene(b"thinga".to_vec()));
//! let mut script = Script::new(&Skill::Copies { bytes: 6 }, Access::Write, Target::Canary);
//! assert_eq!(script.begin(), Next::Transfer(Access::Read, OwnBuffer::Source));
//! let next = script.next(Progress::Done, pattern, &scene)?;
//! assert_eq!(next, Next::Transfer(Access::Write, OwnBuffer::Landing));
//! // It arrived, so the device is alive.
//! assert_eq!(script.next(Progress::Done, pattern, &scene)?, Next::Strike);
//! script.struck();
//! assert_eq!(script.next(Progress::Done, pattern, &scene)?, Next::Judge(Reached::No));
//! let (seen, expected) = (Some(Verdict::NeverMapped), Some(Verdict::NeverMapped));
//! let meaning = script.judge(Traces { seen, expected, changed: false, reached: Reached::No });
//! let verdict = Verdict::NeverMapped;
//! assert_eq!(meaning, Meaning::Over(Judgement::Blocked { verdict, expected: verdict }));
//! # Ok::<(), Judgement>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod contents;
mod forgery;
mod judgement;
mod not_possible;
mod script;
mod skill;
mod target;
#[cfg(test)]
mod tests;
mod turn;

pub use contents::{contents, is_telling, offset_of};
pub use forgery::{Forgery, Heard, Wait, WhatNext};
pub use judgement::{Judgement, Meaning, Reached, Traces};
pub use not_possible::NotPossible;
pub use script::{Next, OwnBuffer, Script, Sight};
pub use skill::{Progress, Skill, StartRefused};
pub use target::{RealPage, check_address, choose_page};
pub use turn::{Others, Pause, WaitsFor};
