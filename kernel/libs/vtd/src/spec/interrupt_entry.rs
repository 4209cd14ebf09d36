//! The interrupt remapping table entry: where an interrupt goes, and who may raise it (VT-d "Interrupt Remapping Table
//! Entry (IRTE) for Remapped Interrupts").
//!
//! ```text
//!  127                                             84 83 82 81 80 79        64
//! +--------------------------------------------------+-----+-----+-----------+
//! |                     reserved                     | SVT | SQ  |    SID    |
//! +--------------------------------------------------+-----+-----+-----------+
//!  63             32 31   24 23    16  15 14  12 11   8 7   5  4   3   2   1   0
//! +-----------------+-------+--------+---+------+------+-----+---+---+---+---+---+
//! |   destination   | resv. | vector |IM | resv.| avail| DLM |TM |RH |DM |FPD| P |
//! +-----------------+-------+--------+---+------+------+-----+---+---+---+---+---+
//! ```

use dma_types::{ApicId, SourceId};
use iommu::interrupts::{Route, Sender, Trigger};

const PRESENT: u64 = 1;
const FAULT_PROCESSING_DISABLE: u64 = 1 << 1;
const LEVEL: u64 = 1 << 4;
const DELIVERY_SHIFT: u32 = 5;
const POSTED: u64 = 1 << 15;
const VECTOR_SHIFT: u32 = 16;
const DESTINATION_SHIFT: u32 = 32;
/// In the high word.
const QUALIFIER_SHIFT: u32 = 16;
/// In the high word.
const VALIDATION_SHIFT: u32 = 18;

/// How entries name a processor: the bit EIME that the unit was given with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationMode {
    /// By 8 bits of an id, for processors in xAPIC mode.
    XApic,
    /// By 32 bits, for processors in x2APIC mode (extended interrupt mode).
    X2Apic,
}

impl DestinationMode {
    /// Tells whether an entry can name this processor. In xAPIC mode the last id of all bits stands for all processors.
    pub const fn reaches(self, destination: ApicId) -> bool {
        destination.0 < self.broadcast()
    }

    /// The id that stands for all processors.
    const fn broadcast(self) -> u32 {
        match self {
            Self::XApic => 0xff,
            Self::X2Apic => u32::MAX,
        }
    }

    const fn shift(self) -> u32 {
        match self {
            Self::XApic => DESTINATION_SHIFT + 8,
            Self::X2Apic => DESTINATION_SHIFT,
        }
    }
}

/// The field SVT: how the sender's id is checked, as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceValidation(pub u8);

impl SourceValidation {
    /// Not at all.
    pub const NONE: Self = Self(0);
    /// Against SID, as the field SQ says.
    pub const ID: Self = Self(1);
    /// Its bus, against a first one (upper byte of SID) and a last one (lower byte).
    pub const BUSES: Self = Self(2);
}

/// One entry of the table.
///
/// Two words: where it is written, the high one comes first, so that the store that sets P completes the entry; where it
/// is cleared, the low one is the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C, align(16))]
pub struct InterruptEntry {
    low: u64,
    high: u64,
}

const _: () = assert!(size_of::<InterruptEntry>() == InterruptEntry::BYTES as usize);

impl InterruptEntry {
    /// Bytes of an entry.
    pub const BYTES: u64 = 16;

    /// An entry for one sender, delivered as fixed to one processor by its physical id. Faults are never suppressed, and
    /// the sender is always checked.
    pub fn remapped(route: Route, sender: Sender, mode: DestinationMode) -> Self {
        let trigger = if route.trigger == Trigger::Level { LEVEL } else { 0 };
        let destination = u64::from(route.destination.0) << mode.shift();
        let (validation, id) = match sender {
            Sender::Exact(source) => (SourceValidation::ID, source.bits()),
            Sender::Buses { first, last } => (SourceValidation::BUSES, u16::from_be_bytes([first, last])),
        };
        Self {
            low: destination | u64::from(route.vector) << VECTOR_SHIFT | trigger | PRESENT,
            high: u64::from(validation.0) << VALIDATION_SHIFT | u64::from(id),
        }
    }

