//! What the kernel found and what it enforces.

use serde::{Deserialize, Serialize};

use crate::value::{Access, Function, Hex, List, Text};

/// The edition of these lines; the first had no number. Fields are added without a new one.
pub const SCHEMA: u32 = 2;

/// The first line: what started, where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// [`SCHEMA`]; absent in reports of the first edition.
    #[serde(default)]
    pub schema: Option<u32>,
    /// The kernel's version.
    pub version: Text<'a>,
    /// `bios` or `uefi`.
    pub firmware: Text<'a>,
    /// Processors that the firmware lists as usable.
    pub cpus: u32,
    /// Memory that is RAM, in MiB.
    pub memory_mib: u64,
    /// The kernel options as given.
    pub cmdline: Text<'a>,
    /// Where the DMAR table comes from.
    pub dmar_source: DmarSource,
    /// What the machine is called.
    #[serde(default)]
    pub machine: Machine<'a>,
}

/// What a machine and its firmware call themselves (SMBIOS); absent is what they do not tell, or nobody could look for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine<'a> {
    /// Who made the machine.
    pub maker: Option<Text<'a>>,
    /// What they call it.
    pub product: Option<Text<'a>>,
    /// What the board is called.
    pub board: Option<Text<'a>>,
    /// Who made the firmware.
    pub firmware_vendor: Option<Text<'a>>,
    /// Its version.
    pub firmware_version: Option<Text<'a>>,
    /// Its date, as they spell it.
    pub firmware_date: Option<Text<'a>>,
}

/// Where the DMAR table comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DmarSource {
    /// The firmware's tables.
    Firmware,
    /// QEMU's fw_cfg, as asked by an option.
    FwCfg,
    /// There is none.
    None,
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// Its place among the processors, by rising id.
    pub index: u32,
    /// The id of its local APIC.
    pub apic_id: u32,
    /// What it does.
    pub state: CpuRunState,
}

/// What a processor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuRunState {
    /// It runs the kernel.
    Running,
    /// It was never started, and waits as firmware left it.
    Parked,
}

/// What firmware left behind: one line a unit, then one with `unit` absent and the bus masters.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Window<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The unit's index.
    pub unit: Option<u32>,
    /// Whether the unit translated.
    pub translation_was_on: Option<bool>,
    /// Whether the protected memory regions were on.
    pub pmr_was_on: Option<bool>,
    /// Whether the unit remapped interrupts.
    #[serde(default)]
    pub interrupt_remapping_was_on: Option<bool>,
    /// Whether the firmware's table promises that DMA was under control.
    pub opt_in: Option<bool>,
    /// Fault records that were there before the unit was taken.
    pub stale_faults: Option<List<'a, StaleFault>>,
    /// Functions found with bus mastering on.
    pub bus_masters: Option<List<'a, Function>>,
}

/// A fault recorded before this kernel took the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaleFault {
    /// Who asked.
    pub requester: Function,
    /// The page.
    pub address: Hex,
    /// What was asked.
    pub access: Access,
    /// The unit's reason code.
    pub reason: Hex,
}

/// A remapping unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// Its index: the order of the firmware's table.
    pub index: u32,
    /// Its family.
    pub kind: UnitKind,
    /// The segment it serves.
    pub segment: u16,
    /// Its register base.
    pub base: Hex,
    /// Its version, `major.minor`.
    pub version: Text<'a>,
    /// The capability register.
    pub capabilities: Hex,
    /// The extended capability register.
    pub extended_capabilities: Hex,
    /// Table levels in use.
    pub levels: Option<u8>,
    /// How many fault recording registers it has.
    pub fault_records: u32,
    /// How caches are invalidated.
    pub invalidation: Option<InvalidationKind>,
    /// Whether it enforces.
    pub state: UnitState,
    /// Why it does not.
    pub detail: Option<Text<'a>>,
    /// What is odd about it.
    pub findings: List<'a, Text<'a>>,
    /// Whether it remaps interrupts.
    #[serde(default)]
    pub interrupt_remapping: InterruptRemapping,
    /// Whether its interrupt entries name processors by 32 bits (extended interrupt mode).
    #[serde(default)]
    pub x2apic: bool,
}

