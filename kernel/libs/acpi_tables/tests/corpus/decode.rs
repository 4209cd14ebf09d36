//! Every table of the corpus, and mutations of each, decode as an independent decoder decodes them.

use acpi_tables::ivrs::{EntryError, EntryKind, IvmdFlags, Ivrs};
use acpi_tables::testing::{IvrsBuilder, device_entry};
use acpi_tables::{
    Checksum, Damage, Dmar, Header, LengthProblem, ScopeError, StructureError, TableError, json,
};
use dma_types::{PhysAddr, Segment, SourceId};
use serde_json::{Value, json};

use crate::oracle::{corpus, decode};
use crate::random::Random;

#[test]
fn real_tables_decode_field_by_field() {
    let Some(corpus) = corpus() else { return };
    assert!(corpus.len() >= 294, "{} tables", corpus.len());
    let tables: Vec<_> = corpus.iter().map(|table| table.bytes.clone()).collect();
    for (table, expected) in corpus.iter().zip(decode(&tables)) {
        assert_same_dmar(&table.name, &table.bytes, &expected.expect("a table"));
    }
}

#[test]
fn mutated_tables_decode_alike() {
    let Some(corpus) = corpus() else { return };
    let mut random = Random::new();
    let tables: Vec<_> =
        corpus.iter().flat_map(|table| [table; 3]).map(|table| random.mutate(&table.bytes)).collect();
    for (number, (table, expected)) in tables.iter().zip(decode(&tables)).enumerate() {
        assert_same_dmar(&format!("mutation {number}"), table, &expected.expect("the signature is whole"));
    }
}

#[test]
fn ivrs_tables_decode_alike() {
    if corpus().is_none() {
        return;
    }
    let sound = ivrs_with_everything();
    let mut random = Random::new();
    let mut tables = vec![sound.clone()];
    tables.extend((0..500).map(|_| random.mutate(&sound)));
    for (number, (table, expected)) in tables.iter().zip(decode(&tables)).enumerate() {
        assert_same_ivrs(&format!("mutation {number}"), table, &expected.expect("the signature is whole"));
    }
}

/// An IVRS table with blocks and device entries of every kind.
fn ivrs_with_everything() -> Vec<u8> {
    let mut entries = Vec::new();
    for kind in [EntryKind::PADDING, EntryKind::ALL, EntryKind::SELECT, EntryKind::RANGE_START] {
        entries.extend(device_entry(kind, SourceId::from_bits(0x10)));
    }
    entries.extend(device_entry(EntryKind::RANGE_END, SourceId::from_bits(0x1ff)));
    for kind in [66, 67, 70, 71, 72] {
        entries.extend([kind, 8, 0, 0xd7, 1, 2, 3, 1]);
    }
    let mut acpi = [0; 22];
    (acpi[0], acpi[20], acpi[21]) = (240, 2, 3);
    acpi[4..12].copy_from_slice(b"AMDI0020");
    entries.extend(acpi);
    entries.extend(b"UID");
    let (base, segment) = (PhysAddr::new(0xfeb8_0000), Segment(1));
    let devices = [SourceId::from_bits(0x20), SourceId::from_bits(0x2f)];
    let memory = |table: IvrsBuilder, kind| table.ivmd(kind, IvmdFlags::UNITY, devices, base, 0x1000);
    let units = [0x10, 0x11, 0x40].into_iter();
    let table = units.fold(IvrsBuilder::new(), |table, kind| table.ivhd(kind, segment, base, &entries));
    [0x20, 0x21, 0x22].into_iter().fold(table, memory).block(0x50, 1, &[2, 3]).build()
}

/// Compares all that both decoders say of a DMAR table.
fn assert_same_dmar(name: &str, bytes: &[u8], expected: &Value) {
    let dmar = match Dmar::parse(bytes) {
        Ok(dmar) => dmar,
        Err(error) => return assert_too_short(name, error, expected),
    };
    let header = header(dmar.header(), dmar.checksum(), dmar.length_problem(), bytes);
    assert_eq!(header, expected["header"], "{name}: header");
    assert_eq!(json!(dmar.host_address_width()), expected["host_address_width_bits"], "{name}: width");
    assert_eq!(json!(dmar.flags().bits()), expected["flags"], "{name}: flags");
    assert_eq!(json!(hex(&dmar.reserved())), expected["reserved"], "{name}: reserved");
    assert_eq!(Value::from(json::dmar_structures(&dmar)), expected["structures"], "{name}: structures");
    assert_same_damage(name, dmar.damage(), expected);
}

