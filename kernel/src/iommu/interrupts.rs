//! Interrupts of devices, remapped by their units: whose entry is whose, and which units remap at all.

use core::fmt;

use ::iommu::RemappingUnit;
use ::iommu::interrupts::{Entries, Fate, InterruptError, Interrupts, Route, Sender};
use coverage::Platform;
use diagnosis::Timestamp;
use dma_types::{Bdf, InterruptIndex};
use options::Interrupts as Wish;
use report::{InterruptRemapping, MachineInterrupts};
use vtd::spec::interrupt_entry::DestinationMode;
use vtd::{InvalidationError, RemapError};

use super::unit::{Active, UnitController};
use super::{IommuError, Unit, units};
use crate::devices::DeviceRecord;
use crate::irq::apic;
use crate::platform::clock;
use crate::sync::InterruptsOff;

/// Whose entry each index of a unit is, or was.
pub(super) type EntryBook = Interrupts<Bdf, Timestamp>;

/// Whether a unit remaps interrupts, and why not.
#[derive(Clone, Copy, Debug)]
pub enum Remapping {
    /// It does; entries name processors in this way.
    On(DestinationMode),
    /// Nobody asked for it.
    NotWanted,
    /// The firmware's table says that units do not.
    NotPromised,
    /// It cannot, or failed to.
    Refused(RemapError),
}

/// What a unit does with interrupts, and what that means for its devices.
#[derive(Clone, Copy, Debug)]
pub struct InterruptState {
    remapping: Remapping,
    wish: Wish,
}

impl InterruptState {
    /// That of a unit which could not be taken.
    pub(super) const fn of_failed_unit(wish: Wish) -> Self {
        Self { remapping: Remapping::NotWanted, wish }
    }

    /// Has a unit remap interrupts as the user wishes and the machine lets it. Where it does not, what firmware left on
    /// ends, so that messages pass as they are.
    pub(super) fn settle(active: &mut Active, platform: Platform, wish: Wish) -> Self {
        let remapping = match wish {
            Wish::Plain => Remapping::NotWanted,
            Wish::Remap | Wish::Required if !platform.remaps_interrupts => Remapping::NotPromised,
            Wish::Remap | Wish::Required => {
                let mode = destination_mode(active);
                active.remap_interrupts(mode).map_or_else(Remapping::Refused, |()| Remapping::On(mode))
            }
        };
        if !matches!(remapping, Remapping::On(_))
            && let Err(error) = active.stop_remapping()
        {
            log::error!("interrupt remapping that firmware left on stays on: {error}");
        }
        Self { remapping, wish }
    }

    /// The word of the report.
    pub const fn word(&self) -> InterruptRemapping {
        match self.remapping {
            Remapping::On(_) => InterruptRemapping::On,
            Remapping::NotWanted => InterruptRemapping::Off,
            Remapping::NotPromised => InterruptRemapping::Unsupported,
            Remapping::Refused(error) if error.is_unsupported() => InterruptRemapping::Unsupported,
            Remapping::Refused(_) => InterruptRemapping::Failed,
        }
    }

    /// Tells whether its entries name processors by 32 bits.
    pub const fn is_extended(&self) -> bool {
        matches!(self.remapping, Remapping::On(DestinationMode::X2Apic))
    }

    /// Tells whether the user wants its devices blocked for as long as any may raise every interrupt.
    pub const fn withholds_devices(&self) -> bool {
        matches!(self.wish, Wish::Required) && !matches!(self.remapping, Remapping::On(_))
    }
}

/// How entries name processors: by 32 bits in x2APIC mode, where the unit can. An emulator may offer the mode to
/// processors and not to units; ids of 8 bits arrive all the same there.
fn destination_mode(active: &Active) -> DestinationMode {
    let extended = active.unit().extended_capabilities().extended_interrupt_mode();
    match apic::mode() {
        Some(apic::Mode::X2Apic) if extended => DestinationMode::X2Apic,
        _ => DestinationMode::XApic,
    }
}

