//! What is known of a machine.

use coverage::Shortfall;
use dma_types::{Bdf, PhysAddr};

/// All that the verdict rests on. The default is a machine of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Who made the processor, and so how set-up calls the IOMMU.
    pub maker: Maker,
    /// The firmware's table.
    pub table: Table,
    /// The units.
    pub units: Units,
    /// Endpoints on the buses.
    pub devices: u32,
    /// What was given up.
    pub given_up: GivenUp,
    /// What devices tried.
    pub drill: Drill,
    /// Whose interrupts pass through a unit.
    pub interrupts: Interrupts,
    /// What firmware left.
    pub window: Window,
    /// Ports that lead outside.
    pub ports: Ports,
}

/// Who made the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Maker {
    /// Intel: the IOMMU is VT-d.
    Intel,
    /// AMD: the IOMMU is AMD-Vi.
    Amd,
    /// Somebody else, or an emulator that does not say whom it emulates.
    #[default]
    Other,
}

impl Maker {
    /// Takes CPUID's vendor and brand. An emulator's own processor says nothing of the machine around it.
    pub fn of(vendor: &str, brand: &str) -> Self {
        match vendor {
            _ if brand.starts_with("QEMU") => Self::Other,
            "GenuineIntel" => Self::Intel,
            "AuthenticAMD" | "HygonGenuine" => Self::Amd,
            _ => Self::Other,
        }
    }
}

/// The table in use, as it was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Which one.
    pub kind: TableKind,
    /// Who gave it.
    pub origin: Origin,
    /// Part of it could not be read.
    pub is_damaged: bool,
    /// Findings of the severity error.
    pub errors: u32,
    /// Findings of the severity warning.
    pub warnings: u32,
    /// The machine contradicts it, by what the buses and the units say.
    pub is_contradicted: bool,
}

/// Tables about an IOMMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableKind {
    /// There is none.
    #[default]
    None,
    /// Intel's (DMAR).
    Dmar,
    /// AMD's (IVRS), and no DMAR.
    Ivrs,
}

/// Who gave the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The firmware.
    #[default]
    Firmware,
    /// The user, in its place.
    User,
}

/// The remapping units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Units that the table names.
    pub named: u32,
    /// Units that enforce, by the word of their registers now.
    pub enforcing: u32,
    /// A unit that answers although no table names it.
    pub hidden: Option<PhysAddr>,
}

/// What was given up, in the order in which it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GivenUp {
    /// The first thing that leaves memory open.
    pub open: Option<Shortfall>,
    /// How many functions pass by every unit.
    pub bypassing: u32,
    /// The first of them.
    pub first_bypassing: Option<Bdf>,
    /// The table could not be read in full.
    pub table_damaged: bool,
    /// The first thing by which interrupts are less than all remapped.
    pub interrupts: Option<Shortfall>,
    /// The first thing that cost somebody something, but leaves nothing open.
    pub other: Option<Shortfall>,
    /// How many such.
    pub others: u32,
}

impl GivenUp {
    /// Takes note of something that was given up.
    pub fn note(&mut self, shortfall: &Shortfall) {
        match shortfall {
            Shortfall::TableDamaged => self.table_damaged = true,
            Shortfall::InterruptsNotRemapped { .. }
            | Shortfall::InterruptTablesDamaged
            | Shortfall::InterruptSource { .. } => {
                self.interrupts.get_or_insert(*shortfall);
            }
            _ if shortfall.leaves_open() => {
                self.open.get_or_insert(*shortfall);
            }
            _ => {
                self.other.get_or_insert(*shortfall);
                self.others = self.others.saturating_add(1);
            }
        }
        if let Shortfall::Bypass { device } = shortfall {
            self.first_bypassing.get_or_insert(*device);
            self.bypassing = self.bypassing.saturating_add(1);
        }
    }
}

/// What came of telling devices to overreach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drill {
    /// Devices that tried.
    pub devices: u32,
    /// Tries that were made.
    pub tries: u32,
    /// Tries that reached their target.
    pub through: u32,
    /// Tries that reached nothing, and left no fault although one must come.
    pub unseen: u32,
    /// Why nothing was tried, where nothing was.
    pub not_tried: NotTried,
}

/// Why a drill tried nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotTried {
    /// No device can be told to overreach.
    #[default]
    NobodyCan,
    /// The user switched it off.
    SwitchedOff,
    /// Devices that can were there, but no try came to its end.
    NoneWorked,
}

/// Whose interrupts pass through a unit that checks them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interrupts {
    /// Everybody's.
    Remapped,
    /// Of some.
    Partly,
    /// Nobody's, although units could.
    #[default]
    Plain,
    /// Nobody's, since the user wants it so.
    SwitchedOff,
    /// Nobody's, and a unit cannot, or firmware forbids it.
    Impossible,
}

/// What firmware left when the operating system took over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When it was looked at.
    pub moment: Moment,
    /// Units that could be asked.
    pub units: u32,
    /// Those of them that kept DMA out: translation on, or the protected memory regions.
    pub on: u32,
    /// Functions that had the bus.
    pub bus_masters: u32,
    /// What firmware says of itself.
    pub claim: FirmwareClaim,
}

/// When firmware's state was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// While the firmware was in charge, by the loader.
    Firmware,
    /// When the kernel started, after firmware had given everything up.
    #[default]
    Kernel,
}

/// Whether firmware claims to have kept DMA out (VT-d "DMAR Flags", DMA_CTRL_PLATFORM_OPT_IN_FLAG).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirmwareClaim {
    /// It does.
    KeptDmaOut,
    /// It says nothing.
    #[default]
    Nothing,
}

/// Ports to which somebody may plug a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Ports that are known to lead outside.
    pub external: u32,
    /// Other ports that take devices while the machine runs, with somebody below already.
    pub taken: u32,
    /// Ports below which a device can pass for another, since they do not check whose ids requests carry.
    pub unchecked: u32,
    /// Whether external devices are let in.
    pub devices: ExternalDevices,
}

/// Whether devices behind an external port are given to drivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExternalDevices {
    /// They stay blocked.
    #[default]
    Blocked,
    /// They are treated as all others.
    LetIn,
}
