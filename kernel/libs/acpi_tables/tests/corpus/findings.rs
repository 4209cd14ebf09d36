//! The findings over the corpus: rare on real tables, and the same as what an independent decoder calls odd.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::{env, fs};

use acpi_tables::Dmar;
use acpi_tables::lint::{Severity, lint};

use crate::oracle::{RealTable, corpus, decode};
use crate::random::Random;

/// The page with the counts. `BLESS=1` writes it anew.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/dmar-findings.md");

const HEAD: &str = "\
# Findings on real DMAR tables

How often each finding of the lint fires on the tables of the corpus: on those that real firmware made, and on
the others (edited by hand, virtual machines, synthetic, one broken dump). A table counts once for an id,
however often it fires there. Ids that are not listed fired on no table.

";

/// Errors and warnings that fire on more than 5 % of real tables, and why they are kept.
const KEPT: [(&str, &str); 1] = [(
    "no-intr-remap",
    "It is no false alarm: on each of these machines a device can forge interrupts past all checks of DMA, \
     and only the firmware can mend it.",
)];

/// When a finding must fire.
#[derive(PartialEq)]
enum Fires {
    /// On every table with the oddity, and for other reasons too.
    Always,
    /// On every table with the oddity, and on no other.
    OnlyThen,
}
use Fires::{Always, OnlyThen};

/// What the independent decoder calls odd, and the finding that must then fire.
const ODDITIES: [(&str, &str, Fires); 32] = [
    ("host-address-width-out-of-range", "address-width", Always),
    ("x2apic-opt-out-without-intr-remap", "x2apic-opt-out-alone", OnlyThen),
    ("reserved-not-zero", "reserved-bits", Always),
    ("structures-not-in-type-order", "order", OnlyThen),
    ("structure-type-unknown", "unknown-structure", OnlyThen),
    ("register-base-not-page-aligned", "drhd-base-unaligned", OnlyThen),
    ("include-all-lists-pci-devices", "include-all-lists-pci", OnlyThen),
    ("drhd-without-scope", "scope-empty", Always),
    ("rmrr-without-scope", "scope-empty", Always),
    ("atsr-without-scope", "scope-empty", Always),
    ("rmrr-base-not-page-aligned", "rmrr-unaligned", Always),
    ("rmrr-limit-not-page-end", "rmrr-unaligned", Always),
    ("rmrr-base-above-limit", "rmrr-inverted", OnlyThen),
    ("rmrr-base-zero", "rmrr-zero", OnlyThen),
    ("rmrr-scope-not-pci", "rmrr-device", OnlyThen),
    ("rmrr-overlap", "rmrr-overlap", OnlyThen),
    ("atsr-all-ports-lists-devices", "atsr-all-ports-listed", OnlyThen),
    ("atsr-scope-not-bridge", "atsr-device", OnlyThen),
    ("rhsa-extra-bytes", "rhsa-length", OnlyThen),
    ("andd-name-not-terminated", "andd-unterminated", OnlyThen),
    ("andd-bytes-after-terminator", "andd-padding", OnlyThen),
    ("andd-name-not-absolute", "andd-name", OnlyThen),
    ("path-out-of-range", "path-bad", Always),
    ("scope-empty-path", "path-bad", Always),
    ("scope-type-unknown", "unknown-scope-kind", OnlyThen),
    ("scope-flags-outside-sidp", "scope-flags", OnlyThen),
    ("enumeration-id-on-pci-scope", "scope-enumeration-id", OnlyThen),
    ("duplicate-register-base", "drhd-base-shared", Always),
    ("several-include-all-in-segment", "include-all-twice", OnlyThen),
    ("include-all-not-last-in-segment", "include-all-not-last", OnlyThen),
    ("info-no-include-all-in-segment", "include-all-missing", Always),
    ("rhsa-for-unknown-drhd", "rhsa-orphan", OnlyThen),
];

