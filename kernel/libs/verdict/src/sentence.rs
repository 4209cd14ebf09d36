//! The sentences of the checks.

use core::fmt;

use coverage::Shortfall;
use dma_types::{Bdf, PhysAddr};

use crate::facts::{FirmwareClaim, Maker, Moment, NotTried, Origin, Table, TableKind};

/// One sentence about one check: what is known, and no more.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is its sentence, which stands below")]
pub enum Sentence {
    Covered { devices: u32, units: u32 },
    NoIommu,
    HiddenUnit { at: PhysAddr },
    AmdViNotDriven,
    UnitsDoNotEnforce { failing: u32, named: u32 },
    Bypassing { first: Bdf, more: u32 },
    GivenUp { shortfall: Shortfall, more: u32 },
    PerhapsNotAll,
    NoneThrough { tries: u32, devices: u32 },
    GotThrough { through: u32, tries: u32 },
    Unseen { unseen: u32, tries: u32 },
    NothingTried(NotTried),
    InterruptsRemapped,
    InterruptsPartly,
    InterruptsPlain,
    NobodyChecksInterrupts,
    ExternalBlocked { ports: u32 },
    ExternalLetIn { ports: u32 },
    NothingHoldsExternal,
    PortsUnchecked { ports: u32 },
    PerhapsExternal { ports: u32 },
    WindowClosed { moment: Moment },
    WindowOpen { off: u32, units: u32, bus_masters: u32 },
    WindowUnknown { bus_masters: u32, claim: FirmwareClaim },
    NobodyToAsk,
    TableSound(Table),
    TableWrong(Table),
    NoTable(Maker),
}

