//! What drivers get: memory that their device may see, and nothing else.
//!
//! A driver claims its device and gets a [`Device`]: the only way to an address space. It takes a
//! [`PageBuffer`], or a [`ByteBuffer`] of any length, maps it with a direction, and has a [`Mapping`] with the
//! address to tell the device. The buffer is out of reach until unmapping returns it, and that happens only
//! after the unit has forgotten it. No driver ever sees a physical address. Giving the device up takes it out
//! of its domain again.
//!
//! Rings and queues, which both sides use at once, are [`Shared`] instead. Drivers that can only speak in bare
//! addresses use [`Loans`]. Calls are checked against the rules of the [`verifier`] if the user asks for it.
//!
//! One domain a group; a page is mapped whole or not at all, and holds nothing but the one buffer, unless the
//! user trusts the device; every mapping carries label and call site. What cannot be done for want of memory
//! leaves everything as it was.

mod batch;
mod books;
mod bounce;
mod buffer;
mod bytes;
mod device;
mod domain;
mod error;
mod group;
mod guard;
pub(crate) mod inspect;
mod lease;
mod loans;
mod mapping;
mod quarantine;
mod reach;
mod shared;
mod space;
pub mod verifier;
mod window;

pub use batch::{Batch, RefusedBatch, Segment};
pub use books::Books;
pub use buffer::{Buffer, PageBuffer};
pub use bytes::ByteBuffer;
pub use device::Device;
pub use domain::{Domain, domains, find_in_domains, had_before};
pub use error::DmaError;
pub use loans::{Common, Loans};
pub use mapping::{Both, DirectionType, FromDevice, Mapping, Refused, ToDevice};
pub use quarantine::{
    condemn, contain, cut_off_with, domain_of, end_condemned, hold_firmware_regions, rejoin, release, silence,
};
pub use reach::{ReachTrial, trial_runs};
pub use shared::Shared;
