//! How long a port is waited for.

/// Nanoseconds for which a port may take nothing.
const LONGEST: u64 = 2_000_000_000;

/// Looks at a port within that time, at least. The clock runs on while a virtual machine's processor waits for its
/// turn, so a long time alone is no sign that the port stands still.
const LEAST_LOOKS: u32 = 1 << 12;

/// Whether a port that takes nothing is worth waiting for.
///
/// One that has kept its writers waiting for too long is waited for no more, but still offered what waits: a terminal
/// that comes back finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// When it was first seen to stand still, in nanoseconds.
    since: Option<u64>,
    looks: u32,
    waited: u64,
}

impl Patience {
    /// For a port that has not been tried.
    pub const fn new() -> Self {
        Self { since: None, looks: 0, waited: 0 }
    }

    /// Takes note that the port took something.
    pub const fn note_progress(&mut self) {
        *self = Self::new();
    }

    /// Takes note that the port was looked at and took nothing. `now` is the present time in nanoseconds.
    pub fn note_standstill(&mut self, now: u64) {
        self.waited = now.saturating_sub(*self.since.get_or_insert(now));
        self.looks = self.looks.saturating_add(1);
    }

    /// Tells whether the port is not worth waiting for.
    pub const fn is_exhausted(&self) -> bool {
        self.waited >= LONGEST && self.looks >= LEAST_LOOKS
    }
}
