//! Turns a DMA fault and the mapping history into a verdict and plain words.
//!
//! Three parts, none of which touches hardware:
//!
//! - [`Book`] keeps for one domain who mapped what, from where in the source and when, what was released
//!   since, and the recent events. What map and unmap pay does not depend on how much is live.
//! - [`diagnose()`] compares a [`Fault`] with the books of every domain, through the kernel's [`World`], and
//!   gives a [`Diagnosis`]: verdict, suspect, nearest mapping, history, explanation, advice. It allocates
//!   nothing and runs in the stop path.
//! - [`FaultLedger`] and [`StormDetector`] keep count when a device faults a million times, an account for each
//!   of the [`Senders`].
//!
//! The books rest on two promises of the allocator: ranges never overlap, and behind each lies a gap. A
//! released range stays on the books until the same addresses are handed out again. Where the books no
//! longer know, the words say so.
//!
//! It names no family of units: what a fault is comes as a [`dma_types::FaultKind`].
//!
//! # Example
//! ```
//! use diagnosis::{Backing, Book, Label, Mapping, Site, Step, Timestamp};
//! use dma_types::{Direction, Iova, PAGE_SIZE, PageSize, PhysAddr};
//! use iova::IovaAllocator;
//!
//! let window = Iova::new(0x10_0000)..Iova::new(0x20_0000);
//! let mut allocator = IovaAllocator::new(window.clone(), [], window.start).unwrap();
//! let mut book = Book::new(window).unwrap();
//! let now = |nanos| Step { at: Timestamp::from_nanos(nanos), site: Site::caller() };
//!
//! let range = allocator.allocate(1, PageSize::Size4K).unwrap();
//! let mapping = Mapping {
//!     start: range.start(),
//!     length: PAGE_SIZE,
//!     direction: Direction::FromDevice,
//!     label: Label("rx ring"),
//!     backing: Backing::new(PhysAddr::new(0x5000_0000), PAGE_SIZE),
//!     mapped: now(10),
//! };
//! book.record_map(&range, mapping).unwrap();
//! book.record_unmap(&range, now(20)).unwrap();
//!
//! // A fault there is a use after unmap: the books know whose, and for how long it has been over.
//! let owner = book.last_owner(range.start()).expect("its addresses were not used again");
//! assert_eq!((owner.is_live(), owner.mapping.label), (false, Label("rx ring")));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod book;
mod budget;
mod diagnose;
mod entries;
mod error;
mod evidence;
mod fault;
mod history;
mod index;
mod interrupt;
mod judge;
mod ledger;
mod messages;
mod physical;
mod position;
mod record;
mod senders;
mod storm;
#[cfg(test)]
mod tests;
mod time;
mod verdict;
mod words;
mod world;

pub use book::Book;
pub use budget::{Allowance, Budget};
pub use diagnose::{Candidate, Candidates, Diagnosis, MAX_CANDIDATES, diagnose};
pub use error::BookError;
pub use evidence::{Foreign, ForeignKind, Nearest, Owner};
pub use fault::{Fault, Reason};
pub use history::{EVENTS, Event, History, Operation, Span};
pub use interrupt::{Interrupt, InterruptEntry, InterruptKind, RefusedInterrupt, is_nobodys};
pub use ledger::{Cadence, Completeness, FaultKey, FaultLedger, KEYS, Line, Scope};
pub use messages::{MessageCount, MessageLimit, Pressure};
pub use physical::Unsearched;
pub use position::Position;
pub use record::{Backing, Label, Mapping, MappingRecord, Site, Step};
pub use senders::{Holder, Port, Sender, Senders};
pub use storm::{Pace, StormDetector, Threshold, Urgency, Window};
pub use time::{Elapsed, Timestamp};
pub use verdict::Verdict;
pub use words::{Advice, Explanation};
pub use world::{Device, FirmwareMemory, Function, Standing, WalkCheck, World};
