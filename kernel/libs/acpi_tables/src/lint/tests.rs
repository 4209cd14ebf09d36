//! Each finding fires on a table made for it, and on no sound one.

use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::vec::Vec;

use dma_types::{PhysAddr, Segment, SourceId};

use super::*;
use crate::dmar::{AtsrFlags, DmarFlags, DrhdFlags, SatcFlags, ScopeFlags, ScopeKind};
use crate::ivrs::{EntryKind, Ivhd, Ivmd, IvmdFlags};
use crate::testing::{DmarBuilder, IvrsBuilder, ScopeSpec, device_entry};

const ALL: DrhdFlags = DrhdFlags::INCLUDE_PCI_ALL;
const LISTED: DrhdFlags = DrhdFlags::empty();
const SEGMENT: Segment = Segment(0);
const UNIT: PhysAddr = PhysAddr::new(0xfed9_1000);
const OTHER_UNIT: PhysAddr = PhysAddr::new(0xfed9_0000);
const UNIT_48: PhysAddr = PhysAddr::new(0xfeb8_0000);

/// Every id with its severity, for DMAR and IVRS.
const IDS: [(&str, Severity); 61] = [
    ("length", Severity::Error),
    ("structure-length", Severity::Error),
    ("structure-overrun", Severity::Error),
    ("scope-length", Severity::Error),
    ("checksum", Severity::Error),
    ("drhd-base-zero", Severity::Error),
    ("drhd-base-unaligned", Severity::Error),
    ("drhd-base-shared", Severity::Error),
    ("drhd-base-width", Severity::Error),
    ("rmrr-inverted", Severity::Error),
    ("rmrr-over-registers", Severity::Error),
    ("include-all-twice", Severity::Error),
    ("order", Severity::Warning),
    ("include-all-not-last", Severity::Warning),
    ("include-all-missing", Severity::Warning),
    ("rmrr-unaligned", Severity::Warning),
    ("rmrr-overlap", Severity::Warning),
    ("rmrr-zero", Severity::Warning),
    ("rmrr-large", Severity::Warning),
    ("rmrr-device", Severity::Warning),
    ("no-intr-remap", Severity::Warning),
    ("scope-empty", Severity::Warning),
    ("path-bad", Severity::Warning),
    ("rhsa-orphan", Severity::Warning),
    ("atsr-orphan", Severity::Warning),
    ("andd-unterminated", Severity::Warning),
    ("x2apic-opt-out", Severity::Note),
    ("x2apic-opt-out-alone", Severity::Note),
    ("no-opt-in", Severity::Note),
    ("reserved-bits", Severity::Note),
    ("segment-without-unit", Severity::Note),
    ("trailing-bytes", Severity::Note),
    ("unknown-structure", Severity::Note),
    ("unknown-scope-kind", Severity::Note),
    ("address-width", Severity::Note),
    ("rmrr-width", Severity::Note),
    ("scope-flags", Severity::Note),
    ("scope-enumeration-id", Severity::Note),
    ("include-all-lists-pci", Severity::Note),
    ("atsr-all-ports-listed", Severity::Note),
    ("atsr-device", Severity::Note),
    ("rhsa-length", Severity::Note),
    ("andd-padding", Severity::Note),
    ("andd-name", Severity::Note),
    ("device-twice", Severity::Note),
    ("andd-number-twice", Severity::Note),
    ("andd-missing", Severity::Note),
    ("andd-unused", Severity::Note),
    ("too-many", Severity::Note),
    ("ivhd-base-zero", Severity::Error),
    ("ivhd-base-unaligned", Severity::Error),
    ("ivhd-twice", Severity::Error),
    ("ivhd-missing", Severity::Warning),
    ("ivmd-exclusion", Severity::Warning),
    ("ivmd-unaligned", Severity::Warning),
    ("ivhd-range", Severity::Warning),
    ("ivmd-length", Severity::Note),
    ("unknown-block", Severity::Note),
    ("unknown-entry", Severity::Note),
    ("unknown-variety", Severity::Note),
    ("unique-id", Severity::Note),
];

fn endpoint() -> [ScopeSpec; 1] {
    [ScopeSpec::endpoint(0, 2, 0)]
}

