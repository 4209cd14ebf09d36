//! Hostile devices against a running machine: what `ivt evil` does.
//!
//! A [`Scenario`] plugs devices made of software ([`vfio_device`]) into a machine, lets a kernel run beside them, and
//! writes down what was tried, what came of it, and what should have ([`Finding`]). Each scenario shows as well that its
//! device was alive: something that may land does land.

mod arena;
mod deeds;
mod e1000e;
mod faithful;
mod finding;
mod fuzz;
mod hotplug;
mod interrupts;
mod liar;
mod lies;
mod neighbour;
mod nvme;
mod power_on;
mod random;
mod scenario;
mod stage;
mod sweep;
mod two_books;
mod virtio;

pub use finding::{Finding, Outcome};
pub use scenario::{SCENARIOS, Scenario, Subject, choose};
pub use stage::{Stage, find_qemu};

/// How devices are called in findings.
fn bdf(bus: u8, slot: u8) -> String {
    format!("0000:{bus:02x}:{slot:02x}.0")
}
