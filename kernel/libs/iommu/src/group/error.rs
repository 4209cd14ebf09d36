//! Why a sequence of a group did not come to its end.

use super::Group;
use crate::Refusal;

/// Why a function was not let in, moved or released. `E` says how the unit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupError<'l, M, E> {
    /// The unit does not enforce, or it or memory refused.
    Unit(E),
    /// No memory for the sequence itself; nothing has changed.
    OutOfMemory,
    /// It cannot begin for this function; nothing has changed.
    Refused(&'l M, Refusal),
    /// This function was cut off meanwhile.
    CutOff(&'l M),
    /// Another function is cut off that shares an id with it, and the entries are the same; nothing has changed.
    CutOffTogether {
        /// The function.
        member: &'l M,
        /// The other.
        with: &'l M,
    },
}

/// The error of a group's sequences.
pub type Failure<'l, G> = GroupError<'l, <G as Group<'l>>::Member, <G as Group<'l>>::Error>;
