//! Writing an image to a stick.
//!
//! The wrong disk is a lost disk, so a [`Target`] is looked at first: what it is and who uses it, as
//! [`Host`] reads it from the system's files. Only then is it opened, written ([`write()`]) and read back
//! ([`verify`]).

mod disk;
mod host;
mod target;
mod transfer;

pub use disk::{Device, DeviceNumber, Disk, Use};
pub use host::Host;
pub use target::{Insistence, Kind, Objection, Target, TargetError};
pub use transfer::{Shortfall, verify, write};
