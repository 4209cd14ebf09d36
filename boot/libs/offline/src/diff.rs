//! The command `diff`: two reports or two tables, fact by fact.
//!
//! Facts are lines of text, those of a report by what they are about (a device, a check), so that what is said of the same
//! thing stands together. What differs from one start of the same machine to the next is left out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use ::judge::report::Report;
use printed::Printable;
use serde_json::Value;

use crate::arguments::DiffArguments;
use crate::{Failure, reports};

/// Fields that differ though the machine is the same: times, counts, and addresses of the kernel's own.
const PASSING: [&str; 11] = [
    "event",
    "t",
    "object",
    "count",
    "at_least",
    "history",
    "cpu",
    "p2",
    "explanation",
    "table_pages",
    "candidates",
];

/// What is compared of a file.
enum Facts {
    Report(BTreeMap<String, String>),
    Tables(BTreeMap<String, String>),
}

/// Compares both and returns the exit status.
pub(super) fn run(arguments: &DiffArguments) -> Result<u8, Failure> {
    let both = (facts(&arguments.before)?, facts(&arguments.after)?);
    let ((Facts::Report(before), Facts::Report(after)) | (Facts::Tables(before), Facts::Tables(after))) =
        both
    else {
        return Err(Failure::TwoKinds);
    };
    let text = differences(&before, &after);
    printed::show(&text);
    Ok(u8::from(!text.is_empty()))
}

fn facts(path: &Path) -> Result<Facts, Failure> {
    let bytes = reports::bytes(path)?;
    if let Some(report) = reports::parse(&bytes) {
        return Ok(Facts::Report(of_report(&report)));
    }
    of_tables(&bytes).map(Facts::Tables).ok_or_else(|| Failure::NothingKnown(path.to_owned()))
}

/// What a report says last of each thing.
fn of_report(report: &Report) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for line in report.lines() {
        let of =
            |key: &str| line.json[key].as_str().map_or_else(|| line.json[key].to_string(), str::to_owned);
        let kind = line.kind();
        let about = match kind {
            "boot" | "protected" => kind.to_owned(),
            "unit" | "cpu" => format!("{kind} {}", of("index")),
            "window" => format!("window of unit {}", of("unit")),
            "device" => format!("device {}", of("bdf")),
            "fault" => ["requester", "access", "address", "reason"].map(of).join(" "),
            "finding" => format!("finding {} at {}", of("id"), of("offset")),
            "check" => format!("check {}", of("name")),
            "drill" => format!("drill {} {} {}", of("bdf"), of("access"), of("target")),
            "bugcheck" => "stop".to_owned(),
            "verdict" => {
                facts.insert("verdict".to_owned(), of("word"));
                for check in line.json["checks"].as_array().into_iter().flatten() {
                    let id = check["id"].as_str().unwrap_or_default();
                    facts.insert(format!("verdict, {id}"), without_passing(check));
                }
                continue;
            }
            // Figures, progress and ends are of one run.
            _ => continue,
        };
        let about = if kind == "fault" { format!("fault {about}") } else { about };
        let said = if kind == "drill" { of("result") } else { without_passing(&line.json) };
        facts.insert(about, said);
    }
    facts
}

/// An object without the fields that are of one run.
fn without_passing(object: &Value) -> String {
    let fields = object.as_object().into_iter().flatten();
    let lasting = fields.filter(|(name, _)| !PASSING.contains(&name.as_str()));
    lasting.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// The structures and findings of tables; `None` if there is no table.
fn of_tables(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut lines = Vec::new();
    ::audit::run(&["-".into()], &mut bytes, ::audit::Format::Json, &mut lines).ok()?;
    let mut facts = BTreeMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(table) = serde_json::from_slice::<Value>(line) else { continue };
        let signature = table["signature"].as_str()?;
        facts.insert(signature.to_owned(), table["verdict"].to_string());
        for (key, noun) in [("structures", "has"), ("findings", "finding")] {
            for part in table[key].as_array().into_iter().flatten() {
                // The same structure may be there twice.
                let mut about = format!("{signature} {noun} {}", without_offset(part));
                while facts.contains_key(&about) {
                    about += " again";
                }
                facts.insert(about, String::new());
            }
        }
    }
    Some(facts)
}

/// A structure or finding wherever it stands.
fn without_offset(part: &Value) -> String {
    let mut part = part.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.remove("offset");
    }
    part.to_string()
}

/// A line for each fact that only one has, in order.
fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut subjects: Vec<_> = before.keys().chain(after.keys()).collect();
    subjects.sort();
    subjects.dedup();
    for subject in subjects {
        let (old, new) = (before.get(subject), after.get(subject));
        if old == new {
            continue;
        }
        for (sign, said) in [('-', old), ('+', new)] {
            let Some(said) = said else { continue };
            let colon = if said.is_empty() { "" } else { ": " };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{sign} {}{colon}{}", Printable(subject), Printable(said));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: &str, t: u64, word: &str) -> Facts {
        let lines = format!(
            "{{\"event\":\"device\",\"t\":{t},\"bdf\":\"0000:00:03.0\",\"id\":\"1234:11e8\",\"class\":\"c\",\"name\":\"edu\",\"unit\":0,\
             \"group\":1,\"requester\":\"0000:00:03.0\",\"object\":\"0x{t:x}\",\"state\":\"{state}\",\"driver\":\"edu\",\"bus_master_at_boot\":false}}\n\
             {{\"event\":\"verdict\",\"t\":{t},\"word\":\"{word}\",\"checks\":[],\"advice\":[]}}\n"
        );
        Facts::Report(of_report(&reports::parse(lines.as_bytes()).unwrap()))
    }

    fn between(before: Facts, after: Facts) -> String {
        let (Facts::Report(before), Facts::Report(after)) = (before, after) else { panic!("no reports") };
        differences(&before, &after)
    }

    #[test]
    fn what_passes_is_no_difference_and_what_lasts_is_one() {
        assert_eq!(between(report("assigned", 1, "PROTECTED"), report("assigned", 2, "PROTECTED")), "");
        let text = between(report("assigned", 1, "PROTECTED"), report("blocked", 1, "GAPS"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("- device 0000:00:03.0: ") && lines[0].contains("state=\"assigned\""));
        assert!(lines[1].starts_with("+ device 0000:00:03.0: ") && lines[1].contains("state=\"blocked\""));
        assert_eq!(lines[2..], ["- verdict: PROTECTED", "+ verdict: GAPS"]);
    }

    #[test]
    fn what_is_no_table_has_no_facts() {
        assert_eq!(of_tables(b"no table"), None);
    }
}