/// A number with its noun.
struct Count(u32, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = *self;
        // The nouns used here form their plural this way.
        match (count, noun.strip_suffix('y')) {
            (1, _) => write!(f, "1 {noun}"),
            (_, Some(stem)) => write!(f, "{count} {stem}ies"),
            (_, None) => write!(f, "{count} {noun}s"),
        }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Covered { devices, units } => {
                write!(f, "Every device is held by the IOMMU: {}, {} at work.", Count(devices, "device"), Count(units, "unit"))
            }
            Self::NoIommu => f.write_str("No IOMMU: a device that does as it likes reaches all of memory."),
            Self::HiddenUnit { at } => {
                write!(f, "VT-d is in the silicon (a unit answers at {at}), but firmware hides it: nothing holds devices.")
            }
            Self::AmdViNotDriven => {
                f.write_str("AMD-Vi is there, but this kernel does not drive it yet: nothing holds devices.")
            }
            Self::UnitsDoNotEnforce { failing, named } => {
                write!(f, "{failing} of {} not at work: what is behind reaches all of memory.", Count(named, "IOMMU unit"))
            }
            Self::Bypassing { first, more: 0 } => write!(f, "{first} passes by every IOMMU unit, to all of memory."),
            Self::Bypassing { first, more } => {
                write!(f, "{first} and {more} more pass by every IOMMU unit, to all of memory.")
            }
            Self::GivenUp { shortfall, more: 0 } => write!(f, "Given up: {shortfall}."),
            Self::GivenUp { shortfall, more } => write!(f, "Given up: {shortfall}; and {more} more."),
            Self::PerhapsNotAll => {
                f.write_str("Every device that was found is held, but firmware's table is damaged: a unit may be missing.")
            }
            Self::NoneThrough { tries, devices } => {
                write!(f, "Drill: {} of {}, none got through.", Tries(tries), Count(devices, "device"))
            }
            Self::GotThrough { through, tries } => {
                write!(f, "Drill: {through} of {} GOT THROUGH to memory of others.", Tries(tries))
            }
            Self::Unseen { unseen, tries } => {
                write!(f, "Drill: {}; memory is untouched, but {unseen} left no fault.", Tries(tries))
            }
            Self::NothingTried(why) => write!(f, "Drill: nothing was tried, {why}; nobody has seen a request blocked."),
            Self::InterruptsRemapped => f.write_str("Interrupts are remapped: no device raises another's."),
            Self::InterruptsPartly => {
                f.write_str("Some units do not remap interrupts: what is behind may raise any interrupt.")
            }
            Self::InterruptsPlain => f.write_str("Interrupts are not remapped: a device may raise any interrupt."),
            Self::NobodyChecksInterrupts => f.write_str("No unit checks interrupts: a device may raise any interrupt."),
            Self::ExternalBlocked { ports: 0 } => {
                f.write_str("External ports: none known; what is plugged in from now on stays blocked.")
            }
            Self::ExternalBlocked { ports } => {
                write!(f, "External ports: what is behind {} stays blocked.", Count(ports, "known port"))
            }
            Self::ExternalLetIn { ports: 0 } => {
                f.write_str("External ports: devices behind them are let in (external=allow); none is known.")
            }
            Self::ExternalLetIn { ports } => {
                write!(f, "External ports: devices behind {} are let in (external=allow).", Count(ports, "known port"))
            }
            Self::NothingHoldsExternal => {
                f.write_str("External ports: without an IOMMU nothing holds what is plugged in.")
            }
            Self::PortsUnchecked { ports } => write!(
                f,
                "External ports: below {} a device can pass for any other (no ACS source validation).",
                Count(ports, "port")
            ),
            Self::PerhapsExternal { ports } => write!(
                f,
                "External ports: unknown whether {} with devices below lead outside; later devices stay blocked.",
                Count(ports, "hot-plug port")
            ),
            Self::WindowClosed { moment: Moment::Firmware } => {
                f.write_str("Before the operating system: the IOMMU was on.")
            }
            Self::WindowClosed { moment: Moment::Kernel } => {
                f.write_str("Before the operating system: firmware handed over with DMA kept out.")
            }
            Self::WindowOpen { off, units, bus_masters } => write!(
                f,
                "Before the operating system: {off} of {} off, {} on the bus.",
                Count(units, "IOMMU unit"),
                Count(bus_masters, "device")
            ),
            Self::WindowUnknown { bus_masters, claim } => write!(
                f,
                "Before the operating system: unknown; at hand-over the IOMMU was off and {} had the bus{}.",
                Count(bus_masters, "device"),
                match claim {
                    FirmwareClaim::KeptDmaOut => " (firmware claims that it kept DMA out)",
                    FirmwareClaim::Nothing => "",
                }
            ),
            Self::NobodyToAsk => f.write_str("Before the operating system: unknown, there is no unit to ask."),
            Self::TableSound(table @ Table { warnings: 0, .. }) => {
                write!(f, "{} claims an IOMMU, and is sound.", Named(table))
            }
            Self::TableSound(table) => {
                let warnings = Count(table.warnings, "warning");
                write!(f, "{} claims an IOMMU, and is sound but for {warnings}.", Named(table))
            }
            Self::TableWrong(table) => {
                let damage = if table.is_damaged { ", damaged" } else { "" };
                let (errors, warnings) = (Count(table.errors, "error"), Count(table.warnings, "warning"));
                write!(f, "{} has {errors} and {warnings}{damage}.", Named(table))
            }
            Self::NoTable(Maker::Intel) => f.write_str("Firmware claims no IOMMU: there is no table DMAR."),
            Self::NoTable(Maker::Amd) => f.write_str("Firmware claims no IOMMU: there is no table IVRS."),
            Self::NoTable(Maker::Other) => {
                f.write_str("Firmware claims no IOMMU: there is neither a table DMAR nor IVRS.")
            }
        }
    }
}

/// So many tries.
struct Tries(u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Count(self.0, "try").fmt(f)
    }
}

/// A table by whose it is.
struct Named(Table);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.origin {
            Origin::Firmware => "Firmware's table ",
            Origin::User => "The table that was given ",
        })?;
        f.write_str(match self.0.kind {
            TableKind::None => "",
            TableKind::Dmar => "DMAR",
            TableKind::Ivrs => "IVRS",
        })
    }
}

impl fmt::Display for NotTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NobodyCan => "no device here can be told to overreach",
            Self::SwitchedOff => "it is switched off",
            Self::NoneWorked => "no device that can was able to",
        })
    }
}
