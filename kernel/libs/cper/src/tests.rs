//! Layout against the specification's tables; round trips; bytes of any kind.

use std::vec;
use std::vec::Vec;

use ::vtd::spec::fault_reason::FaultReason;
use dma_types::{Access, Bdf, FaultKind};
use proptest::prelude::*;

use super::*;
use crate::field::Number;

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// A record in which each field has a value of its own.
fn fault() -> DmaFault {
    DmaFault {
        header: Header {
            severity: Severity::FATAL,
            creator: Guid::new(0x0403_0201, 0x0605, 0x0807, [9, 10, 11, 12, 13, 14, 15, 16]),
            notification: Guid::DMAR_NOTIFICATION,
            id: 0x1122_3344_5566_7788,
            flags: Flags::SIMULATED,
        },
        generic: DmarGeneric {
            requester: bdf("abcd:12:1f.3"),
            reason: GenericReason::of(FaultKind::NoWritePermission),
            access: AccessType::of(Access::Write),
            address_type: 1,
            architecture: Architecture::VTD,
            address: 0x0123_4567_89ab_c000,
        },
        vtd: VtdDmar {
            version: 0x10,
            revision: 1,
            oem_id: *b"BOCHS ",
            capabilities: 0x00d2_008c_222f_0606,
            extended_capabilities: 0x00f0_0f4a,
            global_command: 0x8400_0000,
            global_status: 0xc400_0000,
            fault_status: 2,
            fault_record: [0x0117_7000, 0x8000_0005_0000_0018],
            root_entry: [0x1000_0001, 0x1111],
            context_entry: [0x2000_0001, 0x0102],
            entries: [0x61, 0x62, 0x63, 0x64, 0x65, 0x66],
        },
    }
}

fn written(fault: &DmaFault) -> Vec<u8> {
    let mut buffer = [0xff; DmaFault::BYTES + 8];
    fault.write(&mut buffer).unwrap().to_vec()
}

#[track_caller]
fn number<T: Number + PartialEq + std::fmt::Debug>(bytes: &[u8], at: usize, expected: T) {
    assert_eq!(T::get(bytes, at), Some(expected), "at {at}");
}

