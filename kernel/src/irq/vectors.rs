//! Vectors and their handlers.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: raises interrupts by instruction, and is called by the entry stubs by its name"
)]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use exceptions::{TrapFrame, Vector};
use spin::Once;

use super::gate::note_unwanted;
use super::{apic, exceptions as unexpected_exceptions};
use crate::arch::FAULT_VECTOR;

/// The first vector that a device may have.
pub const FIRST_DEVICE_VECTOR: u8 = 0x30;
/// The last one.
pub const LAST_DEVICE_VECTOR: u8 = 0xef;
/// The timer of the local APIC.
pub const TIMER_VECTOR: u8 = 0xf0;
/// Errors of the local APIC.
pub const APIC_ERROR_VECTOR: u8 = 0xfe;
/// Interrupts that the local APIC withdrew.
pub const APIC_SPURIOUS_VECTOR: u8 = 0xff;

/// What the kernel depends on outranks every device, whatever a device sends and how often (SDM "Interrupt, Task, and
/// Processor Priority": the upper half of the vector).
const _: () = assert!(TIMER_VECTOR >> 4 > LAST_DEVICE_VECTOR >> 4);
const _: () = assert!(FAULT_VECTOR >> 4 > LAST_DEVICE_VECTOR >> 4);
const _: () = assert!(APIC_ERROR_VECTOR >> 4 > LAST_DEVICE_VECTOR >> 4);

/// What is called for a device's interrupt, with interrupts off. The end of interrupt is sent for it.
pub type Handler = fn(&TrapFrame);

static HANDLERS: [Once<Handler>; 256] = [const { Once::new() }; 256];

/// Gives a device vector its handler, for good.
///
/// # Errors
/// If the vector is none for a device, or is taken.
pub fn register(vector: u8, handler: Handler) -> Result<(), VectorError> {
    if !matches!(vector, FIRST_DEVICE_VECTOR..=LAST_DEVICE_VECTOR | TIMER_VECTOR | APIC_ERROR_VECTOR) {
        return Err(VectorError::Unavailable(vector));
    }
    let slot = &HANDLERS[usize::from(vector)];
    if slot.is_completed() {
        return Err(VectorError::Taken(vector));
    }
    slot.call_once(|| handler);
    Ok(())
}

/// Why a vector could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorError {
    /// It belongs to the processor or to the remapping units.
    Unavailable(u8),
    /// It has a handler.
    Taken(u8),
}

impl core::fmt::Display for VectorError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unavailable(vector) => write!(f, "vector {vector:#x} is not for devices"),
            Self::Taken(vector) => write!(f, "vector {vector:#x} has a handler already"),
        }
    }
}

impl core::error::Error for VectorError {}

/// Raises the fault vector's interrupt as an instruction does: nothing will be pending.
pub fn raise_fault_vector() {
    // SAFETY: the vector has a gate, and its handler takes an interrupt without cause for a spurious one.
    unsafe { asm!("int {}", const FAULT_VECTOR, options(nomem)) };
}

/// Sends a trap to its handler; the entry stubs call it with the frame on their stack.
// SAFETY: no other function of the kernel has the name.
#[unsafe(no_mangle)]
extern "C" fn ivt_handle_trap(frame: &mut TrapFrame) {
    // The stubs push no number above 255.
    let vector = Vector(frame.vector as u8);
    // A device may send a message with an exception's vector, which comes without an error code and is in service.
    if vector.is_exception() && !apic::is_in_service(vector.0) {
        unexpected_exceptions::unexpected(frame)
    }
    deliver(vector.0, frame);
}

/// Calls the handler of a vector and ends the interrupt.
fn deliver(vector: u8, frame: &TrapFrame) {
    // A withdrawn interrupt has no bit in service, so ending it would end another (SDM "Spurious Interrupt"). A device
    // may send the same vector; then it has, and all others would wait for its end.
    if vector == APIC_SPURIOUS_VECTOR && !apic::is_in_service(vector) {
        return;
    }
    match HANDLERS[usize::from(vector)].get() {
        Some(handler) => handler(frame),
        None => note_unexpected(vector),
    }
    apic::end_of_interrupt();
}

/// Takes a message that nobody waits for; says so once for each vector.
fn note_unexpected(vector: u8) {
    static SEEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    note_unwanted();
    let bit = 1 << (vector % 64);
    if SEEN[usize::from(vector / 64)].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return;
    }
    log::warn!("unexpected interrupt at vector {vector:#x}; further ones are dropped");
    if Vector(vector).is_exception() || vector == APIC_SPURIOUS_VECTOR {
        log::warn!(
            "no device was given that vector: one of them forges messages; interrupts are not remapped"
        );
    }
}
