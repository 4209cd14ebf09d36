//! Known answers for each kind of block and device entry, and for each kind of damage.

use std::string::ToString;
use std::vec::Vec;

use dma_types::{PhysAddr, Segment, SourceId};

use super::*;
use crate::record::StructureError;
use crate::testing::{IvrsBuilder, device_entry};

const BASE: PhysAddr = PhysAddr::new(0xfeb8_0000);

fn id(bits: u16) -> SourceId {
    SourceId::from_bits(bits)
}

fn unit(entries: &[u8]) -> Vec<u8> {
    IvrsBuilder::new().ivhd(Ivhd::KIND_40, Segment(0), BASE, entries).build()
}

fn entries(table: &[u8]) -> Vec<Result<DeviceEntry<'_>, EntryError>> {
    let ivrs = Ivrs::parse(table).unwrap();
    let Some(Ok(Block::Ivhd(ivhd))) = ivrs.blocks().next() else { panic!("a unit") };
    ivhd.entries().collect()
}

#[test]
fn the_common_part_decodes() {
    let table = IvrsBuilder::new().patch(36, &[0x43, 0x30, 0x60, 0x80]).patch(40, &[1; 8]).build();
    let ivrs = Ivrs::parse(&table).unwrap();
    let info = ivrs.info();
    assert_eq!(info.0, 0x8060_3043);
    assert!(info.extended_features() && info.dma_remap_opt_in() && info.ats_range_reserved());
    assert_eq!((info.guest_address_size(), info.physical_address_bits()), (2, 48));
    assert_eq!((info.virtual_address_bits(), info.reserved_bits()), (64, 0x8000_0000));
    assert_eq!((ivrs.reserved(), ivrs.checksum()), ([1; 8], Checksum::Valid));
    assert_eq!((ivrs.header().signature, ivrs.trailing_bytes()), (Ivrs::SIGNATURE, 0));
}

#[test]
fn units_of_all_kinds_decode() {
    for (kind, length, features) in
        [(0x10, 28, None), (0x11, 44, Some([0x22, 0])), (0x40, 44, Some([0x22, 0]))]
    {
        let table =
            IvrsBuilder::new().ivhd(kind, Segment(7), BASE, &device_entry(EntryKind::ALL, id(0))).build();
        let ivrs = Ivrs::parse(&table).unwrap();
        let Some(Ok(Block::Ivhd(ivhd))) = ivrs.blocks().next() else { panic!("a unit") };
        assert_eq!((ivhd.offset, ivhd.length, ivhd.kind, ivhd.base), (48, length, kind, BASE));
        assert_eq!(ivhd.flags, IvhdFlags::PAGE_REQUESTS | IvhdFlags::COHERENT | IvhdFlags::IOTLB);
        assert_eq!((ivhd.device_id, ivhd.capability_offset, ivhd.segment), (id(2), 0x40, Segment(7)));
        assert_eq!((ivhd.extended_features, ivhd.entries().count()), (features, 1));
        assert_eq!(ivrs.damage().count(), 0);
    }
}

#[test]
fn memory_of_all_kinds_decodes() {
    let devices = [id(0x0010), id(0x00ff)];
    let range = IvmdDevices::Range { first: devices[0], last: devices[1] };
    for (kind, expected) in [(0x20, IvmdDevices::All), (0x21, IvmdDevices::One(devices[0])), (0x22, range)] {
        let flags = IvmdFlags::UNITY | IvmdFlags::READ;
        let table = IvrsBuilder::new().ivmd(kind, flags, devices, PhysAddr::new(0x1000), 0x3000).build();
        let ivrs = Ivrs::parse(&table).unwrap();
        let Some(Ok(Block::Ivmd(ivmd))) = ivrs.blocks().next() else { panic!("memory") };
        assert_eq!((ivmd.kind, ivmd.flags, ivmd.devices()), (kind, flags, expected));
        assert_eq!((ivmd.start, ivmd.bytes, ivmd.extra), (PhysAddr::new(0x1000), 0x3000, &[][..]));
    }
}

