//! Numbers that others find hard to guess.
#![expect(unsafe_code, reason = "UNSAFETY: uses an instruction that not every processor has")]

use core::arch::x86_64::_rdrand64_step;

use super::cpu::{self, Features};

/// Draws in vain before the processor's source counts as broken (SDM "Random Number Generator Instructions").
const ATTEMPTS: usize = 10;

/// A number that differs each time: the processor's own source where it has one, and in any case the time
/// that went by, counted finely. Not fit for keys.
pub fn number() -> u64 {
    let drawn = if cpu::has(Features::RDRAND) {
        // SAFETY: the processor has the instruction.
        unsafe { draw() }
    } else {
        None
    };
    // Spreads the few bits of the time that differ from boot to boot over all.
    cpu::time_stamp().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ drawn.unwrap_or(0)
}

#[target_feature(enable = "rdrand")]
fn draw() -> Option<u64> {
    (0..ATTEMPTS).find_map(|_| {
        let mut number = 0;
        (_rdrand64_step(&mut number) == 1).then_some(number)
    })
}
