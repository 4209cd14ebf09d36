//! One event as the unit logs it (AMD I/O Virtualization "Event Log").
//!
//! ```text
//! low:  63:60 code  59:48 flags  47:32 domain or process  15:0 device
//! high: address, by the kind of event
//! ```
//!
//! The flags mean the same in every event that has them: 24 TR, 23 RZ, 22 PE, 21 RW, 20 PR, 19 I, 18 US, 17 NX, 16 GN, as
//! bits of the second doubleword.

use dma_types::{Access, DomainId, FaultKind, Iova, SourceId};

use super::event_code::EventCode;

/// GN: the request was within a process's address space.
const PROCESS: u32 = 48;
/// I: the request was an interrupt.
const INTERRUPT: u32 = 51;
/// PR: the page is mapped, so it is its permission that is missing.
const MAPPED: u32 = 52;
/// RW: the request was a write.
const WRITE: u32 = 53;
/// RZ: a reserved bit is set in what was read.
const RESERVED: u32 = 55;
/// TR: the request asked for a translation, and for no data.
const TRANSLATION: u32 = 56;
const TYPE_SHIFT: u32 = 57;
/// IOMMU addresses of interrupts, as the unit sees them.
const PAGE: u64 = !0xfff;

/// An event, as two 64-bit halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Bits 63:0; the highest four say what it is.
    pub low: u64,
    /// Bits 127:64: an address.
    pub high: u64,
}

impl Event {
    /// What it is; 0 where the unit has written none yet.
    pub const fn code(self) -> EventCode {
        EventCode((self.low >> 60) as u8)
    }

    /// The requester; `None` for events that are of no device.
    pub const fn source(self) -> Option<SourceId> {
        if self.code().is_of_commands() { None } else { Some(SourceId::from_bits(self.low as u16)) }
    }

    /// The domain of a page fault, or of a page table that could not be read; `None` where the field is something else.
    pub const fn domain(self) -> Option<DomainId> {
        let has_one = matches!(self.code(), EventCode::PAGE_FAULT | EventCode::PAGE_TABLE_ERROR);
        if has_one && !self.flag(PROCESS) { Some(DomainId((self.low >> 32) as u16)) } else { None }
    }

    /// Tells whether it says of itself that an interrupt was blocked.
    pub const fn is_interrupt(self) -> bool {
        self.has_access() && self.flag(INTERRUPT)
    }

    /// Tells whether it says what cannot be where no interrupt is remapped and no process has an address space: a page fault
    /// of either. An emulator logs every page fault so, and its address and direction are nothing then.
    pub const fn contradicts(self) -> bool {
        matches!(self.code(), EventCode::PAGE_FAULT) && (self.flag(INTERRUPT) || self.flag(PROCESS))
    }

    /// What was asked, as far as the event tells.
    pub const fn access(self) -> Access {
        match (self.has_access(), self.flag(INTERRUPT), self.flag(TRANSLATION), self.flag(WRITE)) {
            (false, ..) | (true, false, true, _) => Access::Unknown,
            (true, true, ..) => Access::Interrupt,
            (true, false, false, true) => Access::Write,
            (true, false, false, false) => Access::Read,
        }
    }

    /// The page asked for; `None` for interrupts, and for events whose address is that of a table or a command.
    pub const fn page(self) -> Option<Iova> {
        let asked_for = matches!(
            self.code(),
            EventCode::ILLEGAL_DEVICE_ENTRY
                | EventCode::PAGE_FAULT
                | EventCode::INVALID_REQUEST
                | EventCode::INVALID_PAGE_REQUEST
        );
        if asked_for && !self.is_interrupt() { Some(Iova::new(self.high & PAGE)) } else { None }
    }

    /// The address as it stands.
    pub const fn address(self) -> u64 {
        self.high
    }

    /// The twelve flags.
    pub const fn flags(self) -> u16 {
        (self.low >> 48 & 0xfff) as u16
    }

    /// The type of a hardware error or an invalid request.
    pub const fn error_type(self) -> u8 {
        (self.low >> TYPE_SHIFT & 0b111) as u8
    }

    /// What it says of the fault, in terms that fit every family of units.
    pub const fn kind(self) -> FaultKind {
        match self.code() {
            EventCode::ILLEGAL_DEVICE_ENTRY if self.flag(RESERVED) => FaultKind::DeviceTableReserved,
            EventCode::ILLEGAL_DEVICE_ENTRY => FaultKind::DeviceEntryInvalid,
            EventCode::PAGE_FAULT if self.flag(INTERRUPT) => self.interrupt_kind(),
            EventCode::PAGE_FAULT if self.flag(RESERVED) => FaultKind::PageTableReserved,
            EventCode::PAGE_FAULT => match self.access() {
                Access::Write => FaultKind::NoWritePermission,
                Access::Read => FaultKind::NoReadPermission,
                _ => FaultKind::NoPermission,
            },
            EventCode::DEVICE_TABLE_ERROR if self.flag(INTERRUPT) => FaultKind::InterruptTableUnreadable,
            EventCode::DEVICE_TABLE_ERROR => FaultKind::DeviceTableUnreadable,
            EventCode::PAGE_TABLE_ERROR if self.flag(INTERRUPT) => FaultKind::InterruptTableUnreadable,
            EventCode::PAGE_TABLE_ERROR => FaultKind::PageTableUnreadable,
            EventCode::INVALID_REQUEST => match self.error_type() {
                // 0 and 1: a translated request, or one that asks for a translation, of a device without TLB.
                0 | 1 => FaultKind::TranslatedRequest,
                _ => FaultKind::NoPermission,
            },
            EventCode::INVALID_PAGE_REQUEST => FaultKind::ProcessRequest,
            _ => FaultKind::Unknown,
        }
    }