/// A sound table: one unit for graphics, one for the rest.
fn sound() -> DmarBuilder {
    DmarBuilder::new().drhd(LISTED, SEGMENT, OTHER_UNIT, &endpoint()).drhd(ALL, SEGMENT, UNIT, &[])
}

fn region(base: u64, limit: u64) -> DmarBuilder {
    sound().rmrr(SEGMENT, PhysAddr::new(base), PhysAddr::new(limit), &endpoint())
}

/// A region of one page, and a unit with a window of 2^`size` pages.
fn registers_of(unit: PhysAddr, size: u8, page: u64) -> Vec<u8> {
    let table = region(page, page | 0xfff);
    table.patch(80, &unit.as_u64().to_le_bytes()).patch(77, &[size]).build()
}

fn unit_with(scope: ScopeSpec) -> DmarBuilder {
    DmarBuilder::new().drhd(LISTED, SEGMENT, OTHER_UNIT, &[scope]).drhd(ALL, SEGMENT, UNIT, &[])
}

fn namespace(number: u8) -> ScopeSpec {
    ScopeSpec::new(ScopeKind::NAMESPACE, 0, 21, 0).id(number)
}

fn findings(table: &[u8]) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    lint(table, |finding| findings.push(finding)).unwrap();
    findings
}

/// The findings as `id@offset`.
fn found(table: &[u8]) -> Vec<String> {
    findings(table).iter().map(|finding| std::format!("{}@{}", finding.id(), finding.offset)).collect()
}

