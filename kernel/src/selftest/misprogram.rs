//! Units and tables made wrong on purpose, so that a self-test can see what the hardware makes of it.
//!
//! Everything is put right again when the value that stands for it is dropped.
#![expect(unsafe_code, reason = "UNSAFETY: makes tables wrong that devices go by")]

use core::fmt;

use ::iommu::Error;
use dma_types::{Iova, PhysAddr, SourceId};
use vtd::spec::descriptor::Descriptor;
use vtd::{Invalidation, QueueError, TableMemory};

use crate::iommu::{IommuError, Unit};
use crate::memory::direct;
use crate::memory::tables::FrameMemory;
use crate::sync::InterruptsOff;

/// A word of the tables on the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableWord {
    /// Of the bus's root entry.
    Root(Half),
    /// Of the requester's context entry.
    Context(Half),
    /// The second-stage entry of this level; 1 is the lowest.
    Level(u8),
}

/// One of the two words of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Bits 63:0.
    Low,
    /// Bits 127:64.
    High,
}

/// What is done to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Bits that are cleared.
    pub clear: u64,
    /// Bits that are set after that.
    pub set: u64,
}

/// A request whose way through the tables is changed.
#[derive(Clone, Copy)]
pub struct Way {
    /// Where it is translated.
    pub unit: &'static Unit,
    /// Who makes it.
    pub source: SourceId,
    /// Its address.
    pub iova: Iova,
}

/// A word of the tables that is wrong until this is dropped. Nothing may be mapped or unmapped, attached or
/// blocked there meanwhile.
#[must_use = "dropping it puts the word right again"]
pub struct Misprogrammed {
    unit: &'static Unit,
    at: PhysAddr,
    right: u64,
}

/// Why a word was not changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MisprogramError {
    /// No walk comes to an entry of this level.
    NoEntry(TableWord),
    /// The unit did not confirm that it forgot what stood there; that stands there again.
    Unit(IommuError),
}

impl fmt::Display for MisprogramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry(place) => write!(f, "there is no entry at {place:?}"),
            Self::Unit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MisprogramError {}

impl From<IommuError> for MisprogramError {
    fn from(error: IommuError) -> Self {
        Self::Unit(error)
    }
}

impl Misprogrammed {
    /// Changes a word and has the unit forget what stood there.
    ///
    /// # Errors
    /// If there is no such word, or the unit does not confirm.
    ///
    /// # Safety
    /// The walk leads through tables of the unit alone, as they stand now. Until the word is right again, no device whose requests go by it is told anything but the one request that the
    /// change is for; and that request fails, or reaches memory of the caller's.
    pub unsafe fn new(way: Way, place: TableWord, change: Change) -> Result<Self, MisprogramError> {
        let unit = way.unit;
        let at = match place {
            TableWord::Root(half) => {
                let entry = unit.read(|active| active.roots().root_entry_address(way.source.bus()));
                half.of(entry.ok_or(MisprogramError::NoEntry(place))?)
            }
            TableWord::Context(half) => {
                let entry = unit.read(|active| active.entry_address(way.source));
                half.of(entry.ok_or(MisprogramError::NoEntry(place))?)
            }
            TableWord::Level(level) => {
                let walk = unit.walk(way.source, Some(way.iova));
                let step = walk.and_then(|walk| walk.steps().find(|step| step.level == level));
                step.ok_or(MisprogramError::NoEntry(place))?.at
            }
        };
        if !direct::is_ram(at, size_of::<u64>() as u64) {
            return Err(MisprogramError::NoEntry(place));
        }
        let right = FrameMemory.read(at);
        // From here on it is put right again, whatever happens.
        let changed = Self { unit, at, right };
        changed.write(right & !change.clear | change.set)?;
        Ok(changed)
    }

    /// Puts the word right again.
    ///
    /// # Errors
    /// If the unit does not confirm that it forgot the wrong one; the right one stands there all the same.
    pub fn restore(self) -> Result<(), IommuError> {
        let restored = self.write(self.right);
        core::mem::forget(self);
        restored
    }

    fn write(&self, value: u64) -> Result<(), IommuError> {
        FrameMemory.write(self.at, value);
        FrameMemory.flush(self.at, size_of::<u64>() as u64);
        let everything = [Invalidation::ContextGlobal, Invalidation::IotlbGlobal];
        self.unit.run(&InterruptsOff::new(), |controller| {
            controller.unit_mut().invalidate_all(&everything).map_err(Error::Unconfirmed)
        })
    }
}

impl Drop for Misprogrammed {
    fn drop(&mut self) {
        if let Err(error) = self.write(self.right) {
            log::error!("the unit may remember a table entry that was wrong on purpose: {error}");
        }
    }
}

impl Half {
    /// This half of the entry at an address.
    const fn of(self, entry: PhysAddr) -> PhysAddr {
        match self {
            Self::Low => entry,
            Self::High => PhysAddr::new(entry.as_u64() | 8),
        }
    }
}

/// A descriptor of a type that there is not.
pub const UNKNOWN_DESCRIPTOR: Descriptor = Descriptor { low: 0xf, high: 0 };

/// Puts [`UNKNOWN_DESCRIPTOR`] into the unit's invalidation queue, where it stops it.
///
/// # Errors
/// If the unit has no queue.
pub fn stop_queue(unit: &Unit) -> Result<(), IommuError> {
    unit.run(&InterruptsOff::new(), |controller| {
        controller.unit_mut().submit_raw(UNKNOWN_DESCRIPTOR).map_err(Error::Unconfirmed)
    })
}

/// How often the unit's queue had to be recovered, and what was found last.
pub fn queue_errors(unit: &Unit) -> (u32, Option<QueueError>) {
    unit.read(|active| active.unit().queue_errors()).unwrap_or_default()
}
