//! Why an invalidation is not known to have happened.

use core::fmt;

use crate::queue::QueueError;
use crate::spec::fault_event::FaultStatus;
use crate::spec::register_invalidation::Granularity;
use iommu::wait::TimedOut;

/// Why an invalidation is not known to have happened. The caller must treat the pages as still reachable;
/// it may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidationError {
    /// The unit was not brought up.
    NotBroughtUp,
    /// The unit once did not answer in time and is asked nothing any more.
    Dead,
    /// More requests than one submission holds.
    BatchTooLong {
        /// How many were given.
        requests: usize,
    },
    /// No room in the queue for now.
    QueueFull,
    /// The queue stopped, and submitting again did not help.
    Queue(QueueError),
    /// The unit did not work through the queue in time.
    QueueTimedOut {
        /// Which descriptor it stands at.
        head: usize,
        /// Where the queue ends.
        tail: usize,
        /// The fault status register.
        status: FaultStatus,
    },
    /// An invalidation by register was not answered in time.
    RegisterTimedOut(TimedOut),
    /// An invalidation by register was refused, or narrowed.
    Refused {
        /// What was asked for.
        requested: Granularity,
        /// What the unit says it did.
        done: Granularity,
    },
    /// The queue alone can ask for it, and the unit has none.
    QueueOnly,
}

impl fmt::Display for InvalidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBroughtUp => f.write_str("the unit was not brought up"),
            Self::Dead => f.write_str("the unit once did not answer in time, and is asked nothing any more"),
            Self::BatchTooLong { requests } => {
                write!(f, "{requests} invalidations are more than the queue holds")
            }
            Self::QueueFull => f.write_str("the invalidation queue is full"),
            Self::Queue(error) => error.fmt(f),
            Self::QueueTimedOut { head, tail, status } => write!(
                f,
                "the invalidation queue stands at {head} of {tail}, fault status {:#x}",
                status.bits()
            ),
            Self::RegisterTimedOut(error) => error.fmt(f),
            Self::Refused { requested, done } => {
                write!(f, "invalidation of granularity {:#x} answered with {:#x}", requested.0, done.0)
            }
            Self::QueueOnly => f.write_str("without a queue the unit forgets no interrupt entry"),
        }
    }
}

impl core::error::Error for InvalidationError {}

impl From<TimedOut> for InvalidationError {
    fn from(error: TimedOut) -> Self {
        Self::RegisterTimedOut(error)
    }
}

impl From<QueueError> for InvalidationError {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}
