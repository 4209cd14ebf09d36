//! The ends of the kernel, asked for: exceptions, a stack that overflows, panics.
//!
//! Each must end in a report and a stop screen, which only somebody outside can check. Here fails what does
//! not end the kernel.

mod exception;

use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use core::time::Duration;

use dma_types::{Access, Iova};

use super::{check, skip};
use crate::platform::{clock, framebuffer};

/// An address below every window: nothing is ever mapped there.
const NOBODYS: Iova = Iova::new(0x1_0000);
/// Longer than any device takes from its start to its request.
const REQUEST_TIME: Duration = Duration::from_secs(20);

/// One way to end the kernel.
pub(super) struct Raise {
    /// The self-test's name.
    pub name: &'static str,
    by: fn(),
    survived: Survived,
}

/// What it means if the kernel goes on.
#[derive(Clone, Copy)]
enum Survived {
    /// Something is wrong.
    Failure,
    /// The processor does not do this.
    Absent(&'static str),
}

impl Raise {
    const fn new(name: &'static str, by: fn()) -> Self {
        Self { name, by, survived: Survived::Failure }
    }

    const fn or_absent(self, why: &'static str) -> Self {
        Self { survived: Survived::Absent(why), ..self }
    }

    /// Ends the kernel, or reports that it is still there.
    pub(super) fn run(&self) {
        (self.by)();
        match self.survived {
            Survived::Failure => check(self.name, Err("nothing was raised")),
            Survived::Absent(why) => skip(self.name, why),
        }
    }
}

/// Every one.
pub(super) const RAISES: [Raise; 22] = [
    Raise::new("raise-de", exception::divide_error),
    Raise::new("raise-db", exception::debug_exception),
    Raise::new("raise-bp", exception::breakpoint),
    Raise::new("raise-ud", exception::invalid_opcode),
    Raise::new("raise-nm", exception::device_not_available),
    Raise::new("raise-df", exception::double_fault),
    Raise::new("raise-np", exception::segment_not_present),
    Raise::new("raise-ss", exception::stack_segment_fault),
    Raise::new("raise-gp", exception::general_protection),
    Raise::new("raise-gp-selector", exception::general_protection_by_selector),
    Raise::new("raise-pf-read", exception::page_fault_by_read),
    Raise::new("raise-pf-write", exception::page_fault_by_write),
    Raise::new("raise-pf-code", exception::page_fault_by_write_to_code),
    Raise::new("raise-pf-fetch", exception::page_fault_by_fetch),
    Raise::new("raise-mf", exception::x87_error),
    Raise::new("raise-xm", exception::simd_error)
        .or_absent("this processor notes errors of vector instructions and raises nothing"),
    Raise::new("overflow-stack", overflow_stack),
    Raise::new("panic", panic_plainly),
    Raise::new("panic-twice", panic_twice),
    Raise::new("raise-in-screen", fault_while_drawing),
    Raise::new("raise-with-spoiled-heap", violate_with_spoiled_heap),
    Raise::new("raise-in-spoiled-heap", allocate_from_spoiled_heap),
];

/// Calls itself until the stack runs into its guard page.
fn overflow_stack() {
    black_box(deeper(0));
}

#[expect(unconditional_recursion, reason = "the stack must overflow")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    // What is done after the call keeps it from becoming a jump.
    deeper(depth + 1) + frame.iter().sum::<u64>()
}

fn panic_plainly() {
    panic!("asked for by the self-test");
}

/// Panics with a message that raises an exception when the stop path wants to show it.
fn panic_twice() {
    panic!("{Unspeakable}");
}

/// Panics, and raises an exception while the stop screen is drawn.
fn fault_while_drawing() {
    framebuffer::lose();
    panic!("asked for by the self-test, with a screen that is gone");
}

/// Lets a device write where nothing is mapped for it, unannounced, and spoils the heap before it does. Panics
/// where no device can be told to.
fn violate_with_spoiled_heap() {
    let started = super::copying_devices().next().map(|device| device.start(Access::Write, NOBODYS).is_ok());
    exception::write_after_free();
    // The request comes some time after the start, and so does the interrupt.
    match started {
        Some(true) => clock::sleep(REQUEST_TIME),
        _ => panic!("asked for by the self-test, with a spoiled heap"),
    }
}

/// Allocates after the heap was spoiled, which shows that it was: an exception comes with the heap's lock held.
fn allocate_from_spoiled_heap() {
    exception::write_after_free();
    for exponent in 5..17 {
        let blocks: [Vec<u8>; 8] = core::array::from_fn(|_| Vec::with_capacity(1 << exponent));
        black_box(blocks);
    }
}

struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        exception::invalid_opcode();
        f.write_str("nothing was raised")
    }
}
