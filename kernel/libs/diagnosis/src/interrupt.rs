//! Interrupts that a unit refused: what stands at the index that they named, and so what kind of refusal it was.

use core::fmt;

use dma_types::{Bdf, FaultKind, InterruptIndex, SourceId};

use crate::Fault;
use crate::time::Timestamp;
use crate::world::{Device, World};

/// What stands at an index of a unit's table of interrupt entries, as the kernel's books have it when a fault is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptEntry<'w> {
    /// Nobody was ever given it.
    NeverGiven,
    /// Somebody has it.
    Live {
        /// Whose messages may name it.
        owner: Device<'w>,
    },
    /// Somebody had it, and nobody has it now.
    Withdrawn {
        /// Whose messages could name it last.
        owner: Device<'w>,
        /// When it was taken back.
        at: Timestamp,
    },
    /// The table ends before it.
    OutOfRange,
}

impl<'w> InterruptEntry<'w> {
    /// Who has it, or had it last.
    pub const fn owner(&self) -> Option<&Device<'w>> {
        match self {
            Self::Live { owner } | Self::Withdrawn { owner, .. } => Some(owner),
            Self::NeverGiven | Self::OutOfRange => None,
        }
    }
}

/// Why an interrupt was refused, in the report's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterruptKind {
    /// The entry is that of another sender.
    Forged,
    /// The entry is nobody's, and never was, as far as the books tell.
    NeverGiven,
    /// The entry was somebody's, and is no longer.
    Withdrawn,
    /// The table ends before the entry.
    OutOfRange,
    /// The message was of the old format, which no entry stands behind.
    Compatibility,
    /// Reserved bits are set: in the message, or in what the unit read for it.
    Reserved,
    /// The unit could not read what it needed.
    Table,
}

impl fmt::Display for InterruptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "forged",
            Self::NeverGiven => "never-given",
            Self::Withdrawn => "withdrawn",
            Self::OutOfRange => "out-of-range",
            Self::Compatibility => "compatibility",
            Self::Reserved => "reserved",
            Self::Table => "table",
        })
    }
}

/// A refused interrupt in short, for whoever counts, lists and reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefusedInterrupt {
    /// The index that the message named; `None` where the record does not tell.
    pub index: Option<InterruptIndex>,
    /// Why it was refused.
    pub kind: InterruptKind,
    /// Whose entry it is or was; `None` if it is nobody's.
    pub owner: Option<Bdf>,
}

/// A refused interrupt, with what the books know of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt<'w> {
    /// The index that the message named; `None` where the record does not tell.
    pub index: Option<InterruptIndex>,
    /// Why it was refused.
    pub kind: InterruptKind,
    /// What stands at the index, where there is one.
    pub entry: Option<InterruptEntry<'w>>,
}

impl<'w> Interrupt<'w> {
    /// Looks up the entry behind a fault; `None` for other faults, and for a reason that says no more than that an
    /// interrupt was refused.
    pub(crate) fn of(fault: &Fault, world: &'w impl World) -> Option<Self> {
        let index = fault.interrupt;
        let look_up = || index.map(|index| world.interrupt_entry(index));
        let of = |kind, entry| Some(Self { index, kind, entry });
        match fault.kind {
            FaultKind::ForeignInterrupt => of(InterruptKind::Forged, look_up()),
            FaultKind::NoInterruptEntry => {
                let entry = look_up();
                let had = matches!(entry, Some(InterruptEntry::Withdrawn { .. }));
                of(if had { InterruptKind::Withdrawn } else { InterruptKind::NeverGiven }, entry)
            }
            FaultKind::InterruptBeyondTable => of(InterruptKind::OutOfRange, None),
            FaultKind::CompatibilityInterrupt => of(InterruptKind::Compatibility, None),
            FaultKind::MalformedInterrupt | FaultKind::InterruptTableReserved => {
                of(InterruptKind::Reserved, look_up())
            }
            FaultKind::InterruptTableUnreadable => of(InterruptKind::Table, look_up()),
            _ => None,
        }
    }

    /// Whose entry it is or was. Of one that was not there when the message came, nobody's, whoever has it now.
    pub fn owner(&self) -> Option<&Device<'w>> {
        match self.kind {
            InterruptKind::NeverGiven => None,
            _ => self.entry.as_ref()?.owner(),
        }
    }

    /// The same in short.
    pub fn in_short(&self) -> RefusedInterrupt {
        let Self { index, kind, .. } = *self;
        RefusedInterrupt { index, kind, owner: self.owner().map(|owner| owner.bdf) }
    }
}

/// Tells whether an id stands for no sender of an interrupt: emulators record the first or the last that there is for a
/// message that came without one, such as plain DMA into the interrupt range.
pub const fn is_nobodys(id: SourceId) -> bool {
    matches!(id.bits(), 0 | 0xffff)
}

impl Fault {
    /// Tells whether its record names nobody who could have sent it: then nobody is to be blamed for it. Only of
    /// interrupts; a request for memory always carries the id of its sender.
    pub fn is_anonymous(&self) -> bool {
        self.kind.is_interrupt() && is_nobodys(self.requester.source)
    }
}