/// Tables with what must be found on them, in order.
fn dmar_cases() -> Vec<(&'static str, Vec<u8>)> {
    let flags = |flags| sound().flags(flags).build();
    let (remap, opt_in) = (DmarFlags::INTR_REMAP, DmarFlags::DMA_CTRL_PLATFORM_OPT_IN);
    let spanning = |bits: u8| sound().width_bits(bits);
    let mut trailing = sound().build();
    trailing.extend([0; 3]);
    let mut wrong_checksum = sound().build();
    wrong_checksum[9] ^= 1;
    let broken_scope = unit_with(ScopeSpec::endpoint(0, 3, 0)).patch(65, &[2]).build();
    let page = PhysAddr::new(0x7b00_0000);
    Vec::from([
        ("", sound().build()),
        ("checksum@9", wrong_checksum),
        ("structure-length@88", sound().structure(1, &[0; 4]).build()),
        ("structure-length@88", sound().raw(&[0; 9]).build()),
        ("structure-overrun@88", sound().raw(&[1, 0, 24, 0]).build()),
        ("scope-length@64 scope-empty@48", broken_scope),
        ("drhd-base-zero@80", sound().patch(80, &[0; 8]).build()),
        ("drhd-base-unaligned@80", sound().patch(80, &[0x10]).build()),
        ("drhd-base-shared@80", sound().patch(81, &[0]).build()),
        ("drhd-base-shared@80", sound().patch(53, &[1]).build()),
        ("drhd-base-width@80", sound().patch(85, &[1]).build()),
        ("rmrr-inverted@96", region(0x7b00_1000, 0x7b00_0fff).build()),
        ("drhd-base-shared@96 include-all-twice@88", sound().drhd(ALL, SEGMENT, UNIT, &[]).build()),
        ("order@108", sound().rhsa(UNIT, 0).atsr(AtsrFlags::ALL_PORTS, SEGMENT, &[]).build()),
        (
            "include-all-not-last@72",
            sound().drhd(LISTED, SEGMENT, page, &[ScopeSpec::endpoint(0, 3, 0)]).build(),
        ),
        ("include-all-missing@48", DmarBuilder::new().drhd(LISTED, SEGMENT, UNIT, &endpoint()).build()),
        ("include-all-missing@48", DmarBuilder::new().build()),
        ("rmrr-unaligned@96", region(0x7b00_0800, 0x7b00_ffff).build()),
        ("rmrr-unaligned@96", region(0x7b00_0000, 0x7b01_0000).build()),
        (
            "rmrr-overlap@120",
            region(0x7b00_0000, 0x7b00_ffff)
                .rmrr(SEGMENT, page, PhysAddr::new(0x7b00_0fff), &endpoint())
                .build(),
        ),
        ("rmrr-over-registers@96", region(0xfed9_1000, 0xfed9_1fff).build()),
        ("rmrr-over-registers@96", region(0xfec0_0000, 0xfec0_0fff).build()),
        ("rmrr-over-registers@96", region(0xfeef_f000, 0xfeff_ffff).build()),
        ("", region(0xfebf_f000, 0xfebf_ffff).build()),
        ("", region(0xfef0_0000, 0xfef0_0fff).build()),
        ("rmrr-over-registers@96", registers_of(UNIT_48, 0, 0xfeb8_0000)),
        ("", registers_of(UNIT_48, 0, 0xfeb8_1000)),
        ("rmrr-over-registers@96", registers_of(UNIT_48, 1, 0xfeb8_1000)),
        ("rmrr-zero@96", region(0, 0xfff).build()),
        ("", region(0x4000_0000, 0x47ff_ffff).build()),
        ("rmrr-large@96", region(0x4000_0000, 0x4800_0fff).build()),
        ("rmrr-device@112", sound().rmrr(SEGMENT, page, PhysAddr::new(0x7b00_0fff), &[namespace(1)]).build()),
        ("no-intr-remap@37", flags(opt_in)),
        ("no-opt-in@37", flags(remap)),
        ("x2apic-opt-out@37", flags(remap | opt_in | DmarFlags::X2APIC_OPT_OUT)),
        ("no-intr-remap@37 x2apic-opt-out-alone@37", flags(opt_in | DmarFlags::X2APIC_OPT_OUT)),
        ("scope-empty@88", sound().rmrr(SEGMENT, page, PhysAddr::new(0x7b00_0fff), &[]).build()),
        ("scope-empty@88", sound().atsr(AtsrFlags::empty(), SEGMENT, &[]).build()),
        (
            "scope-empty@48",
            DmarBuilder::new().drhd(LISTED, SEGMENT, OTHER_UNIT, &[]).drhd(ALL, SEGMENT, UNIT, &[]).build(),
        ),
        (
            "scope-empty@88 scope-empty@96",
            sound().satc(SatcFlags::empty(), SEGMENT, &[]).sidp(SEGMENT, &[]).build(),
        ),
        ("path-bad@64", unit_with(ScopeSpec::endpoint(0, 32, 0)).build()),
        ("path-bad@64", unit_with(ScopeSpec::endpoint(0, 1, 0).then(0, 8)).build()),
        ("scope-empty@48 path-bad@64", unit_with(ScopeSpec::endpoint(0, 2, 0).without_path()).build()),
        ("rhsa-orphan@96", sound().rhsa(page, 0).build()),
        ("", sound().atsr(AtsrFlags::ALL_PORTS, SEGMENT, &[]).rhsa(UNIT, 0).build()),
        ("atsr-orphan@88", sound().atsr(AtsrFlags::ALL_PORTS, Segment(1), &[]).build()),
        ("segment-without-unit@88", sound().satc(SatcFlags::empty(), Segment(2), &endpoint()).build()),
        ("andd-unterminated@80", declared(b"\\_SB")),
        ("andd-padding@80", declared(b"\\_SB\0x")),
        ("andd-name@80", declared(b"_SB\0")),
        ("", declared(b"\\_SB\0\0\0")),
        ("andd-unused@95", sound().andd(7, b"\\A\0").build()),
        ("andd-missing@64", unit_with(namespace(7)).build()),
        ("andd-number-twice@106", unit_with(namespace(1)).andd(1, b"\\A\0").andd(1, b"\\B\0").build()),
        ("reserved-bits@37", sound().patch(37, &[0x85]).build()),
        ("reserved-bits@40", sound().patch(40, &[1]).build()),
        ("reserved-bits@52", sound().patch(52, &[2]).build()),
        ("reserved-bits@77", sound().patch(77, &[0x10]).build()),
        ("trailing-bytes@4", trailing),
        ("unknown-structure@88", sound().structure(7, &[]).build()),
        ("unknown-scope-kind@64", unit_with(ScopeSpec::new(ScopeKind(9), 0, 1, 0)).build()),
        ("address-width@36", spanning(20).build()),
        ("rmrr-width@104", region(1 << 39, (1 << 39) + 0xfff).build()),
        ("scope-flags@66", unit_with(ScopeSpec::endpoint(0, 3, 0).flags(ScopeFlags::ATC_HARDENED)).build()),
        ("scope-enumeration-id@68", unit_with(ScopeSpec::endpoint(0, 3, 0).id(4)).build()),
        ("include-all-lists-pci@48", DmarBuilder::new().drhd(ALL, SEGMENT, UNIT, &endpoint()).build()),
        (
            "atsr-all-ports-listed@88",
            sound().atsr(AtsrFlags::ALL_PORTS, SEGMENT, &[ScopeSpec::bridge(0, 1, 0)]).build(),
        ),
        ("atsr-device@96", sound().atsr(AtsrFlags::empty(), SEGMENT, &endpoint()).build()),
        ("rhsa-length@108", sound().rhsa(UNIT, 0).raw(&[0; 2]).patch(90, &[22]).build()),
        ("device-twice@88", {
            let table = DmarBuilder::new().drhd(LISTED, SEGMENT, page, &endpoint());
            table.drhd(LISTED, SEGMENT, OTHER_UNIT, &endpoint()).drhd(ALL, SEGMENT, UNIT, &[]).build()
        }),
    ])
}

