//! Who may interrupt the processor, for those who look for a storm or for a device that nobody hears.

use crate::irq::{apic, hpet, io_apic, owners, processors};
use crate::println;

/// Lists the vectors that somebody has, and those that were raised though nobody has them.
pub fn show() {
    match apic::mode() {
        Some(mode) => println!("local APIC {} in {mode} mode", apic::id()),
        None => println!("no local APIC: no interrupt arrives"),
    }
    processors::visit(|line| println!("{line}"));
    io_apic::visit(|line| println!("{line}"));
    hpet::visit(|line| println!("{line}"));
    owners::list().iter().for_each(|line| println!("{line}"));
}