    const fn interrupt_kind(self) -> FaultKind {
        if self.flag(RESERVED) {
            FaultKind::InterruptTableReserved
        } else if self.flag(MAPPED) {
            FaultKind::Interrupt
        } else {
            FaultKind::NoInterruptEntry
        }
    }

    /// Tells whether the code is one whose flags I, RW and TR count.
    const fn has_access(self) -> bool {
        matches!(
            self.code(),
            EventCode::ILLEGAL_DEVICE_ENTRY
                | EventCode::PAGE_FAULT
                | EventCode::DEVICE_TABLE_ERROR
                | EventCode::PAGE_TABLE_ERROR
        )
    }

    const fn flag(self, bit: u32) -> bool {
        self.low >> bit & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte patterns, what they are, and of whom.
    #[test]
    fn every_event_is_told_from_its_bytes() {
        let read = |low, high| {
            let event = Event { low, high };
            (event.kind(), event.source().map(SourceId::bits), event.access(), event.page().map(Iova::as_u64))
        };
        use Access::{Interrupt, Read, Unknown, Write};
        let patterns = [
            // A reserved bit in the entry of 01:00.0; it read.
            (0x1080_0000_0000_0100, 0x5123, FaultKind::DeviceTableReserved, Some(0x100), Read, Some(0x5000)),
            (0x1020_0000_0000_0100, 0x5000, FaultKind::DeviceEntryInvalid, Some(0x100), Write, Some(0x5000)),
            // 00:03.0 of domain 5 writes to a page that is not mapped, then to one that is for reads.
            (
                0x2020_0005_0000_0018,
                0xdead_b000,
                FaultKind::NoWritePermission,
                Some(0x18),
                Write,
                Some(0xdead_b000),
            ),
            (
                0x2030_0005_0000_0018,
                0xdead_bfff,
                FaultKind::NoWritePermission,
                Some(0x18),
                Write,
                Some(0xdead_b000),
            ),
            (0x2000_0005_0000_0018, 0x1000, FaultKind::NoReadPermission, Some(0x18), Read, Some(0x1000)),
            (0x2080_0005_0000_0018, 0x1000, FaultKind::PageTableReserved, Some(0x18), Read, Some(0x1000)),
            (0x2100_0005_0000_0018, 0x1000, FaultKind::NoPermission, Some(0x18), Unknown, Some(0x1000)),
            // An interrupt without an entry, one whose entry is off, and one whose entry is malformed.
            (0x2008_0005_0000_0018, 0xfee0_0000, FaultKind::NoInterruptEntry, Some(0x18), Interrupt, None),
            (0x2018_0005_0000_0018, 0xfee0_0000, FaultKind::Interrupt, Some(0x18), Interrupt, None),
            (
                0x2088_0005_0000_0018,
                0xfee0_0000,
                FaultKind::InterruptTableReserved,
                Some(0x18),
                Interrupt,
                None,
            ),
            (0x3200_0000_0000_0018, 0x9000, FaultKind::DeviceTableUnreadable, Some(0x18), Read, None),
            (0x4220_0005_0000_0018, 0x9000, FaultKind::PageTableUnreadable, Some(0x18), Write, None),
            (0x4208_0005_0000_0018, 0x9000, FaultKind::InterruptTableUnreadable, Some(0x18), Interrupt, None),
            (0x5000_0000_0000_0000, 0x7010, FaultKind::Unknown, None, Unknown, None),
            (0x6200_0000_0000_0000, 0x7010, FaultKind::Unknown, None, Unknown, None),
            (0x7000_0000_0000_0018, 0x7010, FaultKind::Unknown, Some(0x18), Unknown, None),
            (0x8000_0000_0000_0018, 0x3000, FaultKind::TranslatedRequest, Some(0x18), Unknown, Some(0x3000)),
            (0x8800_0000_0000_0018, 0x3000, FaultKind::NoPermission, Some(0x18), Unknown, Some(0x3000)),
            (0x9000_0000_0000_0018, 0x3000, FaultKind::ProcessRequest, Some(0x18), Unknown, Some(0x3000)),
            (0xa000_0000_0000_0000, 0, FaultKind::Unknown, None, Unknown, None),
            (0xf000_0000_0000_0018, 0, FaultKind::Unknown, Some(0x18), Unknown, None),
        ];
        for (low, high, kind, source, access, page) in patterns {
            assert_eq!(read(low, high), (kind, source, access, page), "{low:#x}");
        }
    }

    #[test]
    fn what_an_emulator_logs_of_a_write_contradicts_itself() {
        // QEMU 11.1: flags 0xa for a write, 0x9 for a read, domain and address 0.
        for low in [0x200a_0000_0000_0018, 0x2009_0000_0000_0018] {
            assert!(Event { low, high: 0 }.contradicts());
        }
        assert!(!Event { low: 0x2020_0005_0000_0018, high: 0x1000 }.contradicts());
    }

    #[test]
    fn the_domain_is_told_where_there_is_one() {
        let domain = |low| Event { low, high: 0 }.domain().map(|domain| domain.0);
        assert_eq!(domain(0x2020_0005_0000_0018), Some(5));
        assert_eq!(domain(0x2021_0005_0000_0018), None);
        assert_eq!(domain(0x1020_0005_0000_0018), None);
    }

    #[test]
    fn every_code_has_its_words_or_none() {
        for code in 0..=u8::MAX {
            assert_eq!(EventCode(code).meaning().is_some(), (1..=0xa).contains(&code));
        }
    }
}