#[test]
fn no_false_alarm_on_real_tables() {
    let Some(corpus) = corpus() else { return };
    let counts = count(corpus);
    let real = corpus.iter().filter(|table| is_real(table)).count();
    for ((severity, id), [on_real, _]) in &counts {
        let frequent = *severity > Severity::Note && on_real * 20 > real;
        let kept = KEPT.iter().any(|(kept, _)| kept == id);
        assert_eq!(frequent, kept, "{id} fires on {on_real} of {real} real tables");
    }
    let page = page(&counts, real, corpus.len() - real);
    if env::var_os("BLESS").is_some() {
        fs::write(PAGE, &page).expect("the page can be written");
    }
    let stored = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(stored == page, "{PAGE} is out of date; run this test with BLESS=1. It should read:\n{page}");
}

#[test]
fn odd_tables_are_found_odd() {
    let Some(corpus) = corpus() else { return };
    let mut random = Random::new();
    let mutated = corpus.iter().flat_map(|table| [table; 4]).map(|table| random.mutate(&table.bytes));
    let tables: Vec<_> = corpus.iter().map(|table| table.bytes.clone()).chain(mutated).collect();
    let mut seen = BTreeSet::new();
    for (table, expected) in tables.iter().zip(decode(&tables)) {
        let broken_inside =
            Dmar::parse(table).map_or(true, |dmar| dmar.damage().any(|damage| damage.offset() >= 48));
        if broken_inside {
            continue;
        }
        let expected = expected.expect("a table");
        let odd: BTreeSet<_> = expected["anomalies"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|anomaly| anomaly["code"].as_str())
            .collect();
        let found = ids(table);
        for (code, id, fires) in ODDITIES {
            assert!(!odd.contains(code) || found.contains(id), "{code} without {id}: {table:02x?}");
            assert!(
                fires == Always || odd.contains(code) || !found.contains(id),
                "{id} without {code}: {table:02x?}"
            );
            if odd.contains(code) {
                seen.insert(code);
            }
        }
    }
    assert!(seen.len() > ODDITIES.len() / 2, "the mutations only reach {seen:?}");
}

fn is_real(table: &RealTable) -> bool {
    table.class == "real"
}

fn ids(table: &[u8]) -> BTreeSet<&'static str> {
    let mut ids = BTreeSet::new();
    lint(table, |finding| {
        ids.insert(finding.id());
    })
    .expect("a table");
    ids
}

/// On how many tables each id fires: real ones, and others.
fn count(corpus: &[RealTable]) -> BTreeMap<(Severity, &'static str), [usize; 2]> {
    let mut counts = BTreeMap::<_, [usize; 2]>::new();
    for table in corpus {
        let mut fired = BTreeSet::new();
        lint(&table.bytes, |finding| {
            fired.insert((finding.severity(), finding.id()));
        })
        .expect("a table");
        for key in fired {
            counts.entry(key).or_default()[usize::from(!is_real(table))] += 1;
        }
    }
    counts
}

fn page(counts: &BTreeMap<(Severity, &str), [usize; 2]>, real: usize, others: usize) -> String {
    let mut page = HEAD.to_owned();
    writeln!(page, "| id | severity | of {real} real tables | share | of {others} others |").unwrap();
    writeln!(page, "| --- | --- | --- | --- | --- |").unwrap();
    for ((severity, id), [on_real, on_others]) in counts.iter().rev() {
        let tenths = (on_real * 1000 + real / 2) / real;
        let share = format!("{}.{} %", tenths / 10, tenths % 10);
        writeln!(page, "| `{id}` | {severity} | {on_real} | {share} | {on_others} |").unwrap();
    }
    writeln!(page, "\nErrors and warnings on more than 5 % of the real tables, and why they are kept:\n")
        .unwrap();
    for (id, reason) in KEPT {
        writeln!(page, "- `{id}`: {reason}").unwrap();
    }
    page
}
