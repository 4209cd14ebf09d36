//! UEFI error records about blocked DMA, as hex dumps.

use cper::{Body, DmarGeneric, Record, VtdDmar};
use dma_types::{Access, Bdf, Segment};
use vtd::spec::context_entry::ContextEntry;
use vtd::spec::fault_reason::FaultReason;
use vtd::spec::fault_record::FaultRecord;
use vtd::spec::root_entry::RootEntry;
use vtd::spec::second_stage::SecondStageEntry;

use super::device::DeviceName;
use super::dump;
use super::fault::{Fault, Origin, Pasid, Reading, Request};

/// Signature, revision and the signature's end, which is four times 0xff.
const BEGINNING: usize = 10;
/// The longest record that is read.
const LONGEST: usize = 4096;

/// What an error record says of a blocked request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ErrorRecord {
    /// The request.
    pub(super) request: Request,
    /// Where the unit's walk through its tables ended, where the record tells.
    pub(super) walk: Option<WalkEnd>,
    /// Whether the fault was caused on purpose.
    pub(super) purpose: Purpose,
}

/// Whether a fault was caused on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Not that the record knows.
    Unknown,
    /// To test the protection.
    Test,
}

/// The entry that ends a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum WalkEnd {
    /// The root entry of the bus is not present.
    Root,
    /// The requester's context entry is not present.
    Context,
    /// A page-table entry.
    Entry {
        /// The level of its table; 1 is the lowest.
        level: u8,
        /// The entry.
        bits: u64,
    },
}

/// Reads the record whose signature, in hex, stands at `at`, and where its dump ends.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Fault, usize)> {
    if text[..at].last().is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    let (start, _) = dump::read(text, at, BEGINNING);
    if !start.ends_with(&[0xff; 4]) {
        return None;
    }
    let (bytes, end) = dump::read(text, at, LONGEST);
    let record = Record::parse(&bytes).ok()?;
    let (mut generic, mut unit) = (None, None);
    for section in record.sections() {
        match section.body {
            Body::DmarGeneric(body) => generic = generic.or(Some(body)),
            Body::VtdDmar(body) => unit = unit.or(Some(body)),
            Body::Other(_) | Body::Damaged => {}
        }
    }
    let purpose = if record.header().flags.simulated() { Purpose::Test } else { Purpose::Unknown };
    let request = request(generic, unit)?;
    // No walk leads to an interrupt, so what stands in its place tells nothing.
    let is_interrupt = request.access == Some(Access::Interrupt);
    let walk = unit.as_ref().filter(|_| !is_interrupt).and_then(walk_end);
    Some((Fault::Cper(Box::new(ErrorRecord { request, walk, purpose })), end))
}

/// The request; the unit's own record says it best.
fn request(generic: Option<DmarGeneric>, unit: Option<VtdDmar>) -> Option<Request> {
    let recorded = unit
        .map(|unit| FaultRecord::from_halves(unit.fault_record[0], unit.fault_record[1]))
        .filter(|record| record.is_valid());
    let requester = match (generic, recorded) {
        (Some(generic), _) => generic.requester,
        (None, Some(record)) => Bdf::new(Segment(0), record.source()),
        (None, None) => return None,
    };
    let address = generic.map(|generic| generic.address);
    let (access, reason, place, pasid) = match (recorded, generic) {
        (Some(record), _) => {
            let place = match record.access() {
                Access::Interrupt => record.interrupt_index().map(|index| u64::from(index.0)),
                _ => address.or(record.page().map(|page| page.as_u64())),
            };
            let pasid = record.pasid().map_or(Pasid::Absent, Pasid::Number);
            (record.access(), Reading::Value(record.reason()), place, pasid)
        }
        (None, generic) => {
            let generic = generic?;
            let reason = generic.reason.as_vtd(generic.access);
            let reason = reason.map_or(Reading::Absent, |code| Reading::Value(FaultReason(code)));
            (generic.access.access(), reason, address, Pasid::Absent)
        }
    };
    Some(Request {
        origin: Origin::Record,
        access: Some(access),
        device: DeviceName::read(requester.to_string().as_bytes()),
        place: place.map_or(Reading::Absent, Reading::Value),
        reason,
        pasid,
    })
}

