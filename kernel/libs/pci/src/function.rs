//! One function as enumeration found it.

use crate::acs::Acs;
use crate::capability::{self, BrokenList, extended_id, id};
use crate::class::{ClassCode, HeaderType};
use crate::config::{ABSENT, Command, ConfigSpace, register};
use crate::enumerate::BusRange;
use crate::express::{ExpressCapability, PortType};
use crate::fabric::Place;
use crate::msi::{MsiCapability, MsixCapability};
use crate::refusal::Refusal;
use crate::sriov::SrIov;
use crate::windows::Windows;
use dma_types::Bdf;

/// A function, read once; only [`Function::acs`] is kept up to date afterwards, and what [`Topology::check_windows`]
/// decides is added.
///
/// [`Topology::check_windows`]: crate::Topology::check_windows
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where the function stands on the buses.
    pub bdf: Bdf,
    /// The maker's id, as the function says it.
    pub vendor: u16,
    /// The maker's number for the device.
    pub device: u16,
    /// The revision of the device, as its maker counts.
    pub revision: u8,
    /// What it says it does.
    pub class: ClassCode,
    /// Layout of its header.
    pub header: HeaderType,
    /// Subsystem vendor and subsystem; header layout 0 only.
    pub subsystem: Option<(u16, u16)>,
    /// What it is in the topology.
    pub kind: Kind,
    /// The innermost bridge that is known to stand above it; `None` on a root bus.
    pub parent: Option<Bdf>,
    /// The bus numbers that it holds as a bridge, believed or not.
    pub buses: Option<Buses>,
    /// The buses below it, where the bridges above and beside it bear out what it says.
    pub leads_to: Option<BusRange>,
    /// Its PCI Express capability; `None` for conventional functions.
    pub express: Option<ExpressCapability>,
    /// Advanced features, where function-level reset of a conventional function is.
    pub advanced_features: Option<u16>,
    /// Its capability for one to 32 message-signalled interrupts.
    pub msi: Option<MsiCapability>,
    /// Message-signalled interrupts with a table.
    pub msix: Option<MsixCapability>,
    /// Access control services, with the controls that are on now.
    pub acs: Option<Acs>,
    /// Offset of the Address Translation Services capability.
    pub ats: Option<u16>,
    /// Its capability for virtual functions (SR-IOV).
    pub sr_iov: Option<SrIov>,
    /// Firmware left bus mastering on: it was when the function was found, or [`Topology::note_bus_masters`] knew.
    ///
    /// [`Topology::note_bus_masters`]: crate::Topology::note_bus_masters
    pub bus_master_at_boot: bool,
    /// Its register windows, once they have been checked.
    pub windows: Windows,
    /// Why it is not believed, if it is not.
    pub refused: Option<Refusal>,
}

/// What a function is in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing stands below it.
    Endpoint,
    /// Other functions may stand below it.
    Bridge(BridgeKind),
}

/// The bridges that matter to requester ids and isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeKind {
    /// A port of the root complex, with a link below it.
    RootPort,
    /// Upstream port of a PCIe switch.
    UpstreamPort,
    /// Downstream port of a PCIe switch.
    DownstreamPort,
    /// From PCIe down to PCI or PCI-X.
    ExpressToPci,
    /// From PCI or PCI-X down to PCIe.
    PciToExpress,
    /// From one conventional bus to another.
    Conventional,
    /// From a conventional bus to a CardBus socket.
    CardBus,
}

/// Bus numbers of a bridge, as they are programmed; nobody vouches for their sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buses {
    /// The bus above, as its register says.
    pub primary: u8,
    /// The bus right below.
    pub secondary: u8,
    /// The last bus below.
    pub subordinate: u8,
}

impl Function {
    /// Tells whether it passes requests of other functions on, for which it needs bus mastering.
    pub const fn is_bridge(&self) -> bool {
        matches!(self.kind, Kind::Bridge(_))
    }

    /// What kind of bridge it is, if it is one.
    pub const fn bridge_kind(&self) -> Option<BridgeKind> {
        match self.kind {
            Kind::Bridge(kind) => Some(kind),
            Kind::Endpoint => None,
        }
    }

    /// Notes where it stands. What is not believed to be a bridge is none.
    pub(crate) fn set_place(&mut self, place: Place) {
        self.parent = place.parent;
        self.leads_to = place.leads_to;
        self.refused = place.refused;
        if place.refused.is_some() {
            self.kind = Kind::Endpoint;
        }
    }

