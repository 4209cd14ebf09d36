//! A blocked request, for any kind of unit ("DMAr Generic Error Section").

use core::fmt;

use dma_types::{Access, Bdf, FaultKind, Segment, SourceId};

use crate::field::Field;

const REQUESTER: Field<u16> = Field::at(0);
const SEGMENT: Field<u16> = Field::at(2);
const REASON: Field<u8> = Field::at(4);
const ACCESS: Field<u8> = Field::at(5);
const ADDRESS_TYPE: Field<u8> = Field::at(6);
const ARCHITECTURE: Field<u8> = Field::at(7);
const ADDRESS: Field<u64> = Field::at(8);

/// A blocked request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmarGeneric {
    /// The id that the request carried.
    pub requester: Bdf,
    /// Why it was blocked.
    pub reason: GenericReason,
    /// Which way it went.
    pub access: AccessType,
    /// How far the request had been translated: 0 not at all, 1 a device asked for a translation.
    pub address_type: u8,
    /// The kind of unit.
    pub architecture: Architecture,
    /// The address that the device asked for.
    pub address: u64,
}

impl DmarGeneric {
    /// Bytes of a section.
    pub const BYTES: usize = 32;

    pub(crate) fn write(&self, to: &mut [u8]) {
        REQUESTER.set(to, self.requester.source.bits());
        SEGMENT.set(to, self.requester.segment.0);
        REASON.set(to, self.reason.0);
        ACCESS.set(to, self.access.0);
        ADDRESS_TYPE.set(to, self.address_type);
        ARCHITECTURE.set(to, self.architecture.0);
        ADDRESS.set(to, self.address);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::BYTES)?;
        Some(Self {
            requester: Bdf::new(Segment(SEGMENT.get(bytes)?), SourceId::from_bits(REQUESTER.get(bytes)?)),
            reason: GenericReason(REASON.get(bytes)?),
            access: AccessType(ACCESS.get(bytes)?),
            address_type: ADDRESS_TYPE.get(bytes)?,
            architecture: Architecture(ARCHITECTURE.get(bytes)?),
            address: ADDRESS.get(bytes)?,
        })
    }
}

/// Which way a request went. Other values are kept.
///
/// The specification's numbers; EDK II's header has them the other way round, so in a foreign record the fault
/// record of the unit's own section says it more reliably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccessType(pub u8);

impl AccessType {
    /// To memory.
    pub const WRITE: Self = Self(0);
    /// From memory.
    pub const READ: Self = Self(1);

    /// The type of an access: as on the bus, an interrupt is a write, and an atomic operation reads.
    pub const fn of(access: Access) -> Self {
        match access {
            Access::Write | Access::Interrupt => Self::WRITE,
            Access::Read | Access::Atomic | Access::Unknown => Self::READ,
        }
    }

    /// The access, if it is one of the two.
    pub const fn access(self) -> Access {
        match self {
            Self::WRITE => Access::Write,
            Self::READ => Access::Read,
            _ => Access::Unknown,
        }
    }
}

/// The kind of unit. Other values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Architecture(pub u8);

impl Architecture {
    /// Intel VT-d.
    pub const VTD: Self = Self(1);
    /// AMD IOMMU.
    pub const AMD: Self = Self(2);
}

/// Why a request was blocked, in terms that fit any unit. Other values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenericReason(pub u8);

impl GenericReason {
    /// The reason that says best what a fault of this kind is; what is not about tables or addresses is a request
    /// that the device may not make.
    pub const fn of(kind: FaultKind) -> Self {
        Self(match kind {
            FaultKind::NoDeviceTable | FaultKind::NoDeviceEntry | FaultKind::NoProcessEntry => 1,
            FaultKind::DeviceEntryInvalid => 2,
            FaultKind::DeviceTableUnreadable => 3,
            FaultKind::DeviceTableReserved => 4,
            FaultKind::BeyondWidth => 5,
            FaultKind::NoReadPermission
            | FaultKind::NoWritePermission
            | FaultKind::NoPermission
            | FaultKind::IntoInterruptRange => 6,
            FaultKind::PageTableUnreadable => 8,
            FaultKind::PageTableReserved => 9,
            _ => 7,
        })
    }

    /// The VT-d reason of legacy mode that says the same of this access, where there is one.
    pub const fn as_vtd(self, access: AccessType) -> Option<u8> {
        Some(match (self.0, access) {
            (1, _) => 0x02,
            (2, _) => 0x03,
            (3, _) => 0x09,
            (4, _) => 0x0b,
            (5, _) => 0x04,
            (6, AccessType::WRITE) => 0x05,
            (6, AccessType::READ) => 0x06,
            (7, _) => 0x0d,
            (8, _) => 0x07,
            (9, _) => 0x0c,
            _ => return None,
        })
    }
}

impl fmt::Display for GenericReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "the requester has no entry in the domain tables",
            2 => "the requester's entry in the domain tables is invalid",
            3 => "the domain tables could not be read",
            4 => "reserved bits are set in the domain tables",
            5 => "the address is above the supported width",
            6 => "no permission for this access",
            7 => "the device may not make such a request",
            8 => "the translation tables could not be read",
            9 => "reserved bits are set in the translation tables",
            0xa => "the unit met a command that is none",
            0xb => "the unit's command buffer could not be read",
            other => return write!(f, "unknown reason {other:#x}"),
        })
    }
}
