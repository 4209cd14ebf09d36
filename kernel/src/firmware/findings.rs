//! What is to be said about the firmware's table: by its bytes alone, and with the machine at hand.
//!
//! The same library judges the bytes on the host (`ivt audit`), so the words are the same.

use alloc::vec::Vec;

use acpi_tables::ivrs::Ivrs;
use acpi_tables::lint::{Severity, lint_ivrs};
use coverage::{JudgedFinding, Plan, Source, TableFinding, UnitAnswer};
use report::Event;
use spin::Once;

use super::FirmwareTable;
use crate::iommu::Found;
use crate::platform::clock;
use crate::{journal, println};

static FINDINGS: Once<Vec<JudgedFinding>> = Once::new();

/// Judges the table in use: its bytes, what `plan` found on joining it with the buses, `also` what its regions
/// came to, and the units as they answered.
pub fn judge(table: &FirmwareTable, plan: &Plan, also: &[TableFinding], found: &[Found]) {
    let answers: Vec<_> = found.iter().map(answer).collect();
    let judged = plan.judge(|found| table.lint(found), also, &answers);
    let grave = judged.iter().filter(|judged| judged.rule.severity != Severity::Note);
    grave.for_each(|judged| log::warn!("DMAR: {} ({})", judged.what, judged.rule.id));
    FINDINGS.call_once(|| judged);
}

fn answer(found: &Found) -> UnitAnswer {
    match found {
        Err(_) => UnitAnswer::Silent,
        Ok(unit) => UnitAnswer::Capable {
            address_bits: unit.capabilities().address_width(),
            remaps_interrupts: unit.extended_capabilities().interrupt_remapping(),
        },
    }
}

/// Judges AMD's table by its bytes alone, where it is the only one: no unit of it is driven. Tells whether all of it
/// could be read.
pub fn judge_ivrs(bytes: &[u8]) -> bool {
    let ivrs = match Ivrs::parse(bytes) {
        Ok(ivrs) => ivrs,
        Err(error) => {
            log::error!("IVRS cannot be read: {error}");
            return false;
        }
    };
    let judged = Plan::default().judge(|found| lint_ivrs(&ivrs, found), &[], &[]);
    let grave = judged.iter().filter(|judged| judged.rule.severity != Severity::Note);
    grave.for_each(|judged| log::warn!("IVRS: {} ({})", judged.what, judged.rule.id));
    FINDINGS.call_once(|| judged);
    ivrs.damage().next().is_none()
}

/// What the findings are worth, for the verdict: `table` with their numbers.
pub fn weigh(table: ::verdict::Table) -> ::verdict::Table {
    let of = |severity| all().iter().filter(move |judged| judged.rule.severity == severity);
    let count = |severity| u32::try_from(of(severity).count()).unwrap_or(u32::MAX);
    let mut grave = of(Severity::Error).chain(of(Severity::Warning));
    ::verdict::Table {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        is_contradicted: grave.any(|judged| judged.source == Source::Machine),
        ..table
    }
}

/// The stable names of what was found about a unit.
pub fn of_unit(unit: usize) -> impl Iterator<Item = &'static str> {
    all().iter().filter(move |entry| entry.unit == Some(unit)).map(|entry| entry.rule.id)
}

/// Writes the lines of the report.
pub fn report() {
    for entry in all() {
        journal::emit(&Event::Finding(report::Finding {
            t: clock::now_ns(),
            id: entry.rule.id.into(),
            severity: match entry.rule.severity {
                Severity::Note => report::Severity::Note,
                Severity::Warning => report::Severity::Warning,
                Severity::Error => report::Severity::Error,
            },
            offset: entry.offset.map(|offset| offset as u64),
            unit: entry.unit.map(|unit| unit as u32),
            what: entry.what.as_str().into(),
            meaning: entry.rule.meaning.into(),
            remedy: entry.rule.remedy.into(),
        }));
    }
}

/// Tells people, the gravest first.
pub fn show() {
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for JudgedFinding { rule, what, .. } in all().iter().filter(|entry| entry.rule.severity == severity) {
            println!("{severity} {}: {what}. {} {}", rule.id, rule.meaning, rule.remedy);
        }
    }
}

fn all() -> &'static [JudgedFinding] {
    FINDINGS.get().map_or(&[], Vec::as_slice)
}
