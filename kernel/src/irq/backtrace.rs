//! Return addresses, found by searching the stack.
//!
//! The kernel keeps no frame pointers. A word on a stack of ours that points into the kernel's code, right
//! behind a call instruction, is taken for a return address.
#![expect(unsafe_code, reason = "UNSAFETY: reads stacks and code by address")]

use core::ptr;

use exceptions::{LONGEST_CALL, ReturnAddresses, ends_with_call};

use crate::arch::stacks;
use crate::memory::image;

/// Words searched at most: what is further out than this is rarely of interest.
const SEARCHED_WORDS: u64 = 1024;

/// Return addresses from a stack pointer outwards; none if it lies in no stack of the kernel.
pub fn from_stack(stack_pointer: u64) -> ReturnAddresses {
    let mut found = ReturnAddresses::default();
    // An overflowed stack is searched from its end, which is where its innermost frames are.
    let Some(stack) = stacks::containing(stack_pointer).or_else(|| stacks::guarded_at(stack_pointer)) else {
        return found;
    };
    let start = stack_pointer.next_multiple_of(8).max(stack.bottom);
    for address in (start..stack.top).step_by(8).take(SEARCHED_WORDS as usize) {
        if found.is_full() {
            break;
        }
        // SAFETY: the word lies within a stack, which is mapped as long as the kernel runs.
        let word = unsafe { ptr::read_volatile(address as *const u64) };
        if follows_call(word) {
            found.push(word);
        }
    }
    found
}

/// Tells whether an address is in the kernel's code and right behind a call.
fn follows_call(address: u64) -> bool {
    let Some(code) = image::text() else { return false };
    let Some(start) = address.checked_sub(LONGEST_CALL as u64) else { return false };
    if start < code.start || address >= code.end {
        return false;
    }
    // SAFETY: all of it lies within the kernel's code, which is mapped and never changes.
    let bytes = unsafe { core::slice::from_raw_parts(start as *const u8, LONGEST_CALL) };
    ends_with_call(bytes)
}