/// A table whose one namespace device has this name field.
fn declared(name: &[u8]) -> Vec<u8> {
    let table = DmarBuilder::new().drhd(ALL, SEGMENT, UNIT, &[namespace(1)]);
    table.andd(1, name).build()
}

fn ivrs_unit(entries: &[u8]) -> IvrsBuilder {
    IvrsBuilder::new().ivhd(Ivhd::KIND_40, SEGMENT, UNIT_48, entries)
}

fn memory(flags: IvmdFlags, start: u64) -> IvrsBuilder {
    let devices = [SourceId::from_bits(0); 2];
    ivrs_unit(&[]).ivmd(Ivmd::KIND_ALL, flags, devices, PhysAddr::new(start), 0x1000)
}

fn ivrs_cases() -> Vec<(&'static str, Vec<u8>)> {
    let entry = |kind, device| device_entry(kind, SourceId::from_bits(device));
    let (start, end, select) = (EntryKind::RANGE_START, EntryKind::RANGE_END, EntryKind::SELECT);
    let range = |entries: &[[u8; 4]]| ivrs_unit(entries.as_flattened()).build();
    let mut acpi = [0; 22];
    (acpi[0], acpi[20]) = (240, 1);
    Vec::from([
        ("", range(&[entry(select, 3), entry(start, 8), entry(EntryKind::PADDING, 0), entry(end, 8)])),
        ("scope-length@88", ivrs_unit(&[2, 0, 0]).build()),
        ("structure-length@92", ivrs_unit(&[0; 4]).block(0x10, 0, &[0; 4]).build()),
        ("ivhd-base-zero@56", ivrs_unit(&[]).patch_last(8, &[0; 8]).build()),
        ("ivhd-base-unaligned@56", ivrs_unit(&[]).patch_last(9, &[0x10]).build()),
        ("ivhd-twice@88", ivrs_unit(&[]).ivhd(Ivhd::KIND_40, SEGMENT, UNIT_48, &[]).build()),
        ("", ivrs_unit(&[]).ivhd(Ivhd::KIND_11, SEGMENT, UNIT_48, &[]).build()),
        ("ivhd-missing@48", IvrsBuilder::new().build()),
        ("ivmd-exclusion@88", memory(IvmdFlags::EXCLUSION, 0x1000).build()),
        ("ivmd-unaligned@104", memory(IvmdFlags::UNITY, 0x1800).build()),
        ("ivmd-length@120", memory(IvmdFlags::UNITY, 0).raw(&[0]).patch_last(2, &[33]).build()),
        ("ivhd-range@92 ivhd-range@92", range(&[entry(start, 1), entry(start, 2)])),
        ("ivhd-range@88", range(&[entry(end, 1)])),
        ("ivhd-range@92", range(&[entry(start, 2), entry(end, 1)])),
        ("ivhd-range@88", range(&[entry(start, 2)])),
        ("ivhd-range@92", range(&[entry(start, 2), entry(select, 9), entry(end, 3)])),
        ("reserved-bits@89", memory(IvmdFlags::from_bits_retain(0x10), 0).build()),
        ("no-opt-in@36", ivrs_unit(&[]).patch(36, &[1]).build()),
        ("unknown-block@88", ivrs_unit(&[]).block(0x41, 0, &[]).build()),
        ("unknown-entry@88", ivrs_unit(&[5, 0, 0, 0]).build()),
        ("unknown-variety@95", ivrs_unit(&[72, 0, 0, 0, 1, 0, 0, 9]).build()),
        ("unique-id@108", ivrs_unit(&acpi).build()),
        ("reserved-bits@92", ivrs_unit(&[66, 0, 0, 0, 1, 0, 0, 0]).build()),
    ])
}

