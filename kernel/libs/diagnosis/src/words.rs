//! A diagnosis in plain words: what happened, and what to do next.

mod advice;
mod explanation;
mod interrupt;

pub use advice::Advice;
pub use explanation::Explanation;

use core::fmt;

use dma_types::{Access, Direction};

use crate::diagnose::Diagnosis;
use crate::evidence::Owner;
use crate::world::Device;
use crate::{Fault, Label};

/// A device: name, place, driver.
struct Named<'a>(&'a Device<'a>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device { bdf, name, driver } = self.0;
        if name.is_empty() {
            write!(f, "the device at {bdf}")?;
        } else {
            write!(f, "{name} at {bdf}")?;
        }
        match driver {
            Some(driver) => write!(f, " (driver {driver})"),
            None => f.write_str(" (no driver)"),
        }
    }
}

/// The driver of a device, or whoever programs it.
struct Driver<'a>(Option<&'a str>);

impl<'a> Driver<'a> {
    /// That of the suspect.
    fn of(diagnosis: &Diagnosis<'a>) -> Self {
        Self(diagnosis.suspect.and_then(|suspect| suspect.function.device.driver))
    }
}

impl fmt::Display for Driver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(driver) => write!(f, "the driver {driver}"),
            None => f.write_str("whatever programs the device"),
        }
    }
}

/// A mapping: label, addresses, direction, where it was mapped and how long before the fault.
struct Described<'a> {
    owner: &'a Owner,
    fault: &'a Fault,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { start, length, direction, label, mapped, .. } = self.owner;
        match label {
            Some(label) => write!(f, "{label}")?,
            None => f.write_str("a mapping without a name")?,
        }
        write!(f, " ({length} bytes from {start}")?;
        if let Some(direction) = direction {
            write!(f, ", {direction}")?;
        }
        match mapped {
            Some(step) => {
                write!(f, ", mapped at {}, {} before the fault", step.site, self.fault.at.since(step.at))?;
            }
            None => f.write_str(", mapped longer ago than the books go back")?,
        }
        f.write_str(")")
    }
}

/// The short name of a mapping.
struct Briefly<'a>(&'a Option<Label>);

impl fmt::Display for Briefly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(label) => write!(f, "{label}"),
            None => f.write_str("the mapping"),
        }
    }
}

/// What the device may do with a mapping of this direction.
const fn permitted(direction: Direction) -> &'static str {
    match direction {
        Direction::ToDevice => "only read",
        Direction::FromDevice => "only write",
        Direction::Bidirectional => "read and write",
    }
}

/// What the device did, as a verb in the past.
const fn attempted(access: Access) -> &'static str {
    match access {
        Access::Read => "tried to read",
        Access::Write => "tried to write",
        Access::Atomic => "tried an atomic read and write of",
        Access::Interrupt => "tried to send an interrupt",
        Access::Unknown => "tried to reach",
    }
}

/// Pages and bytes, as a person counts them.
struct Pages(u64);

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 page"),
            pages => write!(f, "{pages} pages"),
        }
    }
}
