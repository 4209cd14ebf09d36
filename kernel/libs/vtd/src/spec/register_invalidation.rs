//! Invalidation by registers (VT-d "Context Command Register", "IOTLB Invalidate Register").
//!
//! Only for units without a queue, or before it is on: with the queue on the unit ignores these.

use dma_types::{DomainId, Iova, SourceId};
use mmio_regs::register_value;

/// How much an invalidation was asked to drop, or says it dropped.
///
/// Zero in an answer says that the request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granularity(pub u8);

impl Granularity {
    /// The unit refused the request.
    pub const REFUSED: Self = Self(0);
    /// Everything, whatever domain it belongs to.
    pub const GLOBAL: Self = Self(1);
    /// What belongs to one domain.
    pub const DOMAIN: Self = Self(2);
    /// One device of a domain (context cache), or pages of a domain (IOTLB).
    pub const SELECTIVE: Self = Self(3);
}

/// VT-d "Context Command Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextCommand(pub u64);

impl ContextCommand {
    const INVALIDATE: u64 = 1 << 63;

    /// The busy bit alone, as a mask.
    pub const BUSY: Self = Self(Self::INVALIDATE);
    /// No command: nothing is under way.
    pub const IDLE: Self = Self(0);

    /// Drops every context entry.
    pub const fn global() -> Self {
        Self(Self::INVALIDATE | (Granularity::GLOBAL.0 as u64) << 61)
    }

    /// Drops the entries of one domain.
    pub const fn domain(domain: DomainId) -> Self {
        Self(Self::INVALIDATE | (Granularity::DOMAIN.0 as u64) << 61 | domain.0 as u64)
    }

    /// Drops the entry of one requester in a domain; no function bit is masked.
    pub const fn device(domain: DomainId, source: SourceId) -> Self {
        Self(
            Self::INVALIDATE
                | (Granularity::SELECTIVE.0 as u64) << 61
                | (source.bits() as u64) << 16
                | domain.0 as u64,
        )
    }

    /// ICC: the unit is still at it.
    pub const fn busy(self) -> bool {
        self.0 & Self::INVALIDATE != 0
    }

    /// CIRG: what was asked.
    pub const fn requested(self) -> Granularity {
        Granularity((self.0 >> 61) as u8 & 0b11)
    }

    /// CAIG: what was done.
    pub const fn done(self) -> Granularity {
        Granularity((self.0 >> 59) as u8 & 0b11)
    }

    /// SID: the requester meant.
    pub const fn source(self) -> SourceId {
        SourceId::from_bits((self.0 >> 16) as u16)
    }

    /// DID: the domain meant.
    pub const fn domain_id(self) -> DomainId {
        DomainId(self.0 as u16)
    }
}

/// VT-d "IOTLB Invalidate Register".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IotlbCommand(pub u64);

impl IotlbCommand {
    const INVALIDATE: u64 = 1 << 63;

    /// The busy bit alone, as a mask.
    pub const BUSY: Self = Self(Self::INVALIDATE);
    /// No command: nothing is under way.
    pub const IDLE: Self = Self(0);
    const DRAIN_READS: u64 = 1 << 49;
    const DRAIN_WRITES: u64 = 1 << 48;

    /// Asks for a granularity in a domain; the domain counts unless it is global.
    pub const fn new(granularity: Granularity, domain: DomainId) -> Self {
        Self(Self::INVALIDATE | (granularity.0 as u64) << 60 | (domain.0 as u64) << 32)
    }

    /// DR: also waits for reads under way.
    pub const fn with_read_drain(self) -> Self {
        Self(self.0 | Self::DRAIN_READS)
    }

    /// DW: also waits for writes under way.
    pub const fn with_write_drain(self) -> Self {
        Self(self.0 | Self::DRAIN_WRITES)
    }

    /// IVT: the unit is still at it.
    pub const fn busy(self) -> bool {
        self.0 & Self::INVALIDATE != 0
    }

    /// IIRG: what was asked.
    pub const fn requested(self) -> Granularity {
        Granularity((self.0 >> 60) as u8 & 0b11)
    }

    /// IAIG: what was done.
    pub const fn done(self) -> Granularity {
        Granularity((self.0 >> 57) as u8 & 0b11)
    }

    /// DID: the domain meant.
    pub const fn domain_id(self) -> DomainId {
        DomainId((self.0 >> 32) as u16)
    }
}

/// VT-d "Invalidate Address Register": which pages a page-selective IOTLB command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidateAddress(pub u64);

impl InvalidateAddress {
    /// 2^`order` pages from an address aligned to them.
    pub const fn new(start: Iova, order: u8) -> Self {
        Self(start.page().as_u64() | (order & 0x3f) as u64)
    }

    /// IH: only leaf entries changed, so what the unit keeps of upper tables stands.
    pub const fn with_leaf_hint(self) -> Self {
        Self(self.0 | 1 << 6)
    }

    /// The first page whose translation is to go.
    pub const fn start(self) -> Iova {
        Iova::new(self.0).page()
    }

    /// AM: power of two of pages.
    pub const fn order(self) -> u8 {
        self.0 as u8 & 0x3f
    }

    /// The bit IH as it stands: only leaf entries were changed.
    pub const fn leaf_hint(self) -> bool {
        self.0 & 1 << 6 != 0
    }
}

register_value!(fields ContextCommand: u64);
register_value!(fields IotlbCommand: u64);
register_value!(fields InvalidateAddress: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_worked_out_by_hand() {
        assert_eq!(ContextCommand::global().0, 0xa000_0000_0000_0000);
        assert_eq!(ContextCommand::domain(DomainId(7)).0, 0xc000_0000_0000_0007);
        let device = ContextCommand::device(DomainId(7), SourceId::from_bits(0x0118));
        assert_eq!(device.0, 0xe000_0000_0118_0007);
        assert_eq!((device.source().bits(), device.domain_id()), (0x0118, DomainId(7)));
        assert!(device.busy());

        assert_eq!(IotlbCommand::new(Granularity::GLOBAL, DomainId(0)).0, 0x9000_0000_0000_0000);
        let pages = IotlbCommand::new(Granularity::SELECTIVE, DomainId(5)).with_read_drain();
        assert_eq!(pages.with_write_drain().0, 0xb003_0005_0000_0000);
        assert_eq!(InvalidateAddress::new(Iova::new(0x8000), 3).with_leaf_hint().0, 0x8043);
    }

    #[test]
    fn answers_tell_what_was_done() {
        let context = ContextCommand(0x6800_0000_0000_0000);
        assert_eq!((context.busy(), context.done()), (false, Granularity::GLOBAL));
        assert_eq!(context.requested(), Granularity::SELECTIVE);
        let iotlb = IotlbCommand(0x3200_0000_0000_0000);
        assert_eq!((iotlb.busy(), iotlb.done()), (false, Granularity::GLOBAL));
        assert_eq!(iotlb.requested(), Granularity::SELECTIVE);
    }
}
