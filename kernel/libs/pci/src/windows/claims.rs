//! Addresses that are somebody's whatever a device says.

use alloc::vec::Vec;
use core::fmt;

use dma_types::PhysAddr;

use super::range::AddressRange;
use crate::ecam::EcamWindow;

/// Where the chipset has its own registers: I/O APICs from 0xfec0_0000, HPET from 0xfed0_0000, TXT and TPM from
/// 0xfed2_0000, the processor's APIC and interrupt messages from 0xfee0_0000, flash up to 4 GiB.
///
/// All of it counts, whether or not a table names what stands there: on x86 none of it ever leads to a bus.
const CHIPSET: (u64, u64) = (0xfec0_0000, 0xffff_ffff);

/// Real-mode memory, the legacy display and firmware's shadow.
const LEGACY: (u64, u64) = (0, 0xf_ffff);

/// Whose addresses these are, or why they are no device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The registers of a remapping unit.
    Unit {
        /// Its place in the table.
        index: usize,
    },
    /// Configuration space, mapped into memory (ECAM).
    Configuration,
    /// An interrupt controller that a table names (I/O APIC).
    IoApic {
        /// Its id.
        id: u8,
    },
    /// An event timer that a table names (HPET).
    EventTimer,
    /// The chipset: interrupt controllers, interrupt messages, HPET, TPM, flash.
    Chipset,
    /// What lies below 1 MiB.
    Legacy,
    /// Memory, whoever uses it.
    Memory,
    /// A reserved region of the firmware's table (RMRR).
    Region {
        /// Where in the table.
        offset: usize,
    },
    /// Nobody: the processor cannot form such addresses.
    Unreachable,
}

impl Owner {
    /// Tells whether a chipset may show what lies there as a function besides.
    pub(super) const fn is_platform(self) -> bool {
        matches!(self, Self::IoApic { .. } | Self::EventTimer | Self::Chipset)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit { index } => write!(f, "the registers of remapping unit {index}"),
            Self::Configuration => f.write_str("configuration space"),
            Self::IoApic { id } => write!(f, "the registers of I/O APIC {id}"),
            Self::EventTimer => f.write_str("the registers of an event timer (HPET)"),
            Self::Chipset => f.write_str("the chipset's own registers (interrupts, HPET, TPM, flash)"),
            Self::Legacy => f.write_str("the first MiB"),
            Self::Memory => f.write_str("memory"),
            Self::Region { offset } => write!(f, "the reserved region at {offset:#x} of the DMAR table"),
            Self::Unreachable => f.write_str("addresses that the processor cannot form"),
        }
    }
}

/// One range and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The addresses; whole pages.
    pub range: AddressRange,
    /// Whose registers or memory lie there.
    pub owner: Owner,
}

/// Every range in which no device's registers can lie.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    claims: Vec<Claim>,
}

impl Claims {
    /// What holds for every machine whose processor has physical addresses of `address_bits` bits; the caller adds
    /// what this one has.
    pub fn of_machine(address_bits: u8) -> Self {
        let mut this = Self::default();
        let fixed = |(first, last)| AddressRange::new(PhysAddr::new(first), PhysAddr::new(last));
        let beyond = 1_u64.checked_shl(address_bits.into()).and_then(|first| fixed((first, u64::MAX)));
        this.add(fixed(LEGACY), Owner::Legacy);
        this.add(fixed(CHIPSET), Owner::Chipset);
        this.add(beyond, Owner::Unreachable);
        this
    }

    /// Adds the pages of a range; nothing for `None`, which is what [`AddressRange`]'s constructors give for an
    /// empty one.
    pub fn add(&mut self, range: impl Into<Option<AddressRange>>, owner: Owner) {
        let claim = |range: AddressRange| Claim { range: range.pages(), owner };
        self.claims.extend(range.into().map(claim));
    }

    /// Adds windows to configuration space, whether or not they are used.
    pub fn add_configuration(&mut self, windows: &[EcamWindow]) {
        for window in windows {
            self.add(AddressRange::with_length(window.start(), window.len()), Owner::Configuration);
        }
    }

    /// The first claim that a range meets, in the order in which they were added.
    pub fn met_by(&self, range: AddressRange) -> Option<Claim> {
        self.iter().find(|claim| claim.range.meets(range))
    }

    /// Every claim, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = Claim> {
        self.claims.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(claims: &Claims, first: u64, last: u64) -> Option<Owner> {
        let range = AddressRange::new(PhysAddr::new(first), PhysAddr::new(last)).unwrap();
        claims.met_by(range).map(|claim| claim.owner)
    }

    #[test]
    fn every_machine_has_its_chipset_and_its_bounds() {
        let claims = Claims::of_machine(39);
        assert_eq!(owner(&claims, 0xf_ffff, 0xf_ffff), Some(Owner::Legacy));
        assert_eq!(owner(&claims, 0x10_0000, 0xfebf_ffff), None);
        for address in [0xfec0_0000, 0xfed0_0000, 0xfed4_0000, 0xfed9_0010, 0xfee0_0000, 0xffff_ffff] {
            assert_eq!(owner(&claims, address, address), Some(Owner::Chipset), "{address:#x}");
        }
        assert_eq!(owner(&claims, 1 << 32, (1 << 39) - 1), None);
        assert_eq!(owner(&claims, (1 << 39) - 1, 1 << 39), Some(Owner::Unreachable));
        assert_eq!(owner(&claims, u64::MAX, u64::MAX), Some(Owner::Unreachable));
        assert_eq!(owner(&Claims::of_machine(64), u64::MAX, u64::MAX), None);
    }

    #[test]
    fn a_claim_takes_the_pages_that_it_lies_in() {
        let mut claims = Claims::of_machine(48);
        let unit = Owner::Unit { index: 1 };
        claims.add(AddressRange::with_length(PhysAddr::new(0xd000_0ff0), 0x20), unit);
        claims.add(AddressRange::with_length(PhysAddr::new(0xd100_0000), 0), Owner::Memory);
        assert_eq!(owner(&claims, 0xd000_0000, 0xd000_0000), Some(unit));
        assert_eq!(owner(&claims, 0xd000_1fff, 0xd000_1fff), Some(unit));
        assert_eq!(owner(&claims, 0xd000_2000, 0xdfff_ffff), None);
    }
}
