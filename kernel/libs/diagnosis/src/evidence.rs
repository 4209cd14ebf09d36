//! The mappings that a diagnosis points to.

use dma_types::{Direction, Iova};

use crate::{Device, Label, Mapping, MappingRecord, Position, Step};

/// A mapping as a diagnosis tells it: what is known of it, and no physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The first byte, as the device addresses it.
    pub start: Iova,
    /// Bytes from there on that were mapped.
    pub length: u64,
    /// Which way its data flow, where known.
    pub direction: Option<Direction>,
    /// What the driver calls it, where known.
    pub label: Option<Label>,
    /// When and where it was mapped, where still known.
    pub mapped: Option<Step>,
    /// When and where it was unmapped; `None` while it is live.
    pub released: Option<Step>,
}

impl From<&MappingRecord> for Owner {
    fn from(record: &MappingRecord) -> Self {
        let MappingRecord { mapping: Mapping { start, length, direction, label, mapped, .. }, released } =
            *record;
        Self { start, length, direction: Some(direction), label: Some(label), mapped: Some(mapped), released }
    }
}

/// The mapping that tells most about a fault, and where the fault lies beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The mapping, live or released.
    pub owner: Owner,
    /// Where the faulting page lies.
    pub position: Position,
}

impl Nearest {
    pub(crate) fn of(record: &MappingRecord, position: Position) -> Self {
        Self { owner: Owner::from(record), position }
    }
}

/// Memory of another domain that the faulting number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign<'w> {
    /// A device of the domain that the memory is mapped in.
    pub device: Device<'w>,
    /// The mapping that holds the number there.
    pub owner: Owner,
    /// How the number belongs to it.
    pub kind: ForeignKind,
}

/// How a number belongs to a mapping of another domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKind {
    /// It is the physical address of the memory behind it.
    PhysicalAddress,
    /// It is a device address of that domain, outside the window of the faulting one.
    DeviceAddress,
}
