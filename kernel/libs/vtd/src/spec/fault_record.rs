//! One blocked request as the hardware records it (VT-d "Fault Recording Registers").
//!
//! ```text
//! 127  126  125:124  123:104  103:96  95  94   93    92  79:64  63:12
//! F    T1   AT       PASID    reason  PP  EXE  PRIV  T2  SID    page
//! ```

use dma_types::{Access, FaultKind, InterruptIndex, Iova, SourceId};

use super::fault_reason::FaultReason;

/// A fault record, as two 64-bit halves.
///
/// The low 12 bits of an address are never recorded: it names a page, not a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    low: u64,
    high: u64,
}

const _: () = assert!(size_of::<FaultRecord>() == super::registers::FAULT_RECORD);

/// F as a bit of the record's fourth doubleword; writing 1 there frees the record.
pub const FAULT_VALID: u32 = 1 << 31;

impl FaultRecord {
    /// Takes both halves as read.
    pub const fn from_halves(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// Lower and upper half.
    pub const fn halves(self) -> (u64, u64) {
        (self.low, self.high)
    }

    /// F: the record holds a fault.
    pub const fn is_valid(self) -> bool {
        self.bit(63)
    }

    /// The id that the blocked request carried (SID).
    pub const fn source(self) -> SourceId {
        SourceId::from_bits(self.high as u16)
    }

    /// Why it was blocked.
    pub const fn reason(self) -> FaultReason {
        FaultReason((self.high >> 32) as u8)
    }

    /// The page asked for; `None` for interrupt requests, whose record holds an index instead.
    pub const fn page(self) -> Option<Iova> {
        if self.reason().is_interrupt() { None } else { Some(Iova::new(self.low).page()) }
    }

    /// The index of a blocked interrupt request; `None` for other requests, and for interrupts of the compatibility format,
    /// which name none.
    pub fn interrupt_index(self) -> Option<InterruptIndex> {
        let names_one =
            self.reason().is_interrupt() && self.reason().kind() != FaultKind::CompatibilityInterrupt;
        names_one.then_some(InterruptIndex((self.low >> 48) as u16))
    }

    /// What was asked. Old units have T1 only, so an atomic operation may show as a read.
    ///
    /// A page request, which asks for no data, is [`Access::Unknown`].
    pub const fn access(self) -> Access {
        if self.reason().is_interrupt() {
            return Access::Interrupt;
        }
        match (self.bit(62), self.bit(28)) {
            (false, false) => Access::Write,
            (true, false) => Access::Read,
            (true, true) => Access::Atomic,
            (false, true) => Access::Unknown,
        }
    }

    /// AT: how far the request had been translated.
    pub const fn address_type(self) -> AddressType {
        AddressType((self.high >> 60) as u8 & 0b11)
    }

    /// The process address space the request named, if it named one.
    pub const fn pasid(self) -> Option<u32> {
        if self.bit(31) { Some((self.high >> 40) as u32 & 0xf_ffff) } else { None }
    }

    /// EXE: the request wanted to execute.
    pub const fn execute(self) -> bool {
        self.bit(30)
    }

    /// PRIV: the request was privileged.
    pub const fn privileged(self) -> bool {
        self.bit(29)
    }

    const fn bit(self, bit: u32) -> bool {
        self.high >> bit & 1 != 0
    }
}

/// The AT field: how far a request had been translated. Other values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressType(pub u8);

impl AddressType {
    /// An ordinary request, to be translated.
    pub const UNTRANSLATED: Self = Self(0);
    /// A device asked for a translation to keep.
    pub const TRANSLATION_REQUEST: Self = Self(1);
    /// A device claims to have translated by itself.
    pub const TRANSLATED: Self = Self(2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_read_decodes() {
        // F, T1, reason 6, requester 01:03.0.
        let record = FaultRecord::from_halves(0x1234_5000, 0xc000_0006_0000_0118);
        assert!(record.is_valid());
        assert_eq!(record.source(), SourceId::new(1, 3, 0).unwrap());
        assert_eq!(record.reason(), FaultReason::NO_READ_PERMISSION);
        assert_eq!(record.page(), Some(Iova::new(0x1234_5000)));
        assert_eq!(record.access(), Access::Read);
        assert_eq!(record.address_type(), AddressType::UNTRANSLATED);
        assert_eq!((record.pasid(), record.interrupt_index()), (None, None));
        assert!(!record.execute() && !record.privileged());
    }

    #[test]
    fn a_request_with_pasid_decodes() {
        // F, T1, AT 2, PASID 0xabcde, reason 0x82, PP, EXE, PRIV, T2, requester ff:1f.7.
        let record = FaultRecord::from_halves(0xffff_8000_0000_1fff, 0xeabc_de82_f000_ffff);
        assert_eq!(record.pasid(), Some(0xa_bcde));
        assert_eq!(record.address_type(), AddressType::TRANSLATED);
        assert_eq!(record.access(), Access::Atomic);
        assert_eq!(record.page(), Some(Iova::new(0xffff_8000_0000_1000)));
        assert!(record.execute() && record.privileged());
    }

    #[test]
    fn types_follow_both_bits() {
        let access = |high| FaultRecord::from_halves(0, high).access();
        assert_eq!(access(0x8000_0005_0000_0000), Access::Write);
        assert_eq!(access(0xc000_0006_0000_0000), Access::Read);
        assert_eq!(access(0xc000_0006_1000_0000), Access::Atomic);
        assert_eq!(access(0x8000_0006_1000_0000), Access::Unknown);
    }

    #[test]
    fn an_interrupt_fault_has_an_index() {
        let record = FaultRecord::from_halves(0x0042_0000_0000_0000, 0x8000_0022_0000_00f8);
        assert_eq!((record.access(), record.page()), (Access::Interrupt, None));
        assert_eq!(record.interrupt_index(), Some(InterruptIndex(0x42)));
        let blocked = FaultRecord::from_halves(0x0042_0000_0000_0000, 0x8000_0025_0000_00f8);
        assert_eq!(blocked.interrupt_index(), None);
    }
}