/// "Error record header": mnemonic, byte offset and byte length of each field.
#[test]
fn the_header_is_laid_out_as_specified() {
    let bytes = written(&fault());
    assert_eq!(bytes.len(), 128 + 2 * 72 + 32 + 144);
    number(&bytes, 0, *b"CPER");
    number(&bytes, 4, [1_u8, 1]);
    number(&bytes, 6, u32::MAX);
    number(&bytes, 10, 2_u16);
    number(&bytes, 12, 1_u32);
    number(&bytes, 16, 0_u32);
    number(&bytes, 20, 448_u32);
    number(&bytes, 24, [0_u8; 8 + 16 + 16]);
    number(&bytes, 64, [1_u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    number(&bytes, 80, Guid::DMAR_NOTIFICATION.to_bytes());
    number(&bytes, 96, 0x1122_3344_5566_7788_u64);
    number(&bytes, 104, 4_u32);
    number(&bytes, 108, [0_u8; 8 + 12]);
}

/// "Section Descriptor".
#[test]
fn the_descriptors_are_laid_out_as_specified() {
    let bytes = written(&fault());
    for (at, offset, length, flags, kind) in
        [(128, 272_u32, 32_u32, 1_u32, Guid::DMAR_GENERIC), (200, 304, 144, 0, Guid::VTD_DMAR)]
    {
        number(&bytes, at, offset);
        number(&bytes, at + 4, length);
        number(&bytes, at + 8, [0_u8, 1]);
        number(&bytes, at + 10, [0_u8; 2]);
        number(&bytes, at + 12, flags);
        number(&bytes, at + 16, kind.to_bytes());
        number(&bytes, at + 32, [0_u8; 16]);
        number(&bytes, at + 48, 1_u32);
        number(&bytes, at + 52, [0_u8; 20]);
    }
}

/// "DMAr Generic Errors".
#[test]
fn the_generic_section_is_laid_out_as_specified() {
    let bytes = &written(&fault())[272..];
    number(bytes, 0, 0x12fb_u16);
    number(bytes, 2, 0xabcd_u16);
    number(bytes, 4, [6_u8, 0, 1, 1]);
    number(bytes, 8, 0x0123_4567_89ab_c000_u64);
    number(bytes, 16, [0_u8; 16]);
}

/// "Intel VT for Directed I/O specific DMAr Errors".
#[test]
fn the_section_of_the_unit_is_laid_out_as_specified() {
    let bytes = &written(&fault())[304..];
    number(bytes, 0, [0x10_u8, 1]);
    number(bytes, 2, *b"BOCHS ");
    number(bytes, 8, 0x00d2_008c_222f_0606_u64);
    number(bytes, 16, 0x00f0_0f4a_u64);
    number(bytes, 24, 0x8400_0000_u32);
    number(bytes, 28, 0xc400_0000_u32);
    number(bytes, 32, 2_u32);
    number(bytes, 36, [0_u8; 12]);
    number(bytes, 48, [0x0117_7000_u64, 0x8000_0005_0000_0018]);
    number(bytes, 64, [0x1000_0001_u64, 0x1111]);
    number(bytes, 80, [0x2000_0001_u64, 0x0102]);
    for (at, entry) in (96..).step_by(8).zip([0x66_u64, 0x65, 0x64, 0x63, 0x62, 0x61]) {
        number(bytes, at, entry);
    }
    assert_eq!(bytes.len(), 144);
}

#[test]
fn what_is_written_is_read() {
    let fault = fault();
    let mut bytes = written(&fault);
    bytes.extend([7; 100]);
    let record = Record::parse(&bytes).unwrap();
    assert_eq!((record.header(), record.is_whole()), (&fault.header, true));
    let sections: Vec<_> = record.sections().collect();
    let bodies: Vec<_> = sections.iter().map(|section| section.body).collect();
    assert_eq!(bodies, [Body::DmarGeneric(fault.generic), Body::VtdDmar(fault.vtd)]);
    assert!(sections.iter().all(|section| section.severity == Severity::FATAL));
}

#[test]
fn a_short_buffer_is_refused() {
    let mut buffer = [0; DmaFault::BYTES - 1];
    assert_eq!(fault().write(&mut buffer), Err(BufferTooSmall { bytes: DmaFault::BYTES - 1 }));
    assert_eq!(buffer, [0; DmaFault::BYTES - 1]);
}

#[test]
fn a_record_that_was_cut_off_is_read_as_far_as_it_goes() {
    let bytes = written(&fault());
    let bodies = |length: usize| -> Vec<_> {
        let record = Record::parse(&bytes[..length]).unwrap();
        assert_eq!(record.is_whole(), length == bytes.len());
        record.sections().map(|section| section.body).collect()
    };
    assert_eq!(bodies(447), [Body::DmarGeneric(fault().generic), Body::Damaged]);
    assert_eq!(bodies(303), [Body::Damaged, Body::Damaged]);
    assert_eq!(bodies(271), [Body::Damaged]);
    assert_eq!(bodies(128), []);
    assert_eq!(Record::parse(&bytes[..127]), Err(NoRecord::TooShort { bytes: 127 }));
    assert_eq!(Record::parse(&bytes[1..]), Err(NoRecord::Signature));
    assert_eq!(Record::parse(&[]), Err(NoRecord::Signature));
}

#[test]
fn sections_of_other_kinds_are_kept() {
    let mut bytes = written(&fault());
    bytes[128 + 16] ^= 1;
    let record = Record::parse(&bytes).unwrap();
    let first = record.sections().next().unwrap();
    assert_eq!(first.body, Body::Other(&bytes[272..304]));
    assert_ne!(first.kind, Guid::DMAR_GENERIC);
}

#[test]
fn a_section_shorter_than_its_kind_is_damaged() {
    let mut bytes = written(&fault());
    bytes[200 + 4] = 143;
    let bodies: Vec<_> = Record::parse(&bytes).unwrap().sections().map(|section| section.body).collect();
    assert_eq!(bodies, [Body::DmarGeneric(fault().generic), Body::Damaged]);
}

#[test]
fn reasons_go_over_and_back() {
    let of = |reason| GenericReason::of(FaultReason(reason).kind());
    for reason in [0x02, 0x03, 0x09, 0x0b, 0x04, 0x0d, 0x07, 0x0c] {
        assert_eq!(of(reason).as_vtd(AccessType::READ), Some(reason), "{reason:#x}");
    }
    assert_eq!(of(5).as_vtd(AccessType::WRITE), Some(5));
    assert_eq!(of(6).as_vtd(AccessType::READ), Some(6));
    assert_eq!(GenericReason(6).as_vtd(AccessType(9)), None);
    assert_eq!(of(0x25), GenericReason(7));
}

proptest! {
    #[test]
    fn any_fault_survives_a_round_trip(
        requester: u16, segment: u16, small: [u8; 4], address: u64, words: [u64; 14], halves: [u32; 3],
        severity: u32, id: u64, flags: u32,
    ) {
        let [reason, access, address_type, architecture] = small;
        let pair = |at: usize| [words[at], words[at + 1]];
        let fault = DmaFault {
            header: Header { severity: Severity(severity), id, flags: Flags(flags), ..fault().header },
            generic: DmarGeneric {
                requester: Bdf::new(dma_types::Segment(segment), dma_types::SourceId::from_bits(requester)),
                reason: GenericReason(reason),
                access: AccessType(access),
                address_type,
                architecture: Architecture(architecture),
                address,
            },
            vtd: VtdDmar {
                capabilities: words[0],
                extended_capabilities: words[1],
                global_command: halves[0],
                global_status: halves[1],
                fault_status: halves[2],
                fault_record: pair(2),
                root_entry: pair(4),
                context_entry: pair(6),
                entries: core::array::from_fn(|level| words[8 + level]),
                ..fault().vtd
            },
        };
        let bytes = written(&fault);
        let record = Record::parse(&bytes).unwrap();
        prop_assert_eq!(record.header(), &fault.header);
        let bodies: Vec<_> = record.sections().map(|section| section.body).collect();
        prop_assert_eq!(bodies, [Body::DmarGeneric(fault.generic), Body::VtdDmar(fault.vtd)]);
    }

    #[test]
    fn no_bytes_are_too_strange(mut bytes in prop::collection::vec(any::<u8>(), 0..600), signed: bool) {
        if signed && bytes.len() >= 10 {
            bytes[..4].copy_from_slice(b"CPER");
            bytes[6..10].fill(0xff);
        }
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert!(record.sections().count() <= bytes.len() / 72);
        }
    }

    #[test]
    fn a_changed_byte_does_no_harm(at in 0..DmaFault::BYTES, value: u8) {
        let mut bytes = written(&fault());
        bytes[at] = value;
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert!(record.sections().count() <= 4);
        }
    }
}

#[test]
fn many_sections_end_with_the_bytes() {
    let mut bytes = vec![0; 128 + 72];
    bytes[..4].copy_from_slice(b"CPER");
    bytes[6..12].fill(0xff);
    bytes[20..24].fill(0xff);
    let record = Record::parse(&bytes).unwrap();
    assert_eq!((record.sections().count(), record.is_whole()), (1, false));
}
