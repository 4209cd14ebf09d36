//! Known answers for each structure, and for each kind of damage.

use std::string::{String, ToString};
use std::vec::Vec;

use dma_types::{PhysAddr, Segment, SourceId};

use super::*;
use crate::record::StructureError;
use crate::testing::{DmarBuilder, ScopeSpec};

const UNIT: PhysAddr = PhysAddr::new(0xfed9_0000);

/// A table written down byte by byte: one unit for everything, with an I/O APIC.
const BY_HAND: [u8; 72] = [
    b'D', b'M', b'A', b'R', 72, 0, 0, 0, 1, 0x35, b'O', b'E', b'M', b'I', b'D', b' ', b'O', b'E', b'M', b'T',
    b'A', b'B', b'L', b'E', 7, 0, 0, 0, b'T', b'E', b'S', b'T', 9, 0, 0, 0, 38, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 24, 0, 1, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0, 3, 8, 0, 0, 2, 0xf0, 0x1f, 0,
];

fn include_all() -> DmarBuilder {
    DmarBuilder::new().drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), UNIT, &[])
}

fn only_structure(table: &[u8]) -> Structure<'_> {
    let dmar = Dmar::parse(table).unwrap();
    assert_eq!(dmar.damage().count(), 0);
    let mut structures = dmar.structures();
    let structure = structures.next().unwrap().unwrap();
    assert_eq!(structures.next(), None);
    structure
}

fn scopes<'a>(structure: &Structure<'a>) -> Vec<Scope<'a>> {
    structure.scopes().map(Result::unwrap).collect()
}

fn damage(table: &[u8]) -> Vec<String> {
    Dmar::parse(table).unwrap().damage().map(|damage| damage.to_string()).collect()
}

#[test]
fn a_table_written_by_hand_decodes() {
    let built = DmarBuilder::new().drhd(
        DrhdFlags::INCLUDE_PCI_ALL,
        Segment(0),
        UNIT,
        &[ScopeSpec::new(ScopeKind::IOAPIC, 0xf0, 31, 0).id(2)],
    );
    assert_eq!(built.build(), BY_HAND);

    let dmar = Dmar::parse(&BY_HAND).unwrap();
    let header = dmar.header();
    assert_eq!((header.length, header.revision, header.oem_revision, header.creator_revision), (72, 1, 7, 9));
    assert_eq!((&header.oem_id, &header.oem_table_id, &header.creator_id), (b"OEMID ", b"OEMTABLE", b"TEST"));
    assert_eq!(dmar.checksum(), Checksum::Valid);
    assert_eq!((dmar.length_problem(), dmar.trailing_bytes()), (None, 0));
    assert_eq!(dmar.host_address_width(), 39);
    assert_eq!(dmar.flags(), DmarFlags::INTR_REMAP | DmarFlags::DMA_CTRL_PLATFORM_OPT_IN);

    let Structure::Drhd(drhd) = only_structure(&BY_HAND) else { panic!("a unit") };
    assert_eq!((drhd.offset, drhd.length, drhd.segment, drhd.register_base), (48, 24, Segment(0), UNIT));
    assert!(drhd.include_pci_all());
    let scope = drhd.scopes().next().unwrap().unwrap();
    assert_eq!((scope.offset, scope.kind, scope.enumeration_id), (64, ScopeKind::IOAPIC, 2));
    assert_eq!(scope.source_id(), SourceId::new(0xf0, 31, 0));
}

#[test]
fn the_size_field_gives_the_register_window() {
    for (size, bytes) in [(0, 4096), (4, 64 << 10), (15, 128 << 20), (0xf0, 4096)] {
        let table = include_all().patch_last(5, &[size]).build();
        let Structure::Drhd(drhd) = only_structure(&table) else { panic!("a unit") };
        assert_eq!((drhd.size, drhd.window_bytes()), (size, bytes));
    }
}

