//! Interrupts and exceptions: which vector has which handler, what holds messages back that nobody wants, the local APIC
//! and its timer, and what comes of an exception that nothing expects.

pub mod apic;
mod backtrace;
pub mod exceptions;
mod gate;
pub mod hpet;
pub mod io_apic;
pub mod owners;
pub mod panic;
mod pic;
pub mod processors;
mod sources;
pub mod timer;
mod vectors;

pub use gate::note_unwanted;
pub use sources::{Unsilenced, silence};
pub use vectors::{
    APIC_ERROR_VECTOR, APIC_SPURIOUS_VECTOR, Claimed, TIMER_VECTOR, raise_fault_vector, set_message_handler,
};

/// Sets up the local APIC and its timer. No interrupt is let in yet: what firmware left armed comes first.
pub fn start() {
    pic::mask_all();
    if let Err(error) = apic::start() {
        log::error!("no local APIC: {error}; interrupts stay without effect");
    }
    timer::start();
}

/// Lets interrupts in, once what firmware had armed is silent.
pub fn let_in() {
    let pending = apic::pending();
    if !pending.is_empty() {
        log::warn!("firmware left interrupts pending at the vectors {pending:#x?}, which are dropped");
        vectors::expect_from_firmware(&pending);
    }
    x86_64::instructions::interrupts::enable();
}
