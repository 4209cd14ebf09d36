//! The interrupt descriptor table: all 256 vectors, each with its stub.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: gates and the table's register make the processor jump where they say"
)]

use core::mem::size_of;
use core::ptr;

use exceptions::{Gate, Vector};
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::{lidt, sidt};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::idt::Entry;

use super::gdt::{DOUBLE_FAULT_STACK, MACHINE_CHECK_STACK, NMI_STACK};
use super::trap::stub_address;

/// The stub's own ABI: reached by the processor only.
type Stub = extern "C" fn();

/// The gates, aligned as the processor reads them best and as [`gate`] does (SDM "Interrupt Descriptor Table (IDT)").
#[repr(align(16))]
struct Table([Entry<Stub>; 256]);

static TABLE: Once<Table> = Once::new();

/// Fills the table and gives it to the processor.
pub fn load() {
    let table = TABLE.call_once(|| {
        let mut table = [Entry::missing(); 256];
        for (vector, gate) in (0..=u8::MAX).zip(&mut table) {
            set_gate(gate, Vector(vector));
        }
        Table(table)
    });
    let pointer =
        DescriptorTablePointer { limit: (size_of::<Table>() - 1) as u16, base: VirtAddr::from_ptr(&table.0) };
    // SAFETY: the table lives for ever, and every gate of it is present.
    unsafe { lidt(&pointer) };
}

/// The gate that the processor uses for a vector, read back from where its register says; `None` if that is
/// not the kernel's table.
pub fn gate(vector: u8) -> Option<Gate> {
    let table = ptr::from_ref(TABLE.get()?) as u64;
    let pointer = sidt();
    let limit = usize::from(pointer.limit) + 1;
    if pointer.base.as_u64() != table || limit != size_of::<Table>() {
        return None;
    }
    let word = |address: u64| {
        // SAFETY: an aligned word of the table, which was just found to be the kernel's, and lives for ever.
        unsafe { ptr::read_volatile(address as *const u64) }
    };
    let at = table + u64::from(vector) * Gate::BYTES;
    Some(Gate { low: word(at), high: word(at + 8) })
}

/// Points a gate to its vector's stub, on a stack of its own where the interrupted one may be unusable.
fn set_gate(gate: &mut Entry<Stub>, vector: Vector) {
    // SAFETY: the stub expects what the processor pushes for this vector, and the code segment is loaded.
    let options = unsafe { gate.set_handler_addr(VirtAddr::new(stub_address(vector.0))) };
    let stack = match vector {
        Vector::NMI => NMI_STACK,
        Vector::DOUBLE_FAULT => DOUBLE_FAULT_STACK,
        Vector::MACHINE_CHECK => MACHINE_CHECK_STACK,
        _ => return,
    };
    // SAFETY: the task state segment holds a stack under this index that no other vector uses.
    unsafe { options.set_stack_index(stack) };
}
