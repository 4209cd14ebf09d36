//! Machine checks: errors that the hardware finds in itself.
//!
//! Until they are let in, an error resets the machine instead of raising the exception.
#![expect(unsafe_code, reason = "UNSAFETY: writes control registers and the machine-check banks' registers")]

use x86_64::registers::control::{Cr4, Cr4Flags};

use super::cpu::{self, Features};

/// Capabilities (SDM "IA32_MCG_CAP MSR"): number of banks, and whether there is a control register for all.
const CAPABILITIES: u32 = 0x179;
const BANK_COUNT: u64 = 0xff;
const CONTROL_PRESENT: u64 = 1 << 8;
/// Control of all banks (SDM "IA32_MCG_CTL MSR").
const CONTROL: u32 = 0x17b;
/// Control of the first bank; the next is four further (SDM "IA32_MCi_CTL MSRs").
const FIRST_BANK_CONTROL: u32 = 0x400;
/// Every kind of error.
const ALL_ERRORS: u64 = u64::MAX;

/// Has every error reported, where the processor can.
pub fn enable() {
    if !cpu::has(Features::MACHINE_CHECK) {
        return;
    }
    if cpu::has(Features::MACHINE_CHECK_BANKS) {
        // SAFETY: the processor has banks, and so this register.
        let capabilities = unsafe { cpu::read_msr(CAPABILITIES) };
        if capabilities & CONTROL_PRESENT != 0 {
            // SAFETY: the capabilities say that the register is there; it only lets errors be reported.
            unsafe { cpu::write_msr(CONTROL, ALL_ERRORS) };
        }
        for bank in 0..(capabilities & BANK_COUNT) as u32 {
            // SAFETY: the capabilities say that the bank is there; the register only lets errors be reported.
            unsafe { cpu::write_msr(FIRST_BANK_CONTROL + 4 * bank, ALL_ERRORS) };
        }
    }
    // SAFETY: the gate for machine checks is in place, with a stack of its own.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::MACHINE_CHECK_EXCEPTION)) };
}
