//! What the invalidation queue holds (VT-d "Queued Invalidation Interface" and the descriptors below it).

use core::fmt;

use dma_types::{DomainId, InterruptIndex, Iova, PhysAddr, SourceId};

use super::register_invalidation::Granularity;

/// Bytes of one descriptor.
pub const DESCRIPTOR_SIZE: u64 = 16;

/// One 128-bit descriptor, as two 64-bit halves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The lower 64 bits: kind, granularity, ids.
    pub low: u64,
    /// The upper 64 bits: an address, where the kind has one.
    pub high: u64,
}

const _: () = assert!(size_of::<Descriptor>() as u64 == DESCRIPTOR_SIZE);

/// The type field of a descriptor. Other values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorKind(pub u8);

impl DescriptorKind {
    /// Invalidates entries of the context cache.
    pub const CONTEXT: Self = Self(1);
    /// Invalidates translations of the IOTLB.
    pub const IOTLB: Self = Self(2);
    /// TLB of a device.
    pub const DEVICE_TLB: Self = Self(3);
    /// Cache of interrupt remapping entries.
    pub const INTERRUPT: Self = Self(4);
    /// Waits for the descriptors before it.
    pub const WAIT: Self = Self(5);
}

/// VT-d "Context-Cache Invalidate Descriptor".
impl Descriptor {
    /// Drops every context entry.
    pub const fn context_global() -> Self {
        Self::context(Granularity::GLOBAL, 0)
    }

    /// Drops the context entries of one domain.
    pub const fn context_domain(domain: DomainId) -> Self {
        Self::context(Granularity::DOMAIN, (domain.0 as u64) << 16)
    }

    /// Drops the context entry of one requester in a domain; no function bit is masked.
    pub const fn context_device(domain: DomainId, source: SourceId) -> Self {
        Self::context(Granularity::SELECTIVE, (source.bits() as u64) << 32 | (domain.0 as u64) << 16)
    }

    const fn context(granularity: Granularity, fields: u64) -> Self {
        let low = DescriptorKind::CONTEXT.0 as u64 | (granularity.0 as u64) << 4 | fields;
        Self { low, high: 0 }
    }
}

/// VT-d "IOTLB Invalidate Descriptor".
impl Descriptor {
    const DRAIN_WRITES: u64 = 1 << 6;
    const DRAIN_READS: u64 = 1 << 7;
    const LEAF_HINT: u64 = 1 << 6;

    /// Invalidates every translation of every domain.
    pub const fn iotlb_global() -> Self {
        Self::iotlb(Granularity::GLOBAL, DomainId(0), 0)
    }

    /// Drops the translations of one domain.
    pub const fn iotlb_domain(domain: DomainId) -> Self {
        Self::iotlb(Granularity::DOMAIN, domain, 0)
    }

    /// Drops the translations of 2^`order` pages of a domain, from an address aligned to them.
    pub const fn iotlb_pages(domain: DomainId, start: Iova, order: u8) -> Self {
        let high = start.page().as_u64() | (order & 0x3f) as u64;
        Self::iotlb(Granularity::SELECTIVE, domain, high)
    }

    /// IH: only leaf entries changed, so what the unit keeps of upper tables stands.
    pub const fn with_leaf_hint(self) -> Self {
        Self { low: self.low, high: self.high | Self::LEAF_HINT }
    }

    /// DR: also waits for reads under way.
    pub const fn with_read_drain(self) -> Self {
        Self { low: self.low | Self::DRAIN_READS, high: self.high }
    }

    /// DW: also waits for writes under way.
    pub const fn with_write_drain(self) -> Self {
        Self { low: self.low | Self::DRAIN_WRITES, high: self.high }
    }

    /// The bit DR as it stands: reads under way end first.
    pub const fn drains_reads(self) -> bool {
        self.low & Self::DRAIN_READS != 0
    }

    /// The bit DW as it stands: writes under way end first.
    pub const fn drains_writes(self) -> bool {
        self.low & Self::DRAIN_WRITES != 0
    }

    /// The bit IH as it stands: only leaf entries were changed.
    pub const fn leaf_hint(self) -> bool {
        self.high & Self::LEAF_HINT != 0
    }

    /// AM: power of two of pages.
    pub const fn order(self) -> u8 {
        self.high as u8 & 0x3f
    }

    /// The first page of an IOTLB or device-TLB descriptor.
    pub const fn start(self) -> Iova {
        Iova::new(self.high).page()
    }

    const fn iotlb(granularity: Granularity, domain: DomainId, high: u64) -> Self {
        let low = DescriptorKind::IOTLB.0 as u64 | (granularity.0 as u64) << 4 | (domain.0 as u64) << 16;
        Self { low, high }
    }
}

/// VT-d "Device-TLB Invalidate Descriptor".
impl Descriptor {
    /// Drops one page from a device's own TLB.
    pub const fn device_tlb_page(source: SourceId, page: Iova) -> Self {
        let low = DescriptorKind::DEVICE_TLB.0 as u64 | (source.bits() as u64) << 32;
        Self { low, high: page.page().as_u64() }
    }
}

/// VT-d "Interrupt Entry Cache Invalidate Descriptor".
impl Descriptor {
    const INDEX_SELECTIVE: u64 = 1 << 4;

    /// Drops every interrupt entry.
    pub const fn interrupt_global() -> Self {
        Self { low: DescriptorKind::INTERRUPT.0 as u64, high: 0 }
    }

