//! The fault vector with nothing pending.

use super::check;
use crate::irq;
use crate::journal;

/// Raises the vector by an instruction: the dispatcher must count it as spurious, and nothing else may happen.
pub(super) fn run() {
    let (interrupts, spurious, faults) = counts();
    irq::raise_fault_vector();
    let after = counts();
    let expected = (interrupts + 1, spurious + 1, faults);
    let result =
        if after == expected { Ok(()) } else { Err("it was not counted as spurious, or more happened") };
    check("vector", result);
}

fn counts() -> (u64, u64, u64) {
    let (interrupts, spurious) = journal::fault_interrupts();
    (interrupts, spurious, journal::faults())
}
