//! Panics: a broken invariant of the kernel's own.

use core::panic::PanicInfo;

use spin::Once;

use super::exceptions;
use crate::arch::cpu;
use crate::platform::serial;

/// What ends the kernel after a panic. It must not return, and may find any lock held.
pub type PanicHook = fn(&PanicInfo<'_>) -> !;

static HOOK: Once<PanicHook> = Once::new();

/// Says what ends the kernel, once. Without it the message goes to the serial port and the processor halts.
pub fn set_panic_hook(hook: PanicHook) {
    HOOK.call_once(|| hook);
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    x86_64::instructions::interrupts::disable();
    exceptions::enter_stop(format_args!("{info}"));
    match HOOK.get() {
        Some(hook) => hook(info),
        None => {
            serial::write_now(format_args!("{info}\n"));
            cpu::halt_forever()
        }
    }
}
