//! The first look: reads only.

use mmio_regs::{Registers, TypedAccess};

use crate::spec::control::Control;
use crate::spec::features::Features;
use crate::spec::page_entry::TableLevels;
use crate::spec::registers::{CONTROL, FEATURES, STATUS, WINDOW};

use super::{Path, Unit, UnitError};

/// Whether a unit remembers entries that were not present (NpCache of its capability header).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Present entries alone: what is mapped is found at once.
    Present,
    /// Others too: what is mapped has to be announced.
    Everything,
}

/// What is said of a unit elsewhere: its capability header in configuration space, and firmware's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// What the header says of caching.
    pub caching: Caching,
    /// The features by firmware's table; none where it has no place for them.
    pub features: Option<Features>,
}

impl<R: Registers> Unit<R> {
    /// Takes a unit whose registers answer.
    ///
    /// A feature counts where the register and firmware's table both have it: either may be wrong, and what is not used
    /// does no harm.
    ///
    /// # Errors
    /// The window is too short, answers with all ones, or says things no unit says.
    pub fn probe(registers: R, announced: Announced) -> Result<Self, UnitError> {
        if registers.len() < WINDOW {
            return Err(UnitError::WindowTooShort { bytes: registers.len() });
        }
        let (control, status) = (registers.get(CONTROL), registers.get(STATUS));
        let features = registers.get(FEATURES);
        if control.bits() == u64::MAX || status.bits() == u64::MAX || features.0 == u64::MAX {
            return Err(UnitError::NotAnswering { control, status, features });
        }
        let features = announced.features.map_or(features, |other| features.agreed(other));
        // Every depth from what is announced downwards is walked; addresses of 48 bits are what tables are built for.
        let deepest = features.deepest().ok_or(UnitError::NoTableLevels { features })?;
        Ok(Self {
            registers,
            features,
            caching: announced.caching,
            levels: deepest.min(TableLevels::Four),
            control: Control::empty(),
            table: None,
            path: Path::None,
            queue: None,
            log: None,
        })
    }
}
