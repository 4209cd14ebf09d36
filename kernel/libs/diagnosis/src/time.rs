//! Points in time and the distances between them, in words.

use core::fmt;

/// A point in time: nanoseconds since kernel entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A number of nanoseconds since kernel entry.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since kernel entry.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; nothing if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Elapsed {
        Elapsed(self.0.saturating_sub(earlier.0))
    }
}

/// A span of time, shown with the unit that a person would choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elapsed(u64);

impl Elapsed {
    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scale, unit) = match self.0 {
            0..1_000 => return write!(f, "{} ns", self.0),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let (whole, rest) = (self.0 / scale, self.0 % scale);
        if whole < 10 {
            write!(f, "{whole}.{} {unit}", rest / (scale / 10))
        } else {
            write!(f, "{whole} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn spans_are_shown_in_a_fitting_unit() {
        let shown = |nanos| Elapsed(nanos).to_string();
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(1_250), "1.2 µs");
        assert_eq!(shown(12_999), "12 µs");
        assert_eq!(shown(3_000_000), "3.0 ms");
        assert_eq!(shown(61_000_000_000), "61 s");
    }

    #[test]
    fn a_later_start_is_no_time_at_all() {
        let (early, late) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!(late.since(early).as_nanos(), 4);
        assert_eq!(early.since(late).as_nanos(), 0);
    }
}
