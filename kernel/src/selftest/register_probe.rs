//! Interrupted code that knows what stands in its registers.
//!
//! The probe loads every general register and the flags with known values and then does nothing but jump
//! through a word of memory, which needs no register and changes no flag. Handlers turn that word to the way
//! out when they have seen what is waited for; then the probe stores what it finds in its registers.
#![expect(unsafe_code, reason = "UNSAFETY: fills and reads every general register, which only assembly can")]

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use crate::irq::timer;
use crate::platform::clock::Deadline;
use crate::sync::InterruptsOff;

/// The registers in the order in which they are kept.
const NAMES: [&str; REGISTERS] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "rsp", "rflags",
];

/// General registers, the stack pointer and the flags.
const REGISTERS: usize = 17;

/// Place of the flags.
const FLAGS: usize = 16;

/// CF, PF, AF, ZF, SF, IF, DF, OF, AC, and the bit that is always set: the opposite of what handlers run with.
const FLAGS_PATTERN: u64 = 0x4_0ed7;

/// What each register holds while the probe waits; the stack pointer is filled in by the probe.
const PATTERNS: [u64; REGISTERS] = {
    let mut patterns = [0; REGISTERS];
    let mut index = 0;
    while index < FLAGS {
        patterns[index] = 0x0123_4567_89ab_cdef_u64.rotate_left(4 * index as u32 + 1) ^ index as u64;
        index += 1;
    }
    patterns[FLAGS] = FLAGS_PATTERN;
    patterns
};

/// How often the timer may wake the probe before it gives up an interrupt.
const WAKE_UPS: u64 = 300;

/// How often it is woken.
const WAKE_UP: Duration = Duration::from_millis(10);

/// Memory that only the probe uses.
#[repr(transparent)]
struct Words(UnsafeCell<[u64; REGISTERS]>);

// SAFETY: `probe` is the only user, and holds `BUSY` meanwhile.
unsafe impl Sync for Words {}

static LOADED: Words = Words(UnsafeCell::new(PATTERNS));
static FOUND: Words = Words(UnsafeCell::new([0; REGISTERS]));
static BUSY: AtomicBool = AtomicBool::new(false);
/// Where the probe jumps next.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Interrupts noted so far, and how many of them must be exceeded.
static INTERRUPTS: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(u64::MAX);
/// Timer interrupts until the probe ends whatever has come.
static TICKS_LEFT: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// The probe itself.
    fn probe_registers();
    /// Waits halted; the timer wakes it now and then.
    safe fn probe_halted();
    /// Waits running.
    safe fn probe_running();
    /// The way out.
    safe fn probe_over();
}

/// Notes that the interrupt came which a probe may be waiting for. Called by its handler.
pub fn note_interrupt() {
    if INTERRUPTS.fetch_add(1, Ordering::Relaxed) >= SEEN.load(Ordering::Relaxed) {
        leave();
    }
}

/// An alarm that rings at every tick of the timer while a probe counts them.
fn count_tick() {
    let left = |ticks: u64| ticks.checked_sub(1);
    match TICKS_LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
        Ok(1) => leave(),
        Ok(_) => timer::set_alarm(Deadline::at_ns(0), count_tick),
        Err(_) => {}
    }
}

/// Interrupts noted so far.
pub fn interrupts_noted() -> u64 {
    INTERRUPTS.load(Ordering::Relaxed)
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// What was waited for came, and every register held what it should.
    Intact,
    /// A register did not.
    Changed {
        /// Which.
        register: &'static str,
        /// What it held.
        found: u64,
    },
    /// What was waited for did not come.
    NoInterrupt,
}

/// Waits, with known values in all registers, until more than `seen` interrupts were noted.
pub fn wait_for_interrupt(seen: u64) -> Probed {
    let probed = probe(&Wait { seen, ticks: WAKE_UPS, every: WAKE_UP, way: probe_halted });
    if probed == Probed::Intact && interrupts_noted() <= seen { Probed::NoInterrupt } else { probed }
}

