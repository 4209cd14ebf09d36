//! Vectors and their handlers.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: raises interrupts by instruction, and is called by the entry stubs by its name"
)]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use ::interrupts::VectorClass;
use exceptions::{TrapFrame, Vector};
use spin::Once;

use super::gate::note_unwanted;
use super::{apic, exceptions as unexpected_exceptions, owners};
use crate::arch::FAULT_VECTOR;

/// The timer of the local APIC.
pub const TIMER_VECTOR: u8 = 0xf0;
/// Errors of the local APIC.
pub const APIC_ERROR_VECTOR: u8 = 0xfe;
/// Interrupts that the local APIC withdrew.
pub const APIC_SPURIOUS_VECTOR: u8 = 0xff;

/// What the kernel depends on outranks every device, whatever a device sends and how often.
const _: () = assert!(matches!(VectorClass::of(TIMER_VECTOR), VectorClass::Kernel));
const _: () = assert!(matches!(VectorClass::of(FAULT_VECTOR), VectorClass::Kernel));
const _: () = assert!(matches!(VectorClass::of(APIC_ERROR_VECTOR), VectorClass::Kernel));

/// What is called for an interrupt of the local APIC, with interrupts off. The end of interrupt is sent for it.
pub(super) type Handler = fn(&TrapFrame);

static HANDLERS: [Once<Handler>; 256] = [const { Once::new() }; 256];

/// What takes a device's message, with interrupts off, and tells whether some device has the vector.
pub type MessageHandler = fn(vector: u8) -> Claimed;

/// Whether a message was somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// A device has the vector.
    Yes,
    /// Nobody has it.
    No,
}

static MESSAGE_HANDLER: Once<MessageHandler> = Once::new();

/// Gives a vector of the local APIC its handler, for good.
pub(super) fn register(vector: u8, handler: Handler) {
    HANDLERS[usize::from(vector)].call_once(|| handler);
}

/// Says what takes devices' messages, once and for good; until then nobody has any.
pub fn set_message_handler(handler: MessageHandler) {
    MESSAGE_HANDLER.call_once(|| handler);
}

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
    owners::note(vector);
    match VectorClass::of(vector) {
        VectorClass::Device => {
            let claimed = MESSAGE_HANDLER.get().map_or(Claimed::No, |handler| handler(vector));
            if claimed == Claimed::No {
                note_unexpected(vector);
            }
        }
        VectorClass::Exception | VectorClass::Legacy | VectorClass::Kernel => {
            match HANDLERS[usize::from(vector)].get() {
                Some(handler) => handler(frame),
                None => note_unexpected(vector),
            }
        }
    }
    apic::end_of_interrupt();
}

/// A bit for each vector at which firmware left an interrupt pending: it comes once, and is nobody's fault.
static LEFT_BY_FIRMWARE: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Says which interrupts come as soon as any are let in.
pub(super) fn expect_from_firmware(vectors: &[u8]) {
    for vector in vectors {
        LEFT_BY_FIRMWARE[usize::from(vector / 64)].fetch_or(1 << (vector % 64), Ordering::Relaxed);
    }
}

/// Takes a message that nobody waits for; says so once for each vector.
fn note_unexpected(vector: u8) {
    static SEEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let bit = 1 << (vector % 64);
    if LEFT_BY_FIRMWARE[usize::from(vector / 64)].fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
        return;
    }
    note_unwanted();
    if SEEN[usize::from(vector / 64)].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return;
    }
    let source = owners::source(vector);
    log::warn!("unexpected interrupt at vector {vector:#x}; further ones are dropped (owner: {source})");
    if Vector(vector).is_exception() || vector == APIC_SPURIOUS_VECTOR {
        log::warn!("no device was given that vector: one of them forges messages, and no unit refuses them");
    }
}
