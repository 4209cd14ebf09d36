//! Asking the hardware whether it still enforces.
//!
//! Translation, root table pointer and queue stay as [`Unit::bring_up`] left them, interrupt remapping and its table as
//! [`Unit::remap_interrupts`] did, unless somebody else writes the
//! unit's registers: a device that reached them, firmware, or a fault of the hardware. So they are asked again,
//! and never taken for granted.

use core::fmt;

use dma_types::PhysAddr;
use mmio_regs::{Registers, TypedAccess};

use crate::spec::command::{GlobalStatus, RootTableAddress};
use crate::spec::interrupt_table::InterruptTableAddress;
use crate::spec::registers::{GSTS, IRTA, RTADDR};

use super::Unit;

/// What a unit must show for as long as it enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enforcement {
    root: PhysAddr,
    /// It was given a queue, and so must have it on.
    queue: bool,
    /// The interrupt table that it was given, by which alone it must remap.
    interrupts: Option<InterruptTableAddress>,
}

/// The side of a unit that tells whether it still enforces, to be kept apart from the unit: for interrupt handlers
/// and the stop path.
///
/// It only reads registers, three of them at most.
#[derive(Clone, Copy, Debug)]
pub struct EnforcementPort<R> {
    registers: R,
    expected: Enforcement,
}

/// A unit does not enforce any more what it was brought up with. Devices may reach anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnforcementLost {
    /// The status register as read.
    pub status: GlobalStatus,
    /// The root table register as read.
    pub register: RootTableAddress,
    /// The interrupt table register as read, where the unit is to remap interrupts.
    pub interrupts: Option<InterruptTableAddress>,
    expected: Enforcement,
}

impl<R: Registers> EnforcementPort<R> {
    /// Asks the hardware (VT-d "Global Status Register", "Root Table Address Register").
    ///
    /// # Errors
    /// If translation or the queue is off, or the root table is another one than it was given; the same of interrupt
    /// remapping and its table, if it was given one.
    pub fn ask(&self) -> Result<(), EnforcementLost> {
        self.expected.ask(&self.registers)
    }
}

impl Enforcement {
    fn ask(self, registers: &impl Registers) -> Result<(), EnforcementLost> {
        let (status, register) = (registers.get(GSTS), registers.get(RTADDR));
        let interrupts = self.interrupts.map(|_| registers.get(IRTA));
        let lost = EnforcementLost { status, register, interrupts, expected: self };
        if lost.kinds().iter().any(|(is_lost, _)| *is_lost) { Err(lost) } else { Ok(()) }
    }
}

impl EnforcementLost {
    const fn translation(&self) -> bool {
        !self.status.contains(GlobalStatus::TRANSLATION)
    }

    fn root(&self) -> bool {
        self.register.table() != self.expected.root || self.register.table_mode() != 0
    }

    fn queue(&self) -> bool {
        self.expected.queue && !self.status.contains(GlobalStatus::QUEUE)
    }

    fn stands(&self, state: GlobalStatus) -> bool {
        self.expected.interrupts.is_some() && self.status.contains(state)
    }

    fn remapping(&self) -> bool {
        self.expected.interrupts.is_some() && !self.stands(GlobalStatus::INTERRUPT_REMAPPING)
    }

    fn compatibility(&self) -> bool {
        self.stands(GlobalStatus::COMPATIBILITY_INTERRUPTS)
    }

    fn interrupt_table(&self) -> bool {
        self.interrupts != self.expected.interrupts
    }

    /// Everything that can be lost, and whether it is.
    fn kinds(&self) -> [(bool, &'static str); 6] {
        [
            (self.translation(), "translation is off"),
            (self.root(), "the root table is another one"),
            (self.queue(), "the invalidation queue is off"),
            (self.remapping(), "interrupt remapping is off"),
            (self.compatibility(), "interrupts of the compatibility format pass"),
            (self.interrupt_table(), "the interrupt table is another one"),
        ]
    }
}

impl fmt::Display for EnforcementLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = "";
        for (_, words) in self.kinds().iter().filter(|(is_lost, _)| *is_lost) {
            write!(f, "{link}{words}")?;
            link = ", ";
        }
        Ok(())
    }
}

impl core::error::Error for EnforcementLost {}

impl<R: Registers> Unit<R> {
    /// Tells whether translation is on, with the root table and the queue that [`Unit::bring_up`] set.
    ///
    /// Reads the hardware each time.
    pub fn is_enforcing(&self) -> bool {
        self.expected().is_some_and(|expected| expected.ask(&self.registers).is_ok())
    }

    /// The side that is asked again; `None` before [`Unit::bring_up`] has come to its end. After a second bring-up, or a
    /// change of interrupt remapping, it has to be taken anew.
    pub fn enforcement_port(&self) -> Option<EnforcementPort<R>>
    where
        R: Clone,
    {
        Some(EnforcementPort { registers: self.registers.clone(), expected: self.expected()? })
    }

    fn expected(&self) -> Option<Enforcement> {
        Some(Enforcement { root: self.root?, queue: self.queue.is_some(), interrupts: self.interrupts })
    }
}
