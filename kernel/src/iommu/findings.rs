//! What is to be said about the firmware's table: by its bytes alone, and with the machine at hand.
//!
//! The same library judges the bytes on the host (`ivt audit`), so the words are the same.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use acpi_tables::lint::{Rule, Severity};
use coverage::{Plan, TableFinding};
use report::Event;
use spin::Once;

use super::Found;
use super::table::FirmwareTable;
use crate::platform::clock;
use crate::{journal, println};

/// Findings that are kept; a table made to have more of them is shown by these well enough.
const MOST: usize = 256;

/// One finding.
pub struct Entry {
    rule: Rule,
    offset: Option<usize>,
    unit: Option<usize>,
    what: String,
}

static FINDINGS: Once<Vec<Entry>> = Once::new();

/// Judges the table in use: its bytes, what `plan` found on joining it with the buses, `also` what its regions
/// came to, and the units as they answered.
pub fn judge(table: &FirmwareTable, plan: &Plan, also: &[TableFinding], found: &[Found]) {
    let mut entries: Vec<Entry> = Vec::new();
    table.lint(|finding| {
        if entries.len() < MOST {
            let (rule, what) = (finding.problem.rule(), finding.to_string());
            entries.push(Entry { rule, offset: Some(finding.offset), unit: None, what });
        }
    });
    let live = plan.findings.iter().chain(also).filter(|finding| !finding.is_of_the_table()).copied();
    let live = live.chain(contradictions(plan, found));
    entries.extend(live.take(MOST).map(|finding| Entry {
        rule: finding.rule(),
        offset: finding.offset(),
        unit: None,
        what: finding.to_string(),
    }));
    for entry in &mut entries {
        let describes = |unit: &coverage::Unit| entry.offset.is_some_and(|at| unit.described.contains(&at));
        entry.unit = plan.units.iter().position(describes);
    }
    let grave = entries.iter().filter(|entry| entry.rule.severity != Severity::Note);
    grave.for_each(|entry| log::warn!("DMAR: {} ({})", entry.what, entry.rule.id));
    FINDINGS.call_once(|| entries);
}

/// Where the units' registers say other than the table.
fn contradictions(plan: &Plan, found: &[Found]) -> Vec<TableFinding> {
    let platform = plan.platform.address_bits;
    let mut findings = Vec::new();
    for (unit, found) in plan.units.iter().zip(found) {
        let (offset, base) = (unit.described.start, unit.base);
        match found {
            // A base that cannot be one is told by the table's bytes.
            Err(_) if unit.problem.is_none() => findings.push(TableFinding::UnitSilent { offset, base }),
            Err(_) => {}
            Ok(found) => {
                if plan.platform.remaps_interrupts && !found.extended_capabilities().interrupt_remapping() {
                    findings.push(TableFinding::NoInterruptRemapping { offset, base });
                }
                let width = found.capabilities().address_width();
                if platform > u16::from(width) {
                    findings.push(TableFinding::Narrow { offset, platform, unit: width });
                }
            }
        }
    }
    findings
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
        for Entry { rule, what, .. } in all().iter().filter(|entry| entry.rule.severity == severity) {
            println!("{severity} {}: {what}. {} {}", rule.id, rule.meaning, rule.remedy);
        }
    }
}

fn all() -> &'static [Entry] {
    FINDINGS.get().map_or(&[], Vec::as_slice)
}