#[test]
fn unknown_bits_and_values_are_kept() {
    let table = include_all()
        .patch_last(4, &[0xfe])
        .raw(&[0x2a, 0x01, 6, 0, 0xab, 0xcd])
        .patch(36, &[255, 0xf9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        .build();
    let dmar = Dmar::parse(&table).unwrap();
    assert_eq!((dmar.host_address_width(), dmar.flags().bits()), (256, 0xf9));
    assert_eq!(dmar.reserved(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let drhd = dmar.drhds().next().unwrap();
    assert_eq!((drhd.flags.bits(), drhd.include_pci_all()), (0xfe, false));
    let Some(Ok(Structure::Unknown(unknown))) = dmar.structures().nth(1) else { panic!("an unknown kind") };
    assert_eq!((unknown.kind, unknown.length, unknown.bytes), (0x12a, 6, &[0xab, 0xcd][..]));
    assert_eq!((dmar.unknown_structures(), dmar.damage().count()), (1, 0));
}

#[test]
fn a_reserved_region_has_both_ends_inside() {
    let (base, limit) = (PhysAddr::new(0x7b80_0000), PhysAddr::new(0x7fff_ffff));
    let table = DmarBuilder::new().rmrr(Segment(3), base, limit, &[ScopeSpec::endpoint(0, 2, 0)]).build();
    let structure = only_structure(&table);
    let Structure::Rmrr(rmrr) = structure else { panic!("a region") };
    assert_eq!((rmrr.segment, rmrr.base, rmrr.limit, rmrr.reserved), (Segment(3), base, limit, 0));
    assert_eq!(rmrr.bytes(), Some(0x480_0000));
    assert_eq!(scopes(&structure)[0].source_id(), SourceId::new(0, 2, 0));
}

#[test]
fn a_region_that_ends_before_it_begins_has_no_size() {
    for (base, limit) in [(0x2000, 0x1fff), (1, 0), (0, u64::MAX)] {
        let (base, limit) = (PhysAddr::new(base), PhysAddr::new(limit));
        let table = DmarBuilder::new().rmrr(Segment(0), base, limit, &[]).build();
        let Structure::Rmrr(rmrr) = only_structure(&table) else { panic!("a region") };
        assert_eq!(rmrr.bytes(), None);
    }
}

#[test]
fn lists_of_ports_and_devices_decode() {
    let table = DmarBuilder::new()
        .atsr(AtsrFlags::ALL_PORTS, Segment(1), &[])
        .atsr(AtsrFlags::empty(), Segment(0), &[ScopeSpec::bridge(0, 1, 1), ScopeSpec::bridge(0, 28, 0)])
        .satc(SatcFlags::ATC_REQUIRED, Segment(2), &[ScopeSpec::endpoint(0x6a, 1, 0)])
        .sidp(Segment(4), &[ScopeSpec::endpoint(0, 2, 0).flags(ScopeFlags::ATC_HARDENED)])
        .build();
    let dmar = Dmar::parse(&table).unwrap();
    let structures: Vec<_> = dmar.structures().map(Result::unwrap).collect();
    let [Structure::Atsr(all), Structure::Atsr(listed), Structure::Satc(satc), Structure::Sidp(sidp)] =
        structures[..]
    else {
        panic!("two ATSR, a SATC, a SIDP");
    };
    assert_eq!((all.all_ports(), all.segment, all.scopes().count()), (true, Segment(1), 0));
    assert_eq!((listed.all_ports(), listed.scopes().count()), (false, 2));
    assert_eq!((satc.atc_required(), satc.segment), (true, Segment(2)));
    assert_eq!((sidp.segment, sidp.reserved), (Segment(4), 0));
    assert_eq!(scopes(&structures[3])[0].flags, ScopeFlags::ATC_HARDENED);
    assert!(structures.iter().map(Structure::kind).eq([2, 2, 5, 6]));
    assert!(structures.iter().map(Structure::segment).eq([1, 0, 2, 4].map(|s| Some(Segment(s)))));
    assert!(structures.iter().map(Structure::offset).eq([48, 56, 80, 96]));
}

#[test]
fn the_affinity_of_a_unit_decodes() {
    let table = DmarBuilder::new().rhsa(UNIT, 0x0102_0304).build();
    let Structure::Rhsa(rhsa) = only_structure(&table) else { panic!("an affinity") };
    assert_eq!((rhsa.register_base, rhsa.proximity_domain, rhsa.extra), (UNIT, 0x0102_0304, &[][..]));
}

#[test]
fn names_end_at_the_terminator_or_with_the_structure() {
    for (field, name, terminated, padding) in [
        (&b"\\_SB.I2C0\0"[..], &b"\\_SB.I2C0"[..], true, &b""[..]),
        (b"\\_SB.I2C0\0\0\0", b"\\_SB.I2C0", true, b"\0\0"),
        (b"\\_SB\0rest", b"\\_SB", true, b"rest"),
        (b"\\_SB.UA00", b"\\_SB.UA00", false, b""),
        (b"", b"", false, b""),
    ] {
        let table = DmarBuilder::new().andd(5, field).build();
        let Structure::Andd(andd) = only_structure(&table) else { panic!("a declaration") };
        assert_eq!((andd.device_number, andd.name_field, andd.name()), (5, field, name));
        assert_eq!((andd.is_terminated(), andd.padding()), (terminated, padding));
    }
}

#[test]
fn paths_lead_through_bridges() {
    let scope = ScopeSpec::endpoint(0x10, 1, 2).then(0, 0).then(40, 9);
    let table = DmarBuilder::new().drhd(DrhdFlags::empty(), Segment(0), UNIT, &[scope]).build();
    let structure = only_structure(&table);
    let scope = scopes(&structure)[0];
    let hops: Vec<_> = scope.path().map(|hop| (hop.device, hop.function)).collect();
    assert_eq!((scope.length, scope.start_bus, hops), (12, 0x10, Vec::from([(1, 2), (0, 0), (40, 9)])));
    assert_eq!(scope.source_id(), None);
    let resolved: Vec<_> = scope.path().map(|hop| hop.on_bus(0x20)).collect();
    assert_eq!(resolved, [SourceId::new(0x20, 1, 2), SourceId::new(0x20, 0, 0), None]);
}

#[test]
fn what_is_no_table_is_refused_with_the_facts() {
    let table = include_all().build();
    let error = |bytes: &[u8]| Dmar::parse(bytes).unwrap_err().to_string();
    assert_eq!(error(&table[..35]), "no table: 35 bytes, expected at least 36");
    assert_eq!(error(&table[..47]), "DMAR table of 47 bytes, expected at least 48");
    assert_eq!(error(&[b'X'; 64]), "no DMAR table: signature \"XXXX\"");
    let mut short = table;
    short[4..8].copy_from_slice(&[40, 0, 0, 0]);
    assert_eq!(error(&short), "DMAR table of 40 bytes, expected at least 48");
}

#[test]
fn a_wrong_checksum_is_reported_and_the_table_used() {
    let mut table = include_all().build();
    let right = table[9];
    table[9] = right.wrapping_add(3);
    let dmar = Dmar::parse(&table).unwrap();
    assert_eq!(dmar.checksum(), Checksum::Wrong { found: right.wrapping_add(3), expected: right });
    assert_eq!(dmar.drhds().count(), 1);
    assert_eq!(damage(&table).len(), 1);
    assert!(damage(&table)[0].starts_with("checksum at 0x9: found 0x"));
}

#[test]
fn a_cut_table_is_used_as_far_as_it_goes() {
    let table = include_all().rhsa(UNIT, 0).build();
    let dmar = Dmar::parse(&table[..70]).unwrap();
    assert_eq!(dmar.length_problem(), Some(LengthProblem { declared: 84, present: 70 }));
    assert_eq!(dmar.drhds().count(), 1);
    let damage = damage(&table[..70]);
    assert_eq!(damage[0], "table declares 84 bytes, only 70 are present");
    assert_eq!(
        damage[2],
        "structure at 0x40: kind 0x3 has length 20, but only 6 bytes are left; all that follows is lost"
    );
}

#[test]
fn bytes_after_the_declared_end_do_not_count() {
    let mut table = include_all().build();
    table.extend([0xff; 9]);
    let dmar = Dmar::parse(&table).unwrap();
    assert_eq!((dmar.trailing_bytes(), dmar.checksum()), (9, Checksum::Valid));
    assert_eq!((dmar.structures().count(), dmar.damage().count()), (1, 0));
}

#[test]
fn lengths_that_lead_nowhere_end_the_walk() {
    for length in 0..4 {
        let table = include_all().rhsa(UNIT, 0).declared_length(length).rhsa(UNIT, 1).build();
        let dmar = Dmar::parse(&table).unwrap();
        let items: Vec<_> = dmar.structures().collect();
        assert_eq!(items.len(), 2);
        assert_eq!(items[1], Err(StructureError::LengthTooSmall { offset: 64, kind: 3, length }));
    }
    let table = include_all().rhsa(UNIT, 0).declared_length(21).build();
    let overrun = StructureError::Overrun { offset: 64, kind: 3, length: 21, left: 20 };
    assert_eq!(Dmar::parse(&table).unwrap().structures().last(), Some(Err(overrun)));
    let table = include_all().raw(&[3, 0, 20]).build();
    let truncated = StructureError::HeaderTruncated { offset: 64, left: 3 };
    assert_eq!(Dmar::parse(&table).unwrap().structures().last(), Some(Err(truncated)));
}

#[test]
fn a_known_kind_that_is_too_short_is_skipped() {
    for (kind, fixed) in [(0, 16), (1, 24), (2, 8), (3, 20), (4, 8), (5, 8), (6, 8)] {
        let body = std::vec![0; fixed - 5];
        let table = DmarBuilder::new().structure(kind, &body).rhsa(UNIT, 1).build();
        let dmar = Dmar::parse(&table).unwrap();
        let items: Vec<_> = dmar.structures().collect();
        let length = u16::try_from(fixed - 1).unwrap();
        assert_eq!(items[0], Err(StructureError::FixedPartTruncated { offset: 48, kind, length }));
        assert!(matches!(items[1], Ok(Structure::Rhsa(_))));
    }
}

#[test]
fn broken_scopes_end_their_list_and_nothing_else() {
    let broken = |bytes: &[u8]| {
        let mut body = Vec::from([0; 12]);
        body.extend([1, 8, 0, 0, 0, 0, 3, 0]);
        body.extend(bytes);
        DmarBuilder::new().structure(Drhd::KIND, &body).rhsa(UNIT, 0).build()
    };
    for (bytes, error) in [
        (&[1, 8, 0, 0, 0][..], ScopeError::Truncated { offset: 72, left: 5 }),
        (&[1, 0, 0, 0, 0, 0, 1, 0], ScopeError::LengthTooSmall { offset: 72, length: 0 }),
        (&[1, 5, 0, 0, 0, 0, 1, 0], ScopeError::LengthTooSmall { offset: 72, length: 5 }),
        (&[1, 10, 0, 0, 0, 0, 1, 0], ScopeError::Overrun { offset: 72, length: 10, left: 8 }),
    ] {
        let table = broken(bytes);
        let dmar = Dmar::parse(&table).unwrap();
        let items: Vec<_> = dmar.drhds().next().unwrap().scopes().collect();
        assert!(items[0].is_ok());
        assert_eq!(items[1..], [Err(error)]);
        assert_eq!(dmar.structures().count(), 2);
        assert_eq!(dmar.damage().collect::<Vec<_>>(), [Damage::Scope(error)]);
    }
}

#[test]
fn half_a_hop_spoils_its_entry_only() {
    let mut body = Vec::from([0; 12]);
    body.extend([1, 9, 0, 0, 0, 0, 3, 0, 7]);
    body.extend([1, 8, 0, 0, 0, 0, 4, 0]);
    let table = DmarBuilder::new().structure(Drhd::KIND, &body).build();
    let dmar = Dmar::parse(&table).unwrap();
    let items: Vec<_> = dmar.drhds().next().unwrap().scopes().collect();
    assert_eq!(items[0], Err(ScopeError::OddLength { offset: 64, length: 9 }));
    assert_eq!(items[1].unwrap().source_id(), SourceId::new(0, 4, 0));
    assert_eq!(damage(&table), ["scope at 0x40: length 9 ends within a hop, expected an even number"]);
}

#[test]
fn every_kind_of_damage_is_listed_once_with_its_place() {
    let table = include_all()
        .drhd(DrhdFlags::empty(), Segment(0), UNIT, &[ScopeSpec::endpoint(0, 1, 0)])
        .patch_last(17, &[3])
        .structure(Rmrr::KIND, &[0; 4])
        .rhsa(UNIT, 0)
        .declared_length(0)
        .build();
    let dmar = Dmar::parse(&table).unwrap();
    let places: Vec<_> = dmar.damage().map(|damage| damage.offset()).collect();
    assert_eq!(places, [80, 88, 96]);
    assert!(dmar.damage().all(|damage| damage.to_string().starts_with("s")));
}

#[test]
fn a_hundred_units_decode() {
    let table = (0..100_u64)
        .fold(DmarBuilder::new(), |table, unit| {
            let scope = ScopeSpec::endpoint(u8::try_from(unit).unwrap(), 0, 0);
            let base = PhysAddr::new(UNIT.as_u64() + unit * 0x1000);
            table.drhd(DrhdFlags::empty(), Segment(0), base, &[scope])
        })
        .build();
    let dmar = Dmar::parse(&table).unwrap();
    assert_eq!((dmar.drhds().count(), dmar.damage().count()), (100, 0));
}