#[test]
fn each_finding_fires_where_it_should_and_only_there() {
    for (expected, table) in dmar_cases().into_iter().chain(ivrs_cases()) {
        assert_eq!(found(&table).join(" "), expected);
    }
}

#[test]
fn ids_and_severities_are_those_of_the_interface_and_each_is_tested() {
    let mut tables: Vec<_> = dmar_cases().into_iter().chain(ivrs_cases()).map(|(_, table)| table).collect();
    tables.push(sound().build()[..47].to_vec());
    tables.push(too_many());
    let fired: BTreeSet<_> = tables
        .iter()
        .flat_map(|table| findings(table))
        .map(|finding| (finding.id(), finding.severity()))
        .collect();
    assert_eq!(fired, BTreeSet::from(IDS));
}

#[test]
fn every_finding_is_three_plain_sentences() {
    for (_, table) in dmar_cases().into_iter().chain(ivrs_cases()) {
        for finding in findings(&table) {
            let what = finding.to_string();
            assert!(!what.is_empty() && !what.contains('\n') && !what.ends_with('.'), "{what}");
            for sentence in [finding.meaning(), finding.remedy()] {
                assert!(sentence.ends_with('.') && !sentence.contains("  "), "{sentence}");
            }
        }
    }
}

#[test]
fn a_table_too_short_for_a_structure_is_judged_and_anything_else_refused() {
    let table = sound().build();
    assert_eq!(found(&table[..47]), ["length@4"]);
    assert_eq!(found(&table[..36]), ["length@4"]);
    assert!(lint(&table[..35], |_| ()).is_err());
    assert!(lint(&[0; 64], |_| ()).is_err());
    assert!(found(&table[..60]).contains(&"length@4".into()));
}

/// A table with more units than are compared, each but the last at a place of its own.
fn too_many() -> Vec<u8> {
    let table = (0..1024_u64).fold(DmarBuilder::new().width_bits(46), |table, unit| {
        let [bus, device] = [unit >> 5, unit & 31].map(|number| u8::try_from(number).unwrap());
        let scope = ScopeSpec::endpoint(bus, device, 0);
        table.drhd(LISTED, SEGMENT, PhysAddr::new((unit + 1) << 12), &[scope])
    });
    table.drhd(ALL, SEGMENT, UNIT, &[]).build()
}

#[test]
fn comparing_is_bounded() {
    assert_eq!(found(&too_many()), ["include-all-missing@48", "too-many@48"]);
}

#[test]
fn the_worst_finding_decides_the_verdict() {
    let verdict = |table: &[u8]| {
        findings(table).iter().map(|finding| Verdict::from(finding.severity())).max().unwrap_or_default()
    };
    assert_eq!(verdict(&sound().build()), Verdict::Protected);
    assert_eq!(verdict(&sound().flags(DmarFlags::INTR_REMAP).build()), Verdict::Protected);
    assert_eq!(verdict(&DmarBuilder::new().build()), Verdict::Gaps);
    assert_eq!(verdict(&sound().raw(&[0; 4]).build()), Verdict::Broken);
    assert_eq!(Verdict::Gaps.to_string(), "gaps");
}
