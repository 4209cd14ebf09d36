//! What is common to all remapping units, whatever their family.
//!
//! [`Controller`] and [`Domain`] have every sequence that changes what devices reach, on any unit that is a
//! [`RemappingUnit`]: change the tables, invalidate, wait until the unit has confirmed, and only then give memory back.
//! Where it does not confirm, what it may still reach is given up, and the [`Error`] says so. The crate `vtd` has a unit,
//! and its documentation an example.
//!
//! [`interrupts`] has the same for the interrupts that devices raise: entry, invalidation, and only then is an index given
//! to somebody else.
//!
//! [`AtomicLifeCycle`] says what a device may do now. Giving a device memory takes many steps, and any of them may be
//! interrupted by what takes everything from it: a violation, a unit that falls silent, the device being pulled. So
//! whoever lets a device in holds an [`Attempt`], and what interrupts it makes the attempt void.
//!
//! [`group`] has these steps: letting the functions of a group into its domain, moving them to another, cutting them off
//! and letting them back, on whatever switches bus mastering.
//!
//! What units of every family need of the machine is here too: [`TableMemory`] for their tables, [`wait`] for their answers,
//! and for tests on the host memory and a clock in software (`testing`).
//!
//! # Example
//! ```
//! use iommu::{AtomicLifeCycle, State, Voided, Work};
//!
//! let device = AtomicLifeCycle::new(State::Blocked);
//! let attempt = device.begin_entry()?;
//! // Here its requester ids are led into a domain, and its bus mastering goes on.
//! attempt.finish(Work::OfDriver)?;
//! assert!(device.is_open());
//!
//! // A violation cuts it off: ids and bus mastering go between the two calls. It comes back by a release, unless it is cut off once more before that is done.
//! device.begin_cut_off();
//! device.end_cut_off();
//! let attempt = device.begin_release()?;
//! device.begin_cut_off();
//! assert_eq!(attempt.finish(Work::OfDriver), Err(Voided));
//! // Now everything has to be taken from it again: it may do nothing.
//! assert_eq!(device.state(), State::Quarantined);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

mod controller;
mod domain;
mod error;
pub mod group;
pub mod interrupts;
mod life_cycle;
mod page_list;
mod table_memory;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unit;
pub mod wait;

pub use controller::Controller;
pub use domain::{Domain, FastUnmap, Maps};
pub use error::{Error, MapError, TableError, UnmapError};
pub use life_cycle::{
    AtomicLifeCycle, Attempt, Generation, LifeCycle, Presence, Refusal, State, Voided, Work,
};
pub use page_list::PageList;
pub use table_memory::{ContiguousMemory, TableMemory};
pub use unit::{IoPageTables, RemappingUnit, Stale};
