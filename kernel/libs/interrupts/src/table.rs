//! Who has which of the devices' vectors.

use core::fmt;

use crate::class::{DEVICE_VECTORS, FIRST_DEVICE_VECTOR};
use crate::owner::VectorOwner;

/// A vector that a device has: within the devices' class, and its owner's alone until it is given back. Only
/// [`VectorTable::give`] makes one, and it cannot be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceVector {
    number: u8,
    owner: VectorOwner,
}

impl DeviceVector {
    /// Its number.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Who has it.
    pub const fn owner(&self) -> VectorOwner {
        self.owner
    }

    /// Its place among the devices' vectors, from 0.
    pub const fn index(&self) -> usize {
        self.number.saturating_sub(FIRST_DEVICE_VECTOR) as usize
    }
}

/// Whether a message is let through at its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The device may send it.
    Open,
    /// It is masked.
    Masked,
}

/// One of the devices' vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Nobody ever had it.
    Unused,
    /// Somebody has it.
    Given(VectorOwner, Flow),
    /// Nobody has it any more; a message that comes late, or is forged, bears this one's number.
    Former(VectorOwner),
}

/// All of the devices' vectors. What is given back is given out again as late as possible, so that a message which was
/// under way then is not taken for another's.
#[derive(Debug)]
pub struct VectorTable {
    rows: [Row; DEVICE_VECTORS],
    /// Where the search for the next begins.
    next: usize,
}

impl Default for VectorTable {
    fn default() -> Self {
        Self::new()
    }
}

impl VectorTable {
    /// A table in which nobody has a vector.
    pub const fn new() -> Self {
        Self { rows: [Row::Unused; DEVICE_VECTORS], next: 0 }
    }

    /// Gives a vector to a message that has none.
    ///
    /// # Errors
    /// If it has one, or none is free.
    pub fn give(&mut self, owner: VectorOwner) -> Result<DeviceVector, NoVector> {
        let is_its = |row: &Row| {
            matches!(row, Row::Given(other, _)
            if (other.function, other.message) == (owner.function, owner.message))
        };
        if self.rows.iter().any(is_its) {
            return Err(NoVector::HasOne { owner });
        }
        let places = (self.next..DEVICE_VECTORS).chain(0..self.next);
        let free = places.into_iter().find(|place| !matches!(self.rows.get(*place), Some(Row::Given(..))));
        let place = free.ok_or(NoVector::NoneFree)?;
        let row = self.rows.get_mut(place).ok_or(NoVector::NoneFree)?;
        *row = Row::Given(owner, Flow::Open);
        self.next = place.saturating_add(1) % DEVICE_VECTORS;
        let number = FIRST_DEVICE_VECTOR.checked_add(u8::try_from(place).map_err(|_| NoVector::NoneFree)?);
        number.map(|number| DeviceVector { number, owner }).ok_or(NoVector::NoneFree)
    }

    /// Takes a vector back. Its message must have been masked.
    pub fn give_back(&mut self, vector: DeviceVector) {
        if let Some(row) = self.rows.get_mut(vector.index())
            && let Row::Given(owner, _) = *row
        {
            *row = Row::Former(owner);
        }
    }

    /// Takes note of whether the message behind a vector is let through; nothing for a vector that nobody has.
    pub fn note_flow(&mut self, vector: u8, now: Flow) {
        if let Some(Row::Given(_, flow)) = place(vector).and_then(|place| self.rows.get_mut(place)) {
            *flow = now;
        }
    }

    /// What is known of a vector; [`Row::Unused`] for one outside of the devices' class.
    pub fn row(&self, vector: u8) -> Row {
        place(vector).and_then(|place| self.rows.get(place)).copied().unwrap_or(Row::Unused)
    }

    /// Who has a vector.
    pub fn owner(&self, vector: u8) -> Option<VectorOwner> {
        match self.row(vector) {
            Row::Given(owner, _) => Some(owner),
            Row::Unused | Row::Former(_) => None,
        }
    }

    /// How many vectors are given.
    pub fn given(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row, Row::Given(..))).count()
    }
}

/// The place of a vector among the rows, if it is in the devices' class.
fn place(vector: u8) -> Option<usize> {
    vector.checked_sub(FIRST_DEVICE_VECTOR).map(usize::from).filter(|place| *place < DEVICE_VECTORS)
}

/// Why a message gets no vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVector {
    /// It has one.
    HasOne {
        /// The message.
        owner: VectorOwner,
    },
    /// Others have all of them.
    NoneFree,
}

impl fmt::Display for NoVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HasOne { owner } => write!(f, "{owner} has a vector already"),
            Self::NoneFree => write!(f, "other devices have all {DEVICE_VECTORS} vectors"),
        }
    }
}

impl core::error::Error for NoVector {}

#[cfg(test)]
mod tests;
