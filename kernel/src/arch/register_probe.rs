//! Interrupted code that knows what stands in its registers.
#![expect(unsafe_code, reason = "UNSAFETY: fills and reads every general register, which only assembly can")]

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use super::interrupts::InterruptsOff;
use super::timer;
use core::time::Duration;

/// General registers without the stack pointer.
const REGISTERS: usize = 15;

/// What each register holds while the probe waits.
const PATTERNS: [u64; REGISTERS] = {
    let mut patterns = [0; REGISTERS];
    let mut index = 0;
    while index < REGISTERS {
        patterns[index] = 0x0123_4567_89ab_cdef_u64.rotate_left(4 * index as u32 + 1) ^ index as u64;
        index += 1;
    }
    patterns
};

/// How often the timer may wake the probe before it gives up.
const WAKE_UPS: u64 = 300;

/// How often it is woken.
const WAKE_UP: Duration = Duration::from_millis(10);

/// Memory that only the probe uses, with interrupts off around its setting up.
#[repr(transparent)]
struct Words<const N: usize>(UnsafeCell<[u64; N]>);

// SAFETY: `wait_for_interrupt` is the only user, and holds `BUSY` meanwhile.
unsafe impl<const N: usize> Sync for Words<N> {}

static LOADED: Words<REGISTERS> = Words(UnsafeCell::new(PATTERNS));
static FOUND: Words<REGISTERS> = Words(UnsafeCell::new([0; REGISTERS]));
static TRIES: AtomicU64 = AtomicU64::new(0);
static COUNTER: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);
static BUSY: AtomicU64 = AtomicU64::new(0);

/// Notes that the interrupt came which a probe may be waiting for. Called by its handler.
pub fn note_interrupt() {
    COUNTER.fetch_add(1, Ordering::Relaxed);
}

/// Interrupts noted so far.
pub fn interrupts_noted() -> u64 {
    COUNTER.load(Ordering::Relaxed)
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The interrupt came, and every register held what it should.
    Intact,
    /// It came, and this register did not: its place in the order rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to
    /// r15.
    Changed {
        /// Which.
        register: usize,
        /// What it held.
        found: u64,
    },
    /// It did not come.
    NoInterrupt,
}

/// Waits, with known values in all registers, until more than `seen` interrupts were noted.
pub fn wait_for_interrupt(seen: u64) -> Probed {
    if BUSY.swap(1, Ordering::Acquire) != 0 {
        return Probed::NoInterrupt;
    }
    {
        let _off = InterruptsOff::new();
        SEEN.store(seen, Ordering::Relaxed);
        TRIES.store(WAKE_UPS, Ordering::Relaxed);
    }
    timer::start_periodic(WAKE_UP);
    // SAFETY: the routine keeps to the calling convention, and its memory is free: `BUSY` was not set.
    unsafe { probe() };
    timer::stop();
    // SAFETY: the routine has returned, and nothing else writes there.
    let found = unsafe { *FOUND.0.get() };
    let came = COUNTER.load(Ordering::Relaxed) > seen;
    BUSY.store(0, Ordering::Release);
    if !came {
        return Probed::NoInterrupt;
    }
    match found.iter().zip(&PATTERNS).position(|(found, pattern)| found != pattern) {
        Some(register) => Probed::Changed { register, found: found[register] },
        None => Probed::Intact,
    }
}

/// Loads every register, halts until the counter has moved or the tries are used up, and stores what the
/// registers then hold. The flags and memory alone are used to decide, so that no register is.
#[unsafe(naked)]
unsafe extern "C" fn probe() {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "lea rax, [rip + {loaded}]",
        "mov rbx, [rax + 8]", "mov rcx, [rax + 16]", "mov rdx, [rax + 24]", "mov rsi, [rax + 32]",
        "mov rdi, [rax + 40]", "mov rbp, [rax + 48]", "mov r8, [rax + 56]", "mov r9, [rax + 64]",
        "mov r10, [rax + 72]", "mov r11, [rax + 80]", "mov r12, [rax + 88]", "mov r13, [rax + 96]",
        "mov r14, [rax + 104]", "mov r15, [rax + 112]", "mov rax, [rax]",
        "2:",
        // Interrupts are off between the look and the halt, so none is missed.
        "cli",
        "push rax",
        "mov rax, [rip + {seen}]",
        "cmp [rip + {counter}], rax",
        "pop rax",
        "ja 3f",
        "dec qword ptr [rip + {tries}]",
        "jz 3f",
        "sti",
        "hlt",
        "jmp 2b",
        "3:",
        "sti",
        "mov [rip + {found}], rax", "mov [rip + {found} + 8], rbx", "mov [rip + {found} + 16], rcx",
        "mov [rip + {found} + 24], rdx", "mov [rip + {found} + 32], rsi", "mov [rip + {found} + 40], rdi",
        "mov [rip + {found} + 48], rbp", "mov [rip + {found} + 56], r8", "mov [rip + {found} + 64], r9",
        "mov [rip + {found} + 72], r10", "mov [rip + {found} + 80], r11", "mov [rip + {found} + 88], r12",
        "mov [rip + {found} + 96], r13", "mov [rip + {found} + 104], r14", "mov [rip + {found} + 112], r15",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        loaded = sym LOADED,
        found = sym FOUND,
        seen = sym SEEN,
        counter = sym COUNTER,
        tries = sym TRIES,
    )
}