/// Follows the entries of a record as the unit followed the tables.
fn walk_end(unit: &VtdDmar) -> Option<WalkEnd> {
    let [low, high] = unit.root_entry;
    if !RootEntry::from_words(low, high).is_present() {
        return Some(WalkEnd::Root);
    }
    let [low, high] = unit.context_entry;
    let context = ContextEntry::from_words(low, high);
    if !context.is_present() {
        return Some(WalkEnd::Context);
    }
    let mut end = None;
    for level in (1..=context.levels()?.count()).rev() {
        let bits = *unit.entries.get(usize::from(level) - 1)?;
        end = Some(WalkEnd::Entry { level, bits });
        let entry = SecondStageEntry::from_bits(bits);
        if !entry.is_present() || level < 4 && entry.is_large() {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use cper::{AccessType, Architecture, DmaFault, Flags, GenericReason, Guid, Header, Severity};

    fn fault() -> DmaFault {
        DmaFault {
            header: Header {
                severity: Severity::RECOVERABLE,
                creator: Guid::VTD_DMAR,
                notification: Guid::DMAR_NOTIFICATION,
                id: 1,
                flags: Flags::NONE,
            },
            generic: DmarGeneric {
                requester: "0001:02:03.4".parse().unwrap(),
                reason: GenericReason::of(dma_types::FaultKind::NoReadPermission),
                access: AccessType::READ,
                address_type: 0,
                architecture: Architecture::VTD,
                address: 0x1234_5000,
            },
            vtd: VtdDmar {
                fault_record: [0x1234_5000, 0xc000_0006_0000_021c],
                root_entry: [0x1001, 0],
                context_entry: [0x2001, 0x0702],
                entries: [0, 0x4003, 0x3003, 0x2003, 0, 0],
                ..VtdDmar::NOTHING
            },
        }
    }

    fn hex(fault: &DmaFault) -> String {
        let mut buffer = [0; DmaFault::BYTES];
        fault.write(&mut buffer).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read_back(fault: &DmaFault) -> ErrorRecord {
        match read(hex(fault).as_bytes(), 0) {
            Some((Fault::Cper(record), _)) => *record,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_and_the_walk_are_read() {
        let record = read_back(&fault());
        let Request { access, device, place, reason, pasid, .. } = record.request;
        assert_eq!((access, device.unwrap().as_str()), (Some(Access::Read), "0001:02:03.4"));
        assert_eq!((place, reason), (Reading::Value(0x1234_5000), Reading::Value(FaultReason(6))));
        assert_eq!((pasid, record.purpose), (Pasid::Absent, Purpose::Unknown));
        assert_eq!(record.walk, Some(WalkEnd::Entry { level: 1, bits: 0 }));
    }

    #[test]
    fn the_walk_ends_with_the_first_entry_that_blocks() {
        let end = |vtd: VtdDmar| read_back(&DmaFault { vtd, ..fault() }).walk;
        let vtd = fault().vtd;
        assert_eq!(end(VtdDmar { root_entry: [0; 2], ..vtd }), Some(WalkEnd::Root));
        assert_eq!(end(VtdDmar { context_entry: [0x2000, 0x0702], ..vtd }), Some(WalkEnd::Context));
        let entries = [0, 0, 0, 0x10, 0, 0];
        assert_eq!(end(VtdDmar { entries, ..vtd }), Some(WalkEnd::Entry { level: 4, bits: 0x10 }));
        let entries = [0, 0x20_0081, 0x3003, 0x2003, 0, 0];
        assert_eq!(end(VtdDmar { entries, ..vtd }), Some(WalkEnd::Entry { level: 2, bits: 0x20_0081 }));
    }

    #[test]
    fn a_refused_interrupt_has_an_index_and_no_walk() {
        for (reason, place) in [(0x26, Reading::Value(7)), (0x22, Reading::Value(7)), (0x25, Reading::Absent)]
        {
            let generic = DmarGeneric {
                access: AccessType::of(Access::Interrupt),
                reason: GenericReason::of(FaultReason(reason).kind()),
                address: 0,
                ..fault().generic
            };
            let fault_record = [7 << 48, 1 << 63 | u64::from(reason) << 32 | 0x021c];
            let vtd = VtdDmar { fault_record, ..VtdDmar::NOTHING };
            let record = read_back(&DmaFault { generic, vtd, ..fault() });
            let Request { access, place: read, reason: why, .. } = record.request;
            assert_eq!((access, read), (Some(Access::Interrupt), place));
            assert_eq!((why, record.walk), (Reading::Value(FaultReason(reason)), None));
        }
    }

    /// A record of another writer: no section of the unit, or one without a fault.
    #[test]
    fn the_generic_section_is_enough() {
        let without = DmaFault { vtd: VtdDmar::NOTHING, ..fault() };
        let record = read_back(&without);
        assert_eq!(record.request.reason, Reading::Value(FaultReason(6)));
        assert_eq!(record.request.access, Some(Access::Read));
        let cut_off = &hex(&without)[..2 * 304];
        assert!(read(cut_off.as_bytes(), 0).is_some());
        assert_eq!(read(&cut_off.as_bytes()[..2 * 303], 0), None);
    }

    /// A digit that was misread, or a dump that was cut off or typed twice.
    #[test]
    fn a_damaged_record_is_read_or_refused() {
        let whole = hex(&fault());
        for at in 0..whole.len() {
            for digit in ["0", "7", "f", "x", " ", "\n"] {
                let text = format!("{}{digit}{}", &whole[..at], &whole[at + 1..]);
                let _ = read(text.as_bytes(), 0);
            }
            let _ = read(&whole.as_bytes()[..at], 0);
            let _ = read(format!("{}{whole}", &whole[..at]).as_bytes(), 0);
        }
    }

    #[test]
    fn other_bytes_are_no_record() {
        assert_eq!(read(b"43 50 45 52 00 11 22", 0), None);
        assert_eq!(read(b"0043504552", 2), None);
    }
}