#[test]
fn device_entries_of_all_kinds_decode() {
    let mut bytes = Vec::new();
    bytes.extend([0, 0, 0, 0]);
    bytes.extend([3, 0x08, 0x00, 0xf7]);
    bytes.extend([4, 0xff, 0x01, 0]);
    bytes.extend([66, 0x00, 0x03, 0, 0, 0xa5, 0x00, 0]);
    bytes.extend([70, 0x10, 0x00, 0, 4, 3, 2, 1]);
    bytes.extend([72, 0, 0, 0xd7, 33, 0xa0, 0x00, 1]);
    bytes.extend([240, 0x98, 0x00, 0]);
    bytes.extend(b"AMDI0020");
    bytes.extend([0; 8]);
    bytes.extend([2, 3]);
    bytes.extend(b"FUR");
    bytes.extend([130; 16]);
    bytes.extend([200; 32]);
    let table = unit(&bytes);
    let entries: Vec<_> = entries(&table).into_iter().map(Result::unwrap).collect();
    let lengths: Vec<_> = entries.iter().map(|entry| entry.length).collect();
    assert_eq!(lengths, [4, 4, 4, 8, 8, 8, 25, 16, 32]);
    assert!(entries[1].kind.starts_range() && !entries[2].kind.starts_range());
    assert_eq!((entries[1].offset, entries[1].device_id), (92, id(8)));
    assert_eq!(entries[1].settings, DeviceSettings::all());
    assert_eq!(entries[3].detail, EntryDetail::Alias { source: id(0xa5), reserved: [0, 0] });
    assert_eq!(entries[4].detail, EntryDetail::Extended(0x0102_0304));
    let ioapic = EntryDetail::Special { handle: 33, source: id(0xa0), variety: SpecialVariety::IOAPIC };
    assert_eq!(entries[5].detail, ioapic);
    let acpi = AcpiDevice { hid: *b"AMDI0020", cid: [0; 8], uid_format: 2, uid: b"FUR" };
    assert_eq!(entries[6].detail, EntryDetail::Acpi(acpi));
    assert_eq!(entries[7].detail, EntryDetail::Unknown(&[130; 12]));
    assert_eq!(entries[8].detail, EntryDetail::Unknown(&[200; 28]));
}

#[test]
fn entries_that_do_not_fit_end_their_list() {
    let mut hid = [0; 30];
    (hid[0], hid[21]) = (240, 9);
    for (bytes, error) in [
        (&[2, 0, 0][..], EntryError::Overrun { offset: 92, kind: 2, length: 4, left: 3 }),
        (&[66, 0, 0, 0, 0], EntryError::Overrun { offset: 92, kind: 66, length: 8, left: 5 }),
        (&hid[..21], EntryError::Truncated { offset: 92, kind: 240, left: 21 }),
        (&hid[..], EntryError::Overrun { offset: 92, kind: 240, length: 31, left: 30 }),
    ] {
        let mut list = device_entry(EntryKind::ALL, id(0)).to_vec();
        list.extend(bytes);
        let table = unit(&list);
        let entries = entries(&table);
        assert!(entries[0].is_ok());
        assert_eq!(entries[1..], [Err(error)]);
        let damage: Vec<_> = Ivrs::parse(&table).unwrap().damage().collect();
        assert_eq!(damage, [Damage::Entry(error)]);
        assert!(error.to_string().starts_with("device entry at 0x5c: kind 0x"));
    }
}

#[test]
fn blocks_that_are_too_short_or_unknown_are_passed_over() {
    let table = IvrsBuilder::new()
        .block(0x10, 0, &[0; 19])
        .block(0x40, 0, &[0; 35])
        .block(0x21, 0, &[0; 27])
        .block(0x33, 5, &[1, 2])
        .build();
    let ivrs = Ivrs::parse(&table).unwrap();
    let blocks: Vec<_> = ivrs.blocks().collect();
    assert_eq!(blocks[0], Err(StructureError::FixedPartTruncated { offset: 48, kind: 0x10, length: 23 }));
    assert_eq!(blocks[1], Err(StructureError::FixedPartTruncated { offset: 71, kind: 0x40, length: 39 }));
    assert_eq!(blocks[2], Err(StructureError::FixedPartTruncated { offset: 110, kind: 0x21, length: 31 }));
    let Ok(Block::Unknown(unknown)) = blocks[3] else { panic!("an unknown kind") };
    assert_eq!((unknown.kind, unknown.flags, unknown.bytes), (0x33, 5, &[1, 2][..]));
    assert_eq!((blocks.len(), ivrs.unknown_blocks(), ivrs.damage().count()), (4, 1, 3));
}

#[test]
fn a_cut_table_is_used_as_far_as_it_goes() {
    let table = unit(&device_entry(EntryKind::ALL, id(0)));
    let cut = &table[..table.len() - 1];
    let ivrs = Ivrs::parse(cut).unwrap();
    assert!(ivrs.length_problem().is_some());
    let overrun = StructureError::Overrun { offset: 48, kind: 0x40, length: 44, left: 43 };
    assert_eq!(ivrs.blocks().collect::<Vec<_>>(), [Err(overrun)]);
    assert!(Ivrs::parse(&table[..40]).is_err());
}