impl fmt::Display for InterruptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.remapping {
            Remapping::On(DestinationMode::X2Apic) => f.write_str("interrupts remapped, for x2APIC"),
            Remapping::On(DestinationMode::XApic) => f.write_str("interrupts remapped"),
            Remapping::NotWanted => f.write_str("interrupts NOT remapped, as the option interrupts says"),
            Remapping::NotPromised => {
                f.write_str("interrupts NOT remapped: the firmware's table promises no remapping")
            }
            Remapping::Refused(error) => write!(f, "interrupts NOT remapped: {error}"),
        }
    }
}

/// Which units remap interrupts, of those that enforce.
pub fn of_machine() -> MachineInterrupts {
    let remap = |unit: &&Unit| unit.interrupts.word() == InterruptRemapping::On && unit.is_enforcing();
    match units().iter().filter(remap).count() {
        0 => MachineInterrupts::Plain,
        count if count == units().len() => MachineInterrupts::Remapped,
        _ => MachineInterrupts::Partly,
    }
}

impl Unit {
    /// Tells whether a message of a device has to name an entry.
    pub const fn remaps_interrupts(&self) -> bool {
        matches!(self.interrupts.remapping, Remapping::On(_))
    }

    /// Gives a device entries in a row, one for each route, of which it alone may send the messages.
    ///
    /// # Errors
    /// If the unit does not remap interrupts, none are free, or it did not confirm; nothing is given then.
    pub fn give_interrupts(&self, device: &DeviceRecord, routes: &[Route]) -> Result<Entries, IommuError> {
        let sender = Sender::of_function(device.requester.source, &device.aliases);
        self.with_entries(|book, controller| {
            book.give(controller.unit_mut(), device.bdf, sender, routes, now())
        })
    }

    /// Takes entries back: no message that names them raises anything once this returns.
    ///
    /// # Errors
    /// If the unit did not confirm: messages may still pass, and what they raise must stay nobody else's.
    pub fn withdraw_interrupts(&self, entries: Entries) -> Result<(), IommuError> {
        self.with_entries(|book, controller| book.withdraw(controller.unit_mut(), entries, now()))
    }

    /// What became of an entry, for whoever explains a blocked interrupt. The diagnosis may ask, with domains locked.
    pub fn interrupt_fate(&self, index: InterruptIndex) -> Fate<Bdf, Timestamp> {
        self.entries.lock().as_ref().map_or(Fate::OutOfRange, |book| book.fate(index))
    }

    /// Entries in use, and how many there are.
    pub fn interrupt_entries(&self) -> (usize, usize) {
        self.entries.lock().as_ref().map_or((0, 0), |book| (book.in_use(), book.capacity()))
    }

    /// Runs a sequence on the unit and its book of entries.
    fn with_entries<T>(
        &self,
        sequence: impl FnOnce(&mut EntryBook, &mut UnitController) -> Result<T, InterruptError<InvalidationError>>,
    ) -> Result<T, IommuError> {
        let refused = IommuError::NotEnforcing { unit: self.index };
        let mut entries = self.entries.lock();
        let off = InterruptsOff::new();
        let mut control = self.lock_control(&off);
        let result = match (entries.as_mut(), control.as_mut()) {
            (Some(book), Some(controller)) => sequence(book, controller),
            _ => return Err(refused),
        };
        let dead = control.as_ref().is_some_and(|controller| controller.unit().is_dead());
        drop(control);
        drop(entries);
        if let Err(InterruptError::Unconfirmed(_) | InterruptError::NotNoted(_)) = result {
            self.after_failure(dead);
        }
        result.map_err(|error| IommuError::Interrupts { unit: self.index, error })
    }
}

fn now() -> Timestamp {
    Timestamp::from_nanos(clock::now_ns())
}
