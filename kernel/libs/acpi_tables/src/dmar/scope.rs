//! Which devices a structure is about (VT-d "Device Scope Structure").

use core::fmt;

use bitflags::bitflags;
use dma_types::SourceId;

/// One entry of a device scope: a path that starts at a bus and goes down through bridges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Where in the table the entry begins.
    pub offset: usize,
    /// Its length in bytes.
    pub length: u8,
    /// What it names.
    pub kind: ScopeKind,
    /// Properties of the device; they mean something only in a SIDP.
    pub flags: ScopeFlags,
    /// A reserved byte, as it stands.
    pub reserved: u8,
    /// The I/O APIC's id, the HPET's number or the ANDD's device number, by the kind.
    pub enumeration_id: u8,
    /// The bus of the path's first hop.
    pub start_bus: u8,
    /// Device and function of each hop.
    pub(super) path: &'a [[u8; 2]],
}

/// What a scope entry names. Any byte may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeKind(pub u8);

impl ScopeKind {
    /// A PCI endpoint.
    pub const ENDPOINT: Self = Self(1);
    /// A PCI bridge and everything below it.
    pub const SUB_HIERARCHY: Self = Self(2);
    /// An I/O APIC.
    pub const IOAPIC: Self = Self(3);
    /// An HPET that sends messages.
    pub const HPET: Self = Self(4);
    /// A device of the ACPI namespace, declared by an ANDD.
    pub const NAMESPACE: Self = Self(5);
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ENDPOINT => f.write_str("endpoint"),
            Self::SUB_HIERARCHY => f.write_str("sub-hierarchy"),
            Self::IOAPIC => f.write_str("I/O APIC"),
            Self::HPET => f.write_str("HPET"),
            Self::NAMESPACE => f.write_str("namespace device"),
            Self(other) => write!(f, "kind {other:#x}"),
        }
    }
}

bitflags! {
    /// Properties of a device in a SIDP. Bits without a name are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ScopeFlags: u8 {
        /// Requests without PASID may not be translated in two stages.
        const NESTED_NOT_ALLOWED = 1 << 0;
        /// Page walks for requests without PASID may not snoop.
        const PAGE_WALK_SNOOP_NOT_ALLOWED = 1 << 1;
        /// Accesses of requests without PASID may not be forced to snoop.
        const PAGE_SNOOP_NOT_ALLOWED = 1 << 2;
        /// The device's translation cache cannot be made to lie by software that runs on it.
        const ATC_HARDENED = 1 << 3;
        /// The device only works with its translation cache on.
        const ATC_REQUIRED = 1 << 4;
    }
}

/// One step of a path: a function on the bus that the step before led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathHop {
    /// Device number as it stands; above 31 there is no such device.
    pub device: u8,
    /// Function number as it stands; above 7 there is no such function.
    pub function: u8,
}

impl PathHop {
    /// The function on this bus; `None` if the numbers are out of range.
    pub const fn on_bus(self, bus: u8) -> Option<SourceId> {
        SourceId::new(bus, self.device, self.function)
    }
}

impl<'a> Scope<'a> {
    /// The hops from the start bus down. Each but the last is a bridge whose secondary bus is the next one's.
    pub fn path(&self) -> impl ExactSizeIterator<Item = PathHop> + Clone + use<'a> {
        self.path.iter().map(|&[device, function]| PathHop { device, function })
    }

    /// The same as it stands in the table: device and function number of each hop.
    pub const fn hops(&self) -> &'a [[u8; 2]] {
        self.path
    }

    /// The function itself where the path has a single hop with numbers in range. A longer path needs the
    /// bridges' secondary buses, which only the machine knows.
    pub fn source_id(&self) -> Option<SourceId> {
        match self.path {
            &[[device, function]] => SourceId::new(self.start_bus, device, function),
            _ => None,
        }
    }

    /// Tells whether both entries walk the same path.
    pub fn same_path(&self, other: &Scope<'_>) -> bool {
        self.start_bus == other.start_bus && self.path == other.path
    }
}
