//! Interrupts and exceptions: which vector has which handler, what holds messages back that nobody wants, the local APIC
//! and its timer, and what comes of an exception that nothing expects.

pub mod apic;
mod backtrace;
pub mod exceptions;
mod gate;
pub mod owners;
pub mod panic;
mod pic;
pub mod timer;
mod vectors;

pub use gate::note_unwanted;
pub use vectors::{
    APIC_ERROR_VECTOR, APIC_SPURIOUS_VECTOR, Claimed, TIMER_VECTOR, raise_fault_vector, set_message_handler,
};

/// Sets up the local APIC and lets interrupts in.
pub fn start() {
    pic::mask_all();
    match apic::start() {
        Ok(mode) => log::info!("local APIC {} in {mode} mode", apic::id()),
        Err(error) => log::error!("no local APIC: {error}; interrupts stay without effect"),
    }
    timer::start();
    x86_64::instructions::interrupts::enable();
}