    /// Takes an entry as it stands in memory.
    pub const fn from_words(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// The lower 64 bits: present, delivery, vector, destination.
    pub const fn low(self) -> u64 {
        self.low
    }

    /// The upper 64 bits: who may send.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// P: without it the interrupt is blocked with reason 0x22.
    pub const fn is_present(self) -> bool {
        self.low & PRESENT != 0
    }

    /// FPD: with it the hardware blocks without a word.
    pub const fn suppresses_faults(self) -> bool {
        self.low & FAULT_PROCESSING_DISABLE != 0
    }

    /// IM: the entry is of the other kind, for interrupts that are posted in memory.
    pub const fn is_posted(self) -> bool {
        self.low & POSTED != 0
    }

    /// TM: the interrupt is level-triggered.
    pub const fn is_level(self) -> bool {
        self.low & LEVEL != 0
    }

    /// DLM: the delivery mode as it stands; 0 is fixed.
    pub const fn delivery(self) -> u8 {
        (self.low >> DELIVERY_SHIFT) as u8 & 0b111
    }

    /// The vector.
    pub const fn vector(self) -> u8 {
        (self.low >> VECTOR_SHIFT) as u8
    }

    /// The processor.
    pub const fn destination(self, mode: DestinationMode) -> ApicId {
        match mode {
            DestinationMode::XApic => ApicId((self.low >> mode.shift()) as u8 as u32),
            DestinationMode::X2Apic => ApicId((self.low >> mode.shift()) as u32),
        }
    }

    /// SVT: how the sender is checked.
    pub const fn validation(self) -> SourceValidation {
        SourceValidation((self.high >> VALIDATION_SHIFT) as u8 & 0b11)
    }

    /// SQ: how many bits of the function number are not compared: none, bit 2, bits 2:1, or all three.
    pub const fn qualifier(self) -> u8 {
        (self.high >> QUALIFIER_SHIFT) as u8 & 0b11
    }

    /// SID: the id, or the buses, that the sender is checked against.
    pub const fn sender_id(self) -> SourceId {
        SourceId::from_bits(self.high as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route = Route { vector: 0x61, destination: ApicId(5), trigger: Trigger::Edge };

    #[test]
    fn an_entry_for_one_function_is_put_together_as_worked_out_by_hand() {
        let sender = Sender::Exact(SourceId::from_bits(0x0118));
        let entry = InterruptEntry::remapped(ROUTE, sender, DestinationMode::XApic);
        assert_eq!((entry.low(), entry.high()), (0x0500_0061_0001, 0x4_0118));
        assert!(entry.is_present() && !entry.suppresses_faults() && !entry.is_posted() && !entry.is_level());
        assert_eq!((entry.vector(), entry.delivery()), (0x61, 0));
        assert_eq!(entry.destination(DestinationMode::XApic), ApicId(5));
        assert_eq!((entry.validation(), entry.qualifier()), (SourceValidation::ID, 0));
        assert_eq!(entry.sender_id().bits(), 0x0118);
    }

    #[test]
    fn a_large_id_takes_all_of_the_destination() {
        let route = Route { destination: ApicId(0x1234_5678), trigger: Trigger::Level, ..ROUTE };
        let sender = Sender::Buses { first: 2, last: 9 };
        let entry = InterruptEntry::remapped(route, sender, DestinationMode::X2Apic);
        assert_eq!((entry.low(), entry.high()), (0x1234_5678_0061_0011, 0x8_0209));
        assert!(entry.is_level());
        assert_eq!(entry.destination(DestinationMode::X2Apic), ApicId(0x1234_5678));
        assert_eq!(entry.validation(), SourceValidation::BUSES);
    }

    #[test]
    fn who_can_be_named_depends_on_the_mode() {
        for (id, by_8_bits, by_32) in
            [(0, true, true), (0xfe, true, true), (0xff, false, true), (300, false, true)]
        {
            assert_eq!(DestinationMode::XApic.reaches(ApicId(id)), by_8_bits, "{id}");
            assert_eq!(DestinationMode::X2Apic.reaches(ApicId(id)), by_32, "{id}");
        }
        assert!(!DestinationMode::X2Apic.reaches(ApicId(u32::MAX)));
    }

    #[test]
    fn a_foreign_entry_reads_as_it_stands() {
        let entry = InterruptEntry::from_words(0xffff_ffff_ff42_80e2, 0xd_ffff);
        assert!(!entry.is_present() && entry.suppresses_faults() && entry.is_posted());
        assert_eq!((entry.vector(), entry.delivery()), (0x42, 7));
        assert_eq!((entry.validation(), entry.qualifier()), (SourceValidation(3), 1));
    }
}
