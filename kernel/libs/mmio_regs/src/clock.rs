//! Time for bounded waits.

/// A clock by which a wait for hardware ends.
pub trait Clock {
    /// Nanoseconds since some start; never goes back.
    fn now_ns(&self) -> u64;
    /// Called once in every round of a wait, so that a processor can rest and a test's clock can move.
    fn relax(&self);
}