/// Compares all that both decoders say of an IVRS table.
fn assert_same_ivrs(name: &str, bytes: &[u8], expected: &Value) {
    let ivrs = match Ivrs::parse(bytes) {
        Ok(ivrs) => ivrs,
        Err(error) => return assert_too_short(name, error, expected),
    };
    let header = header(ivrs.header(), ivrs.checksum(), ivrs.length_problem(), bytes);
    assert_eq!(header, expected["header"], "{name}: header");
    let info = ivrs.info();
    let decoded = json!({
        "efr_sup": u8::from(info.extended_features()),
        "dma_remap_sup": u8::from(info.dma_remap_opt_in()),
        "gva_size": info.guest_address_size(),
        "pa_size": info.physical_address_bits(),
        "va_size": info.virtual_address_bits(),
        "ht_ats_resv": u8::from(info.ats_range_reserved()),
    });
    assert_eq!((json!(info.0), decoded), (expected["ivinfo"].clone(), expected["ivinfo_decoded"].clone()));
    assert_eq!(json!(hex(&ivrs.reserved())), expected["reserved"], "{name}: reserved");
    assert_eq!(Value::from(json::ivrs_structures(&ivrs)), expected["structures"], "{name}: structures");
    assert_same_damage(name, ivrs.damage(), expected);
}

fn assert_too_short(name: &str, error: TableError, expected: &Value) {
    assert!(matches!(error, TableError::NoFixedPart { .. }), "{name}: {error}");
    assert_eq!(expected["structures"], json!([]), "{name}");
}

fn assert_same_damage(name: &str, damage: impl Iterator<Item = Damage>, expected: &Value) {
    let damage: Value = damage.map(|damage| json!([code(&damage), damage.offset()])).collect();
    let errors = expected["errors"].as_array().expect("a list");
    let errors: Value = errors.iter().map(|error| json!([error["code"], error["offset"]])).collect();
    assert_eq!(damage, errors, "{name}: damage");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header(header: &Header, checksum: Checksum, length: Option<LengthProblem>, bytes: &[u8]) -> Value {
    let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let (valid, expected) = match checksum {
        Checksum::Valid => (length.is_none(), header.checksum),
        Checksum::Wrong { expected, .. } => (false, expected),
    };
    json!({
        "signature": text(&header.signature),
        "length": header.length,
        "revision": header.revision,
        "checksum": header.checksum,
        "oem_id": text(&header.oem_id),
        "oem_table_id": text(&header.oem_table_id),
        "oem_revision": header.oem_revision,
        "creator_id": text(&header.creator_id),
        "creator_revision": header.creator_revision,
        "file_length": bytes.len(),
        "checksum_ok": valid,
        "checksum_expected": expected,
    })
}

/// The independent decoder's word for a kind of damage.
fn code(damage: &Damage) -> &'static str {
    match damage {
        Damage::Checksum { .. } => "bad-checksum",
        Damage::Length(_) => "table-truncated",
        Damage::Structure(StructureError::HeaderTruncated { .. }) => "structure-header-truncated",
        Damage::Structure(StructureError::LengthTooSmall { .. }) => "structure-length-too-small",
        Damage::Structure(StructureError::Overrun { .. }) => "structure-overruns-table",
        Damage::Structure(StructureError::FixedPartTruncated { .. }) => "structure-shorter-than-fixed-part",
        Damage::Scope(ScopeError::Truncated { .. }) => "scope-truncated",
        Damage::Scope(ScopeError::LengthTooSmall { .. }) => "scope-length-too-small",
        Damage::Scope(ScopeError::Overrun { .. }) => "scope-overruns-structure",
        Damage::Scope(ScopeError::OddLength { .. }) => "scope-odd-length",
        Damage::Entry(EntryError::Truncated { .. }) => "entry-truncated",
        Damage::Entry(EntryError::Overrun { .. }) => "entry-overruns-structure",
    }
}
