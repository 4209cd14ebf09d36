//! Another device's interrupt, given for no purpose but to be aimed at: nobody raises it, so that one that comes got through.

use ::attack::NotPossible;
use ::interrupts::DeviceVector;
use ::iommu::interrupts::Entries;
use dma_types::{Bdf, InterruptIndex, MsiMessage};

use super::order::Sabotage;
use crate::devices::{self, DeviceRecord, Role};
use crate::iommu::{self, Unit};
use crate::irq::owners;

/// Numbers of messages that no function has (PCI "MSI-X Capability Structure": up to 2048); as many attacks may run at once.
const NUMBERS: core::ops::Range<u16> = 0x8000..0x8040;

/// An interrupt entry of another device, with a vector that only it raises.
pub(super) struct OtherInterrupt {
    unit: &'static Unit,
    owner: Bdf,
    vector: Option<DeviceVector>,
    entries: Option<Entries>,
    number: u8,
    index: InterruptIndex,
    message: MsiMessage,
}

impl OtherInterrupt {
    /// Gives one to a device that shares nothing with the attacker but the unit; a driver's, if there is one.
    ///
    /// # Errors
    /// If the unit does not remap interrupts, or nobody else can be given one.
    pub(super) fn beside(attacker: &DeviceRecord, sabotage: Sabotage) -> Result<Self, NotPossible> {
        let remaps = iommu::unit_of(attacker).filter(|unit| unit.remaps_interrupts());
        let unit = remaps.ok_or(NotPossible::InterruptsPlain)?;
        let is_other = |record: &&DeviceRecord| {
            let shares_unit = iommu::unit_of(record).is_some_and(|other| other.index == unit.index);
            record.role == Role::Endpoint && record.group != attacker.group && shares_unit
        };
        let others = || devices::all().iter().filter(is_other);
        let other = others().find(|record| record.driver().is_some()).or_else(|| others().next());
        let other = other.ok_or(NotPossible::NoOtherMessage)?;
        let mut numbers = NUMBERS;
        let vector = numbers.find_map(|number| owners::give(other.bdf, number).ok());
        let sender = if sabotage == Sabotage::None { other } else { attacker };
        Self::give(unit, sender, other.bdf, vector.ok_or(NotPossible::NoOtherMessage)?)
    }

    /// Gives an entry that `sender` may name.
    fn give(
        unit: &'static Unit,
        sender: &DeviceRecord,
        owner: Bdf,
        vector: DeviceVector,
    ) -> Result<Self, NotPossible> {
        let number = vector.number();
        match unit.give_interrupts(sender, &[owners::route(&vector)]) {
            Ok(entries) => Ok(Self {
                unit,
                owner,
                vector: Some(vector),
                number,
                index: entries.block().first(),
                message: entries.message(),
                entries: Some(entries),
            }),
            Err(error) => {
                // Where the unit did not confirm, the vector may still be raised, and stays taken.
                log::warn!("no interrupt of {owner} to aim at: {error}");
                Err(NotPossible::NoOtherMessage)
            }
        }
    }

    /// The message that raises it, if its owner sends it.
    pub(super) const fn message(&self) -> MsiMessage {
        self.message
    }

    /// The entry, and whose it is.
    pub(super) const fn entry(&self) -> (InterruptIndex, Bdf) {
        (self.index, self.owner)
    }

    /// How often it came: each time somebody else than its owner has raised it.
    pub(super) fn arrived(&self) -> u64 {
        owners::count(self.number)
    }
}

/// Taken back; what its unit does not confirm is never given again.
impl Drop for OtherInterrupt {
    fn drop(&mut self) {
        let (Some(entries), Some(vector)) = (self.entries.take(), self.vector.take()) else { return };
        match self.unit.withdraw_interrupts(entries) {
            Ok(()) => owners::give_back(vector),
            Err(error) => log::error!("the interrupt that was aimed at stays given: {error}"),
        }
    }
}
