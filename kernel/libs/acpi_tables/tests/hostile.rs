//! No bytes make the decoder or the lint panic or go on without end.

use acpi_tables::ivrs::{EntryKind, IvmdFlags, Ivrs};
use acpi_tables::testing::{DmarBuilder, IvrsBuilder, ScopeSpec, device_entry, use_everything};
use acpi_tables::{AtsrFlags, Dmar, DrhdFlags, SatcFlags};
use dma_types::{PhysAddr, Segment, SourceId};
use proptest::prelude::*;

/// A table with one of everything.
fn sound_table() -> Vec<u8> {
    let (segment, base) = (Segment(0), PhysAddr::new(0xfed9_0000));
    let scopes = [ScopeSpec::endpoint(0, 2, 0), ScopeSpec::endpoint(0, 28, 0).then(0, 1)];
    DmarBuilder::new()
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, segment, base, &scopes)
        .rmrr(segment, base, base, &scopes)
        .atsr(AtsrFlags::empty(), segment, &scopes)
        .rhsa(base, 1)
        .andd(1, b"\\_SB.I2C0\0\0")
        .satc(SatcFlags::empty(), segment, &scopes)
        .sidp(segment, &scopes)
        .structure(9, &[1, 2, 3])
        .build()
}

/// An IVRS table with one of everything.
fn sound_ivrs() -> Vec<u8> {
    let (segment, base) = (Segment(0), PhysAddr::new(0xfeb8_0000));
    let device = SourceId::from_bits(8);
    let mut entries = Vec::new();
    for kind in [EntryKind::SELECT, EntryKind::RANGE_START, EntryKind::RANGE_END] {
        entries.extend(device_entry(kind, device));
    }
    entries.extend([66, 8, 0, 0, 0, 9, 0, 0, 72, 0, 0, 0, 1, 0xa0, 0, 1]);
    let mut acpi = [0; 22];
    (acpi[0], acpi[20], acpi[21]) = (240, 2, 3);
    entries.extend(acpi);
    entries.extend(b"UID");
    IvrsBuilder::new()
        .ivhd(0x10, segment, base, &entries[..28])
        .ivhd(0x40, segment, base, &entries)
        .ivmd(0x22, IvmdFlags::UNITY, [device, device], base, 0x1000)
        .block(0x50, 0, &[1, 2, 3])
        .build()
}

/// Inputs of each property: 200,000 in all five together, 10,000,000 in the full run.
fn inputs() -> ProptestConfig {
    let full = std::env::var_os("IVT_FULL").is_some_and(|value| value == "1");
    ProptestConfig { cases: if full { 2_000_000 } else { 40_000 }, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(inputs())]

    #[test]
    fn random_bytes(bytes: Vec<u8>) {
        use_everything(&bytes);
    }

    #[test]
    fn random_structures_behind_a_sound_header(bytes: Vec<u8>) {
        use_everything(&DmarBuilder::new().raw(&bytes).build());
    }

    #[test]
    fn random_structures_of_known_kinds(
        structures in prop::collection::vec((0..9_u16, 0..40_u16, prop::collection::vec(0..12_u8, 0..40)), 0..12)
    ) {
        let table = structures.iter().fold(DmarBuilder::new(), |table, (kind, length, body)| {
            table.structure(*kind, body).declared_length(*length)
        });
        use_everything(&table.build());
    }

    #[test]
    fn random_entries_of_known_kinds(
        entries in prop::collection::vec((prop::sample::select(&[0_u8, 1, 2, 3, 4, 66, 67, 70, 71, 72, 130, 240][..]),
            prop::collection::vec(0..12_u8, 0..24)), 0..12)
    ) {
        let entries: Vec<u8> =
            entries.into_iter().flat_map(|(kind, rest)| [kind].into_iter().chain(rest)).collect();
        use_everything(&IvrsBuilder::new().ivhd(0x40, Segment(0), PhysAddr::new(0), &entries).build());
    }

    #[test]
    fn sound_tables_with_changed_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kept: prop::sample::Index,
    ) {
        for mut table in [sound_table(), sound_ivrs()] {
            for (place, byte) in &changes {
                let place = place.index(table.len());
                table[place] = *byte;
            }
            use_everything(&table);
            use_everything(&table[..kept.index(table.len())]);
        }
    }
}

#[test]
fn sound_tables_are_whole() {
    let (dmar, ivrs) = (sound_table(), sound_ivrs());
    use_everything(&dmar);
    use_everything(&ivrs);
    assert_eq!(Dmar::parse(&dmar).unwrap().damage().count(), 0);
    assert_eq!(Ivrs::parse(&ivrs).unwrap().damage().count(), 0);
}
