//! What to change, in the words that set-up uses.

use core::fmt;

use crate::facts::Maker;

/// Something that somebody can do about a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Switch the IOMMU on.
    SwitchOn(Maker),
    /// Switch interrupt remapping on.
    SwitchOnInterruptRemapping,
    /// The user wants interrupts as they are.
    LetInterruptsBeRemapped,
    /// Let firmware keep DMA out until the operating system takes over.
    SwitchOnPreBoot,
    /// The table must be mended by who wrote it.
    MendFirmware,
    /// The table that the user gave is no good.
    GiveAnotherTable,
    /// A device must go, or be looked at.
    TakeDeviceOut,
    /// Nothing here helps, another system does.
    UseOtherSystem,
    /// The drill was switched off.
    LetItDrill,
    /// External devices are let in.
    DenyExternal,
    /// Ports that may lead outside have to be named.
    NamePorts,
    /// Isolation itself is broken.
    TrustNothing,
}

impl Maker {
    /// A machine with a VT-d unit is Intel's, whatever its processor says.
    pub(crate) const fn or_intel(self) -> Self {
        match self {
            Self::Other => Self::Intel,
            known => known,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SwitchOn(Maker::Intel) => {
                "In set-up, switch on \"Intel VT-d\" (also \"VT for Directed I/O\", \"DMA protection\")."
            }
            Self::SwitchOn(Maker::Amd) => {
                "In set-up, switch on \"IOMMU\" (also \"AMD-Vi\"; often under \"AMD CBS\", \"NBIO\")."
            }
            Self::SwitchOn(Maker::Other) => {
                "In set-up, switch on \"Intel VT-d\" or \"IOMMU\" (AMD-Vi); give a virtual machine an IOMMU."
            }
            Self::SwitchOnInterruptRemapping => {
                "In set-up, switch on \"Interrupt Remapping\" (it may be called \"x2APIC\")."
            }
            Self::LetInterruptsBeRemapped => "Take the option interrupts=plain away.",
            Self::SwitchOnPreBoot => {
                "In set-up, switch on \"Pre-boot DMA protection\" (also \"Kernel DMA Protection\")."
            }
            Self::MendFirmware => {
                "Update the firmware; `report` and `ivt audit` say what its maker has to mend."
            }
            Self::GiveAnotherTable => "Give another table, or take the option dmar=fw_cfg away.",
            Self::TakeDeviceOut => "Take that device out, or have it looked at; `report` names it.",
            Self::UseOtherSystem => "Nothing in set-up: it is on, and Linux or Windows can use it.",
            Self::LetItDrill => "Take the option drill=off away, or type `drill`.",
            Self::DenyExternal => "Take the option external=allow away.",
            Self::NamePorts => "Name ports that lead outside by the option external-port=BDF.",
            Self::TrustNothing => "Do not trust this machine's IOMMU; keep the report and tell its maker.",
        })
    }
}