    /// Drops the interrupt entries of 2^`order` indices, from one that is a multiple of their number.
    pub const fn interrupt_entries(first: InterruptIndex, order: u8) -> Self {
        let fields = (first.0 as u64) << 32 | (order as u64 & 0x1f) << 27;
        let low = DescriptorKind::INTERRUPT.0 as u64 | Self::INDEX_SELECTIVE | fields;
        Self { low, high: 0 }
    }

    /// The bit G as it stands: only some indices are to go.
    pub const fn is_index_selective(self) -> bool {
        self.low & Self::INDEX_SELECTIVE != 0
    }

    /// IIDX: the first index.
    pub const fn interrupt_index(self) -> InterruptIndex {
        InterruptIndex((self.low >> 32) as u16)
    }

    /// IM: power of two of indices.
    pub const fn index_order(self) -> u8 {
        (self.low >> 27) as u8 & 0x1f
    }
}

/// VT-d "Invalidation Wait Descriptor".
impl Descriptor {
    const STATUS_WRITE: u64 = 1 << 5;
    const INTERRUPT: u64 = 1 << 4;

    /// Writes `data` to a 4-byte aligned address once everything before it is done.
    ///
    /// The interrupt flag is never set beside the status write: some units stop at both.
    pub const fn wait(status: PhysAddr, data: u32) -> Self {
        let low = DescriptorKind::WAIT.0 as u64 | Self::STATUS_WRITE | (data as u64) << 32;
        Self { low, high: status.as_u64() & !0b11 }
    }

    /// The bit SW as it stands: the unit writes the status word when all before is done.
    pub const fn writes_status(self) -> bool {
        self.low & Self::STATUS_WRITE != 0
    }

    /// The bit IF as it stands: the unit raises its completion interrupt.
    pub const fn interrupts(self) -> bool {
        self.low & Self::INTERRUPT != 0
    }

    /// Where a wait writes its data.
    pub const fn status_address(self) -> PhysAddr {
        PhysAddr::new(self.high & !0b11)
    }

    /// What a wait writes.
    pub const fn status_data(self) -> u32 {
        (self.low >> 32) as u32
    }
}

/// Fields that several descriptors share.
impl Descriptor {
    /// What is to be done, by the descriptor's type field.
    pub const fn kind(self) -> DescriptorKind {
        DescriptorKind(self.low as u8 & 0xf)
    }

    /// How much it drops.
    pub const fn granularity(self) -> Granularity {
        Granularity((self.low >> 4) as u8 & 0b11)
    }

    /// The domain whose entries are to go.
    pub const fn domain(self) -> DomainId {
        DomainId((self.low >> 16) as u16)
    }

    /// The requester whose context entry is to go.
    pub const fn source(self) -> SourceId {
        SourceId::from_bits((self.low >> 32) as u16)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({:#018x}, {:#018x})", self.high, self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(descriptor: Descriptor) -> (u64, u64) {
        (descriptor.high, descriptor.low)
    }

    #[test]
    fn context_descriptors_are_worked_out_by_hand() {
        assert_eq!(halves(Descriptor::context_global()), (0, 0x11));
        assert_eq!(halves(Descriptor::context_domain(DomainId(0x1234))), (0, 0x1234_0021));
        let device = Descriptor::context_device(DomainId(0x1234), SourceId::from_bits(0x0118));
        assert_eq!(halves(device), (0, 0x0118_1234_0031));
        assert_eq!((device.source().bits(), device.domain()), (0x0118, DomainId(0x1234)));
        assert_eq!(device.kind(), DescriptorKind::CONTEXT);
    }

    #[test]
    fn iotlb_descriptors_are_worked_out_by_hand() {
        assert_eq!(halves(Descriptor::iotlb_global()), (0, 0x12));
        assert_eq!(halves(Descriptor::iotlb_domain(DomainId(3))), (0, 0x0003_0022));
        let pages = Descriptor::iotlb_pages(DomainId(3), Iova::new(0xffff_0000), 4)
            .with_leaf_hint()
            .with_read_drain()
            .with_write_drain();
        assert_eq!(halves(pages), (0xffff_0044, 0x0003_00f2));
        assert_eq!((pages.start(), pages.order(), pages.leaf_hint()), (Iova::new(0xffff_0000), 4, true));
        assert!(pages.drains_reads() && pages.drains_writes());
    }

    #[test]
    fn a_device_tlb_descriptor_is_worked_out_by_hand() {
        let descriptor = Descriptor::device_tlb_page(SourceId::from_bits(0x0118), Iova::new(0x5678));
        assert_eq!(halves(descriptor), (0x5000, 0x0118_0000_0003));
    }

    #[test]
    fn interrupt_descriptors_are_worked_out_by_hand() {
        assert_eq!(halves(Descriptor::interrupt_global()), (0, 4));
        let some = Descriptor::interrupt_entries(InterruptIndex(0x1238), 3);
        assert_eq!(halves(some), (0, 0x1238_1800_0014));
        assert!(some.is_index_selective() && !Descriptor::interrupt_global().is_index_selective());
        assert_eq!((some.interrupt_index(), some.index_order()), (InterruptIndex(0x1238), 3));
        assert_eq!(some.kind(), DescriptorKind::INTERRUPT);
    }

    #[test]
    fn a_wait_writes_its_status_and_raises_no_interrupt() {
        let wait = Descriptor::wait(PhysAddr::new(0x7008), 0xdead_beef);
        assert_eq!(halves(wait), (0x7008, 0xdead_beef_0000_0025));
        assert_eq!((wait.status_address(), wait.status_data()), (PhysAddr::new(0x7008), 0xdead_beef));
        assert!(wait.writes_status() && !wait.interrupts());
    }
}
