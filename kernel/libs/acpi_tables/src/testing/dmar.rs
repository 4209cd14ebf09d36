//! Builds DMAR tables.

use std::vec::Vec;

use dma_types::{PhysAddr, Segment};

use super::builder::TableBuilder;
use crate::dmar::{
    Andd, Atsr, AtsrFlags, Dmar, DmarFlags, Drhd, DrhdFlags, Rhsa, Rmrr, Satc, SatcFlags, ScopeFlags,
    ScopeKind, Sidp,
};

/// A device scope entry to be put into a table.
#[derive(Clone, Debug)]
pub struct ScopeSpec {
    kind: ScopeKind,
    flags: ScopeFlags,
    enumeration_id: u8,
    start_bus: u8,
    path: Vec<[u8; 2]>,
}

impl ScopeSpec {
    /// An entry of any kind with a path of one hop.
    pub fn new(kind: ScopeKind, start_bus: u8, device: u8, function: u8) -> Self {
        let path = Vec::from([[device, function]]);
        Self { kind, flags: ScopeFlags::empty(), enumeration_id: 0, start_bus, path }
    }

    /// A PCI endpoint.
    pub fn endpoint(bus: u8, device: u8, function: u8) -> Self {
        Self::new(ScopeKind::ENDPOINT, bus, device, function)
    }

    /// A PCI bridge with all below it.
    pub fn bridge(bus: u8, device: u8, function: u8) -> Self {
        Self::new(ScopeKind::SUB_HIERARCHY, bus, device, function)
    }

    /// Adds a hop: what the path led to so far becomes a bridge.
    #[must_use]
    pub fn then(mut self, device: u8, function: u8) -> Self {
        self.path.push([device, function]);
        self
    }

    /// Takes all hops away.
    #[must_use]
    pub fn without_path(mut self) -> Self {
        self.path.clear();
        self
    }

    /// Sets the enumeration id.
    #[must_use]
    pub fn id(mut self, enumeration_id: u8) -> Self {
        self.enumeration_id = enumeration_id;
        self
    }

    /// Sets the flags.
    #[must_use]
    pub fn flags(mut self, flags: ScopeFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Appends the entry's bytes.
    fn encode(&self, bytes: &mut Vec<u8>) {
        let length = u8::try_from(6 + 2 * self.path.len()).unwrap();
        bytes.extend([self.kind.0, length, self.flags.bits(), 0, self.enumeration_id, self.start_bus]);
        bytes.extend(self.path.as_flattened());
    }
}

/// Puts a DMAR table together, structure by structure.
pub type DmarBuilder = TableBuilder<Dmar<'static>>;

impl Default for DmarBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl DmarBuilder {
    /// A table without structures, for a machine of 39 address bits that supports interrupt remapping and
    /// opted in.
    pub fn new() -> Self {
        let flags = DmarFlags::INTR_REMAP | DmarFlags::DMA_CTRL_PLATFORM_OPT_IN;
        let mut fields = [0; 12];
        fields[..2].copy_from_slice(&[38, flags.bits()]);
        Self::with_fields(Dmar::SIGNATURE, &fields)
    }

    /// Sets the host address width: the field holds one less.
    #[must_use]
    pub fn width_bits(self, bits: u8) -> Self {
        self.patch(36, &[bits.wrapping_sub(1)])
    }

    /// Sets the platform's flags.
    #[must_use]
    pub fn flags(self, flags: DmarFlags) -> Self {
        self.patch(37, &[flags.bits()])
    }

    /// Adds a remapping unit.
    #[must_use]
    pub fn drhd(self, flags: DrhdFlags, segment: Segment, base: PhysAddr, scopes: &[ScopeSpec]) -> Self {
        let mut body = Vec::from([flags.bits(), 0]);
        body.extend(segment.0.to_le_bytes());
        body.extend(base.as_u64().to_le_bytes());
        self.with_scopes(Drhd::KIND, body, scopes)
    }

    /// Adds a reserved region; `limit` is its last byte.
    #[must_use]
    pub fn rmrr(self, segment: Segment, base: PhysAddr, limit: PhysAddr, scopes: &[ScopeSpec]) -> Self {
        let mut body = Vec::from([0; 2]);
        body.extend(segment.0.to_le_bytes());
        body.extend(base.as_u64().to_le_bytes());
        body.extend(limit.as_u64().to_le_bytes());
        self.with_scopes(Rmrr::KIND, body, scopes)
    }

    /// Adds a list of root ports.
    #[must_use]
    pub fn atsr(self, flags: AtsrFlags, segment: Segment, scopes: &[ScopeSpec]) -> Self {
        let [low, high] = segment.0.to_le_bytes();
        self.with_scopes(Atsr::KIND, Vec::from([flags.bits(), 0, low, high]), scopes)
    }

    /// Adds the proximity domain of a unit.
    #[must_use]
    pub fn rhsa(self, base: PhysAddr, proximity_domain: u32) -> Self {
        let mut body = Vec::from([0; 4]);
        body.extend(base.as_u64().to_le_bytes());
        body.extend(proximity_domain.to_le_bytes());
        self.structure(Rhsa::KIND, &body)
    }

    /// Adds a namespace device; `name` is put in as it stands, so a terminator is the caller's business.
    #[must_use]
    pub fn andd(self, device_number: u8, name: &[u8]) -> Self {
        let mut body = Vec::from([0, 0, 0, device_number]);
        body.extend(name);
        self.structure(Andd::KIND, &body)
    }

    /// Adds a list of devices with translation caches.
    #[must_use]
    pub fn satc(self, flags: SatcFlags, segment: Segment, scopes: &[ScopeSpec]) -> Self {
        let [low, high] = segment.0.to_le_bytes();
        self.with_scopes(Satc::KIND, Vec::from([flags.bits(), 0, low, high]), scopes)
    }

    /// Adds a list of devices with properties.
    #[must_use]
    pub fn sidp(self, segment: Segment, scopes: &[ScopeSpec]) -> Self {
        let [low, high] = segment.0.to_le_bytes();
        self.with_scopes(Sidp::KIND, Vec::from([0, 0, low, high]), scopes)
    }

    /// Adds a structure of any kind; `body` is what follows kind and length.
    #[must_use]
    pub fn structure(self, kind: u16, body: &[u8]) -> Self {
        self.part(kind.to_le_bytes(), body)
    }

    /// Adds a structure whose fixed fields are followed by scopes.
    fn with_scopes(self, kind: u16, mut body: Vec<u8>, scopes: &[ScopeSpec]) -> Self {
        for scope in scopes {
            scope.encode(&mut body);
        }
        self.structure(kind, &body)
    }
}
