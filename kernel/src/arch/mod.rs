//! The processor: segments, interrupt and exception entry, local APIC, registers.
//!
//! Order: [`start`] needs nothing and makes every fault visible; [`start_interrupts`] needs memory.

pub mod apic;
mod backtrace;
pub mod cpu;
pub mod exceptions;
pub mod gdt;
pub mod idt;
pub mod interrupts;
mod machine_check;
pub mod panic;
mod pic;
pub mod raise;
pub mod random;
pub mod register_probe;
pub mod timer;
mod trap;

pub use ::exceptions::TrapFrame;

/// Loads segment and interrupt tables; from here every exception ends in a report.
pub fn start() {
    gdt::load();
    idt::load();
    machine_check::enable();
    cpu::forbid_floating_point();
}

/// Sets up the local APIC and lets interrupts in.
pub fn start_interrupts() {
    pic::mask_all();
    match apic::start() {
        Ok(mode) => log::info!("local APIC {} in {mode} mode", apic::id()),
        Err(error) => log::error!("no local APIC: {error}; interrupts stay without effect"),
    }
    timer::start();
    interrupts::enable();
}