/// Whether a unit remaps interrupts, so that no device behind it raises any but its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptRemapping {
    /// It does.
    On,
    /// It could, and was not asked to.
    #[default]
    Off,
    /// It cannot, or the firmware's table says that it must not.
    Unsupported,
    /// It should, and does not.
    Failed,
}

/// Which units of a machine remap interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineInterrupts {
    /// All of them.
    Remapped,
    /// Some of them.
    Partly,
    /// None, or there is no unit.
    #[default]
    Plain,
}

/// Something that the firmware's table says or leaves out, or that the machine contradicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// Its stable name.
    pub id: Text<'a>,
    /// How much it matters.
    pub severity: Severity,
    /// Where in the table, if it is about a place there.
    pub offset: Option<u64>,
    /// The unit that it is about, if it is about one.
    pub unit: Option<u32>,
    /// What is wrong.
    pub what: Text<'a>,
    /// What it means for protection.
    pub meaning: Text<'a>,
    /// What helps.
    pub remedy: Text<'a>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Protection has, or may have, a gap.
    Warning,
    /// The table contradicts itself, or cannot be what the machine is.
    Error,
}

/// Families of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitKind {
    /// Intel VT-d.
    VtD,
}

/// How caches are invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidationKind {
    /// By the queue.
    Queued,
    /// By registers.
    Registers,
}

/// Whether a unit enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// It translates by our tables.
    Enforcing,
    /// It could not be brought up; its devices have no bus mastering.
    Failed,
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The function.
    pub bdf: Function,
    /// `vvvv:dddd`.
    pub id: Text<'a>,
    /// Its class in words.
    pub class: Text<'a>,
    /// Its name for people.
    pub name: Text<'a>,
    /// The unit that covers it.
    pub unit: Option<u32>,
    /// Its isolation group.
    pub group: u32,
    /// The id that its DMA carries.
    pub requester: Function,
    /// Address of the kernel's record of it: parameter 2 of its bug check.
    pub object: Hex,
    /// What it may do.
    pub state: DeviceState,
    /// Who drives it.
    pub driver: Option<Text<'a>>,
    /// Whether firmware left its bus mastering on.
    pub bus_master_at_boot: bool,
    /// Why a window, bridge range or id of it is not believed; such a device stays blocked.
    pub refused: Option<Text<'a>>,
}

/// What a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// Nothing.
    Blocked,
    /// What its driver mapped.
    Assigned,
    /// What an RMRR names.
    FirmwareRegion,
    /// No unit covers it; kept without bus mastering.
    BypassesIommu,
    /// Nothing any more, after a violation.
    Quarantined,
}

impl DeviceState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Assigned => "assigned",
            Self::FirmwareRegion => "firmware-region",
            Self::BypassesIommu => "bypasses-iommu",
            Self::Quarantined => "quarantined",
        }
    }
}

/// The moment from which everything is enforced that can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protected {
    /// The moment: nanoseconds since kernel entry.
    pub t: u64,
    /// Units that enforce.
    pub units: u32,
    /// Whether nothing is left uncovered.
    pub complete: bool,
    /// Which units remap interrupts.
    #[serde(default)]
    pub interrupts: MachineInterrupts,
}

/// An address space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Domain<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// Its number.
    pub id: u16,
    /// The functions in it.
    pub bdfs: List<'a, Function>,
    /// Who drives them.
    pub driver: Option<Text<'a>>,
    /// Bytes mapped.
    pub mapped_bytes: u64,
    /// Live mappings.
    pub mappings: u64,
    /// Pages that its tables take.
    pub table_pages: u64,
}
