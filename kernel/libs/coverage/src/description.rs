//! What firmware says of its remapping units, in terms that fit every family of tables.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use dma_types::{PhysAddr, Segment};

/// The units, whom they serve, and the memory that firmware reserves, as the table in use has it. Nothing of it is
/// believed yet: [`Plan::new`](crate::Plan::new) joins it with the machine.
///
/// Places are offsets into the table, by which findings name what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description<'t> {
    /// The units, in the order of the table.
    pub units: Vec<UnitDescription<'t>>,
    /// The reserved regions, in the order of the table.
    pub regions: Vec<ReservedRegion<'t>>,
    /// What holds for the machine as a whole.
    pub platform: Platform,
}

/// What a table says of the machine as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Bits of the addresses that DMA can reach; 0 where the table does not say.
    pub address_bits: u16,
    /// It promises that units remap interrupts.
    pub remaps_interrupts: bool,
    /// It asks software to leave x2APIC mode alone (DMAR "X2APIC_OPT_OUT").
    pub opts_out_of_x2apic: bool,
    /// Firmware kept DMA out until software took over, and asks software to go on so.
    pub kept_dma_out: bool,
}

/// One unit by the table's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitDescription<'t> {
    /// The bytes of the table that describe it.
    pub described: Range<usize>,
    /// The segment that it serves.
    pub segment: Segment,
    /// Where its registers begin.
    pub base: PhysAddr,
    /// Bytes of its register window.
    pub window_bytes: u64,
    /// The functions and bridges that it names.
    pub scopes: Vec<DeviceScope<'t>>,
    /// The interrupt controllers that it names.
    pub controllers: Vec<ControllerScope<'t>>,
    /// Whether it serves what no unit of its segment names.
    pub remainder: Remainder,
}

/// Whether a unit serves those functions of its segment that no unit names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remainder {
    /// It serves them (VT-d: INCLUDE_PCI_ALL).
    Served,
    /// It serves nobody but those that it names.
    NotServed,
}

/// Memory that firmware wants certain functions to reach (VT-d: RMRR; AMD-Vi: IVMD).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedRegion<'t> {
    /// Where in the table.
    pub offset: usize,
    /// The segment of its functions.
    pub segment: Segment,
    /// The address of its first byte.
    pub base: PhysAddr,
    /// The address of its last byte.
    pub limit: PhysAddr,
    /// The functions and bridges that it names.
    pub scopes: Vec<DeviceScope<'t>>,
}

/// One function, or a bridge with all below it, that a table names by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceScope<'t> {
    /// Where in the table.
    pub offset: usize,
    /// Who is meant by the path.
    pub reach: Reach,
    /// The bus of the path's first hop.
    pub start_bus: u8,
    /// Device and function of each hop, as they stand; each but the last leads to the bus of the next.
    pub hops: &'t [[u8; 2]],
}

/// An interrupt controller that a table names by a path: its messages carry the id at the path's end, whether or not a
/// function stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerScope<'t> {
    /// Which one is meant.
    pub controller: Controller,
    /// The bus of the path's first hop.
    pub start_bus: u8,
    /// Device and function of each hop, as they stand; each but the last leads to the bus of the next.
    pub hops: &'t [[u8; 2]],
}

/// A source of interrupt messages that is no PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The I/O APIC with this id.
    IoApic(u8),
    /// The HPET with this number.
    Hpet(u8),
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IoApic(id) => write!(f, "I/O APIC {id}"),
            Self::Hpet(number) => write!(f, "HPET {number}"),
        }
    }
}

/// Whom a scope means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The function at the path's end.
    Function,
    /// The bridge there, with every function below it.
    Hierarchy,
}
