//! Bounded waits: for a register to say that a command is done.

use core::fmt;
use mmio_regs::{Clock, Readable, Register, RegisterValue, Registers, TypedAccess};

/// The longest wait for one command or invalidation.
///
/// Real units answer within microseconds, draining of reads included; emulators at once. A second covers
/// a host that is busy elsewhere, and still lets a boot go on without the unit.
pub const ANSWER_LIMIT_NS: u64 = 1_000_000_000;

/// The longest wait for a queue that firmware left running to become empty.
///
/// It has nothing in it that takes longer than a command. It is turned off afterwards in any case.
pub const EMPTY_QUEUE_LIMIT_NS: u64 = 100_000_000;

/// A register that did not come to say what it should within its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// The mnemonic of the register that was waited for.
    pub register: &'static str,
    /// The bits looked at.
    pub mask: u64,
    /// What they should be.
    pub expected: u64,
    /// The whole register as last read.
    pub found: u64,
    /// How long was waited, in nanoseconds.
    pub waited_ns: u64,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {:#x}, expected {:#x} in bits {:#x}, after {} ms",
            self.register,
            self.found,
            self.expected,
            self.mask,
            self.waited_ns / 1_000_000
        )
    }
}

impl core::error::Error for TimedOut {}

/// A point in time after which a wait gives up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start_ns: u64,
    limit_ns: u64,
}

impl Deadline {
    /// A wait that begins now and gives up after so many nanoseconds.
    pub fn after(limit_ns: u64, clock: &impl Clock) -> Self {
        Self { start_ns: clock.now_ns(), limit_ns }
    }

    /// Nanoseconds since the wait began.
    pub fn waited_ns(&self, clock: &impl Clock) -> u64 {
        clock.now_ns().saturating_sub(self.start_ns)
    }

    /// Tells whether it is time to give up.
    pub fn has_passed(&self, clock: &impl Clock) -> bool {
        self.waited_ns(clock) >= self.limit_ns
    }
}

/// Waits until the bits `mask` of a register are `expected`.
///
/// The register is read once more after the deadline, for a caller that was held up elsewhere.
///
/// # Errors
/// They did not become so in time.
pub fn wait_for<V: RegisterValue, K: Readable>(
    registers: &impl Registers,
    register: Register<V, K>,
    (mask, expected): (V, V),
    limit_ns: u64,
    clock: &impl Clock,
) -> Result<V, TimedOut> {
    let (mask, expected) = (mask.into_bits(), expected.into_bits());
    let deadline = Deadline::after(limit_ns, clock);
    loop {
        let last_chance = deadline.has_passed(clock);
        let value = registers.get(register);
        if value.into_bits() & mask == expected {
            return Ok(value);
        }
        if last_chance {
            return Err(TimedOut {
                register: register.name(),
                mask,
                expected,
                found: value.into_bits(),
                waited_ns: deadline.waited_ns(clock),
            });
        }
        clock.relax();
    }
}
