//! Who may interrupt the processor, for those who look for a storm or for a device that nobody hears.

use crate::irq::{apic, owners};
use crate::println;

/// Lists the vectors that somebody has, and those that were raised though nobody has them.
pub fn show() {
    match apic::mode() {
        Some(mode) => println!("local APIC {} in {mode} mode", apic::id()),
        None => println!("no local APIC: no interrupt arrives"),
    }
    owners::list().iter().for_each(|line| println!("{line}"));
}
