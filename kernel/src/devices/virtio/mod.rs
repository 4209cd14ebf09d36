//! virtio devices, each in a domain of its own.
//!
//! The crate `virtio-drivers` moves the requests; [`hal`] gives it memory, [`transport`] a device that it can
//! trust, [`chain`] and [`queue`] keep what is under way. The drivers lay out the requests themselves: the
//! crate's own wait without limit, and an attack needs requests that no driver makes.
//!
//! Only devices that offer to pass through the IOMMU are driven.

mod blk;
mod chain;
mod device;
mod error;
mod hal;
mod net;
mod offer;
mod queue;
mod transport;

use error::VirtioError;

pub use blk::KIND as BLOCK;
pub use hal::{Announced, Lender};
pub use net::KIND as NETWORK;
pub use offer::{find_structures, path_of};
