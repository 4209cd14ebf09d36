//! Misuse of the DMA layer: the rules, the numbers that a stop shows for each, and the ledger by which a misuse
//! is seen at the call.
//!
//! The DMA layer's types already forbid most of what the rules of such verifiers are about:
//!
//! | misuse | typed mappings | memory lent by bare address |
//! | --- | --- | --- |
//! | freed twice | `unmap` takes the mapping | [`Rule::FreedTwice`], [`Rule::CommonFreedTwice`] |
//! | freed while mapped | the mapping owns the buffer | [`Rule::FreedWhileMapped`] |
//! | given back, never lent | there is no mapping without lending | [`Rule::NeverLent`] |
//! | lent twice | the mapping owns the buffer | [`Rule::LentTwice`] |
//! | wrong direction, length or memory | kept in the mapping | [`Rule::WrongDirection`], [`Rule::WrongMemory`] |
//! | touched while the device has it | out of reach until unmapped | copied when lent, or owned by a request |
//! | synchronised outside, or too late | elements are checked, like a slice's | [`Rule::SyncOutside`], [`Rule::SyncAfterReturn`] |
//! | used after release | `release` takes the device | [`Rule::UsedAfterRelease`] |
//! | kernel image or stack lent | only buffers can be lent | [`Rule::ImageLent`], [`Rule::StackLent`] |
//! | nothing lent | an empty buffer cannot be made | [`Rule::ZeroLength`] |
//! | released with memory outstanding | [`Rule::MappingsLeft`] | [`Rule::MappingsLeft`], [`Rule::CommonLeft`] |
//! | device wrote behind its buffer | [`Rule::GuardDamaged`] | a page of its own; the next is not mapped |
//!
//! [`Ledger`] keeps what one device's driver has lent by bare address. It decides without hardware, allocates only
//! when something is lent, and is kept whether or not anybody verifies; only its verdicts are then not asked for.
//!
//! `docs/verifier.md` goes through Microsoft's table, code by code.
//!
//! Documents: Microsoft "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION".
//!
//! # Example
//! ```
//! use diagnosis::Site;
//! use dma_types::{Direction, Iova};
//! use verifier::{Claim, Kind, Ledger, Loan, Memory, Place, Rule};
//!
//! let mut ledger = Ledger::new(0);
//! let memory = Memory::new(0x5000, 64);
//! let (kind, iova, direction) = (Kind::Streaming, Iova::new(0x1000), Direction::ToDevice);
//! ledger.check_lend(memory, Place::Allocated).unwrap();
//! ledger.enter(Loan { kind, iova, memory, direction, site: Site::caller() }, ()).unwrap();
//!
//! // Given back with another length than it was lent with.
//! let claim = Claim { kind, iova, memory: Some(Memory::new(0x5000, 32)), direction: Some(direction) };
//! assert_eq!(ledger.check_return(&claim).unwrap_err().rule, Rule::WrongMemory);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ledger;
mod memory;
mod misuse;
mod past;
mod rule;
#[cfg(test)]
mod tests;

pub use ledger::{Ledger, NoRoom};
pub use memory::{Memory, Place};
pub use misuse::{Claim, Kind, Loan, Misuse, Part};
pub use rule::Rule;
