//! The processor: segments, stacks, the entry of interrupts and exceptions, registers. Who handles them is the room
//! [`irq`](crate::irq).

pub mod cpu;
pub mod gdt;
pub mod idt;
mod machine_check;
pub mod random;
pub mod stacks;
mod trap;

pub use ::exceptions::TrapFrame;
pub use trap::FAULT_VECTOR;

/// Loads segment and interrupt tables; from here every exception ends in a report.
pub fn start() {
    gdt::load();
    idt::load();
    machine_check::enable();
    cpu::forbid_floating_point();
}