/// Runs with known values in all registers until the timer has interrupted so often, about every `every`.
pub fn run_through_ticks(ticks: u64, every: Duration) -> Probed {
    probe(&Wait { seen: u64::MAX, ticks, every, way: probe_running })
}

/// What a probe waits for, and how.
struct Wait {
    seen: u64,
    ticks: u64,
    every: Duration,
    way: extern "C" fn(),
}

fn probe(wait: &Wait) -> Probed {
    if !timer::is_available() || BUSY.swap(true, Ordering::Acquire) {
        return Probed::NoInterrupt;
    }
    {
        let _off = InterruptsOff::new();
        NEXT.store(wait.way as *const () as u64, Ordering::Relaxed);
        SEEN.store(wait.seen, Ordering::Relaxed);
        TICKS_LEFT.store(wait.ticks, Ordering::Relaxed);
        if interrupts_noted() > wait.seen {
            leave();
        }
    }
    timer::start_periodic(wait.every);
    timer::set_alarm(Deadline::at_ns(0), count_tick);
    // SAFETY: the routine keeps to the calling convention, and its memory is free: `BUSY` was not set.
    unsafe { probe_registers() };
    TICKS_LEFT.store(0, Ordering::Relaxed);
    timer::stop();
    // SAFETY: the routine has returned, and nothing else writes there.
    let found = unsafe { *FOUND.0.get() };
    // SAFETY: as above.
    let loaded = unsafe { *LOADED.0.get() };
    BUSY.store(false, Ordering::Release);
    let differing = NAMES.iter().zip(found.iter().zip(&loaded)).find(|(_, (found, loaded))| found != loaded);
    match differing {
        Some((register, (found, _))) => Probed::Changed { register, found: *found },
        None => Probed::Intact,
    }
}

/// Shows the probe the way out.
fn leave() {
    NEXT.store(probe_over as *const () as u64, Ordering::Relaxed);
}

global_asm!(
    ".global probe_registers",
    "probe_registers:",
    "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
    "mov [rip + {loaded} + 120], rsp",
    "lea rax, [rip + {loaded}]",
    "mov rbx, [rax + 8]", "mov rcx, [rax + 16]", "mov rdx, [rax + 24]", "mov rsi, [rax + 32]",
    "mov rdi, [rax + 40]", "mov rbp, [rax + 48]", "mov r8, [rax + 56]", "mov r9, [rax + 64]",
    "mov r10, [rax + 72]", "mov r11, [rax + 80]", "mov r12, [rax + 88]", "mov r13, [rax + 96]",
    "mov r14, [rax + 104]", "mov r15, [rax + 112]",
    "push [rax + 128]",
    "popfq",
    "mov rax, [rax]",
    "jmp [rip + {next}]",
    ".global probe_halted",
    "probe_halted:",
    // Whatever comes between jump and halt, the next tick ends the halt.
    "hlt",
    "jmp [rip + {next}]",
    ".global probe_running",
    "probe_running:",
    "jmp [rip + {next}]",
    ".global probe_over",
    "probe_over:",
    "mov [rip + {found}], rax", "mov [rip + {found} + 8], rbx", "mov [rip + {found} + 16], rcx",
    "mov [rip + {found} + 24], rdx", "mov [rip + {found} + 32], rsi", "mov [rip + {found} + 40], rdi",
    "mov [rip + {found} + 48], rbp", "mov [rip + {found} + 56], r8", "mov [rip + {found} + 64], r9",
    "mov [rip + {found} + 72], r10", "mov [rip + {found} + 80], r11", "mov [rip + {found} + 88], r12",
    "mov [rip + {found} + 96], r13", "mov [rip + {found} + 104], r14", "mov [rip + {found} + 112], r15",
    "mov [rip + {found} + 120], rsp",
    "pushfq",
    "pop [rip + {found} + 128]",
    // As the calling convention wants them; interrupts stay on.
    "push 0x202",
    "popfq",
    "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
    "ret",
    loaded = sym LOADED,
    found = sym FOUND,
    next = sym NEXT,
);
