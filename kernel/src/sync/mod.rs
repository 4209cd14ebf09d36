//! Locks, and the order in which they may be taken; values that need none.
//!
//! The ground of the kernel: it stands on nothing but the processor's interrupt flag. A lock says by its type which
//! [`Rank`] it has. While a processor holds one, it may take only those of a higher rank, so no two processors ever wait
//! for each other, and no handler for what it interrupted. The table of ranks is [`rank`]; ARCHITECTURE "Locks" says who
//! takes what in which context.

mod choice;
mod held;
mod interrupts;
mod lock;
pub mod rank;

pub use choice::AtomicChoice;
pub use interrupts::{InterruptsOff, interrupts_are_on};
pub use lock::{Guard, IrqGuard, IrqLock, Mutex, MutexGuard};
pub use rank::{Rank, Ranked};
