//! Who has which vector, and how often each was raised.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use ::interrupts::{DeviceVector, Flow, NoVector, Row, VectorClass, VectorOwner, VectorTable};
use ::iommu::interrupts::{Route, Trigger};
use alloc::vec::Vec;
use dma_types::Bdf;
use exceptions::Vector;

use super::{APIC_ERROR_VECTOR, APIC_SPURIOUS_VECTOR, TIMER_VECTOR, apic};
use crate::arch::FAULT_VECTOR;
use crate::journal;
use crate::sync::{IrqLock, rank};

static TABLE: IrqLock<VectorTable, rank::Vectors> = IrqLock::new(VectorTable::new());

/// Interrupts by vector: a device's since it was given the vector.
static COUNTS: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

/// Gives a message of a function a vector on this processor.
///
/// # Errors
/// If it has one, or none is free.
pub fn give(function: Bdf, message: u16) -> Result<DeviceVector, NoVector> {
    let vector = TABLE.lock().give(VectorOwner { function, message, processor: apic::id() })?;
    count_of(vector.number()).store(0, Ordering::Relaxed);
    Ok(vector)
}

/// Where a unit that remaps interrupts leads the message that raises a vector.
pub const fn route(vector: &DeviceVector) -> Route {
    Route { vector: vector.number(), destination: vector.owner().processor, trigger: Trigger::Edge }
}

/// Takes a vector back, whose message was masked before.
pub fn give_back(vector: DeviceVector) {
    TABLE.lock().give_back(vector);
}

/// Takes note of whether the message behind a vector is let through.
pub fn note_flow(vector: u8, flow: Flow) {
    TABLE.lock().note_flow(vector, flow);
}

/// How often a vector was raised: a device's since it was given it.
pub fn count(vector: u8) -> u64 {
    count_of(vector).load(Ordering::Relaxed)
}

/// Counts an interrupt.
pub(super) fn note(vector: u8) {
    count_of(vector).fetch_add(1, Ordering::Relaxed);
}

fn count_of(vector: u8) -> &'static AtomicU64 {
    &COUNTS[usize::from(vector)]
}

/// Who raises a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A device.
    Device(VectorOwner, Flow),
    /// Nobody any more.
    Former(VectorOwner),
    /// The processor itself, or its APIC.
    Processor(&'static str),
    /// The remapping units.
    Units,
    /// The 8259 controllers, which are masked.
    Legacy,
    /// Nobody: whoever does has forged the message.
    Nobody,
}

/// Who raises a vector, as far as anybody may.
pub fn source(vector: u8) -> Source {
    match (vector, TABLE.lock().row(vector)) {
        (_, Row::Given(owner, flow)) => Source::Device(owner, flow),
        (_, Row::Former(owner)) => Source::Former(owner),
        (FAULT_VECTOR, _) => Source::Units,
        (TIMER_VECTOR, _) => Source::Processor("the APIC's timer"),
        (APIC_ERROR_VECTOR, _) => Source::Processor("errors of the APIC"),
        (APIC_SPURIOUS_VECTOR, _) => Source::Processor("withdrawn interrupts"),
        _ if Vector(vector).is_exception() => Source::Processor("exceptions"),
        _ if VectorClass::of(vector) == VectorClass::Legacy => Source::Legacy,
        _ => Source::Nobody,
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(owner, _) => owner.fmt(f),
            Self::Former(owner) => write!(f, "nobody; it was that of {owner}"),
            Self::Processor(what) => f.write_str(what),
            Self::Units => f.write_str("the remapping units"),
            Self::Legacy => f.write_str("the 8259 controllers"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// One line of the table of vectors.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The vector.
    pub vector: u8,
    /// Who raises it.
    pub source: Source,
    /// How often it was raised.
    pub count: u64,
}

/// What the table of vectors says of one.
pub fn line(vector: u8) -> Line {
    let count = match vector {
        FAULT_VECTOR => journal::fault_interrupts().0,
        _ => count(vector),
    };
    Line { vector, source: source(vector), count }
}

/// Every vector that somebody has, or that was raised though nobody has it.
pub fn list() -> Vec<Line> {
    let is_of_use = |line: &Line| match line.source {
        Source::Device(..) | Source::Units => true,
        Source::Processor(_) | Source::Former(_) | Source::Legacy | Source::Nobody => line.count > 0,
    };
    (0..=u8::MAX).map(line).filter(is_of_use).collect()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vector {:#04x}: {} {}", self.vector, self.count, self.source)?;
        if let Source::Device(owner, flow) = self.source {
            let state = if flow == Flow::Masked { "masked" } else { "open" };
            write!(f, ", to processor {}, {state}", owner.processor)?;
        }
        Ok(())
    }
}