    /// Reads a function, whose place is not known then; `None` if it is absent. The second value tells of a broken list of capabilities.
    pub(crate) fn read(config: &impl ConfigSpace, bdf: Bdf) -> Option<(Self, Option<BrokenList>)> {
        let header = header_type(config, bdf)?;
        let class_revision = config.read32(bdf, register::CLASS_REVISION);
        let command = Command::from_bits_retain(config.read16(bdf, register::COMMAND));
        let mut function = Self {
            bdf,
            vendor: config.read16(bdf, register::VENDOR),
            device: config.read16(bdf, register::DEVICE),
            revision: class_revision.to_le_bytes()[0],
            class: ClassCode::from_register(class_revision),
            header,
            subsystem: read_subsystem(config, bdf, header),
            kind: Kind::Endpoint,
            parent: None,
            buses: read_buses(config, bdf, header),
            leads_to: None,
            express: None,
            advanced_features: None,
            msi: None,
            msix: None,
            acs: None,
            ats: None,
            sr_iov: None,
            bus_master_at_boot: command.contains(Command::BUS_MASTER),
            windows: Windows::default(),
            refused: None,
        };
        let broken = function.read_capabilities(config).err();
        function.kind = kind(header, function.express);
        Some((function, broken))
    }

    /// Fills in the capabilities; the first of each id counts.
    fn read_capabilities(&mut self, config: &impl ConfigSpace) -> Result<(), BrokenList> {
        let bdf = self.bdf;
        let standard = capability::for_each_standard(config, bdf, self.header, |id, offset| match id {
            id::MSI if self.msi.is_none() => self.msi = Some(MsiCapability::read(config, bdf, offset)),
            id::MSIX if self.msix.is_none() => self.msix = Some(MsixCapability::read(config, bdf, offset)),
            id::EXPRESS if self.express.is_none() => {
                self.express = Some(ExpressCapability::read(config, bdf, offset));
            }
            id::ADVANCED_FEATURES if self.advanced_features.is_none() => {
                self.advanced_features = Some(offset);
            }
            _ => {}
        });
        // Some root complexes repeat the first 256 bytes of a conventional function all over its 4 KiB.
        let extended = if self.express.is_some() { self.read_extended(config) } else { Ok(()) };
        standard.and(extended)
    }

    fn read_extended(&mut self, config: &impl ConfigSpace) -> Result<(), BrokenList> {
        let bdf = self.bdf;
        capability::for_each_extended(config, bdf, |id, offset| match id {
            extended_id::ACS if self.acs.is_none() => self.acs = Some(Acs::read(config, bdf, offset)),
            extended_id::ATS if self.ats.is_none() => self.ats = Some(offset),
            extended_id::SR_IOV if self.sr_iov.is_none() => {
                self.sr_iov = Some(SrIov::read(config, bdf, offset));
            }
            _ => {}
        })
    }
}

/// Tells whether a function answers.
#[inline]
pub(crate) fn is_present(config: &impl ConfigSpace, function: Bdf) -> bool {
    config.read16(function, register::VENDOR) != ABSENT
}

/// Reads the header type of a function; `None` if it is absent.
pub fn header_type(config: &impl ConfigSpace, function: Bdf) -> Option<HeaderType> {
    is_present(config, function).then(|| HeaderType(config.read8(function, register::HEADER_TYPE)))
}

pub(crate) fn read_subsystem(config: &impl ConfigSpace, bdf: Bdf, header: HeaderType) -> Option<(u16, u16)> {
    if header.layout() != HeaderType::ENDPOINT {
        return None;
    }
    let vendor = config.read16(bdf, register::SUBSYSTEM);
    let subsystem = config.read16(bdf, register::SUBSYSTEM + 2);
    (vendor != 0 && vendor != ABSENT).then_some((vendor, subsystem))
}

fn read_buses(config: &impl ConfigSpace, bdf: Bdf, header: HeaderType) -> Option<Buses> {
    match header.layout() {
        HeaderType::PCI_BRIDGE | HeaderType::CARDBUS_BRIDGE => {
            let [primary, secondary, subordinate, _] = config.read32(bdf, register::BUSES).to_le_bytes();
            Some(Buses { primary, secondary, subordinate })
        }
        _ => None,
    }
}

/// Classifies by header and port type. Whatever calls itself a bridge without being a known PCIe port counts as a
/// conventional bridge, the kind that shares the most.
fn kind(header: HeaderType, express: Option<ExpressCapability>) -> Kind {
    match header.layout() {
        HeaderType::PCI_BRIDGE => Kind::Bridge(match express.map(|express| express.port) {
            Some(PortType::ROOT_PORT) => BridgeKind::RootPort,
            Some(PortType::UPSTREAM) => BridgeKind::UpstreamPort,
            Some(PortType::DOWNSTREAM) => BridgeKind::DownstreamPort,
            Some(PortType::EXPRESS_TO_PCI) => BridgeKind::ExpressToPci,
            Some(PortType::PCI_TO_EXPRESS) => BridgeKind::PciToExpress,
            _ => BridgeKind::Conventional,
        }),
        HeaderType::CARDBUS_BRIDGE => Kind::Bridge(BridgeKind::CardBus),
        _ => Kind::Endpoint,
    }
}
