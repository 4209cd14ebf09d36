//! Who may have sent a non-maskable interrupt.
#![expect(unsafe_code, reason = "UNSAFETY: reads the port that tells why there was a non-maskable interrupt")]

use core::fmt;

use arrayvec::ArrayVec;
use dma_types::Bdf;
use exceptions::{NmiCause, NmiStatus};
use x86_64::instructions::port::Port;

use crate::devices::{self, Role};
use crate::platform::pci;

/// Where the platform tells the cause.
const STATUS: u16 = 0x61;

/// Devices that are named.
const NAMED: usize = 16;

/// What is known of a non-maskable interrupt.
pub(super) struct Suspicion {
    cause: NmiCause,
    /// Those that may write to memory, and so send messages.
    masters: ArrayVec<Bdf, NAMED>,
    more: usize,
    endpoints: usize,
}

impl Suspicion {
    /// Looks around. To be called before bus mastering goes off.
    pub(super) fn gather() -> Self {
        // SAFETY: a standard port of every PC; reading has no effect.
        let status = NmiStatus(unsafe { Port::<u8>::new(STATUS).read() });
        let mut found = Self { cause: status.cause(), masters: ArrayVec::new(), more: 0, endpoints: 0 };
        for record in devices::all().iter().filter(|record| record.role == Role::Endpoint) {
            found.endpoints += 1;
            if pci::masters(record.bdf) && found.masters.try_push(record.bdf).is_err() {
                found.more += 1;
            }
        }
        found
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        if self.cause != NmiCause::NotShown {
            return Ok(());
        }
        if self.masters.is_empty() {
            return write!(f, "; none masters the bus, so one of {} that ignores that", self.endpoints);
        }
        f.write_str("; those that master the bus:")?;
        self.masters.iter().try_for_each(|device| write!(f, " {device}"))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}
