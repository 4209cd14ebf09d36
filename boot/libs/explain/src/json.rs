//! Faults as JSON objects, one a line.

use std::io::{self, Write};

use serde_json::{Value, json};

use printed::json_line;

use super::Findings;
use super::fault::{Fault, Pasid, Reading};
use super::ledger::{Entry, Sharing};
use super::words::{self, Explanation};

/// Writes a line for each different fault, in order of appearance.
pub(super) fn write(output: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    findings.ledger.entries().try_for_each(|entry| json_line::write(output, &line(entry, findings)))
}

fn line(entry: &Entry, findings: &Findings) -> Value {
    let Entry { fault, count, sharing } = entry;
    let Explanation { meaning, causes, next } = words::explain(entry, &findings.context);
    json!({
        "kind": fault.kind(),
        "op": fault.op(),
        "device": fault.device().map(|device| device.to_string()),
        "address_or_index": spelled(fault.place(), |place| format!("{place:#x}")),
        "reason": spelled(fault.code(), |code| code.to_string()),
        "pasid": pasid(fault),
        "parameters": parameters(fault),
        "meaning": meaning,
        "causes": causes,
        "next": next,
        "count": count,
        "merged": *sharing != Sharing::Exact,
        // Of the whole text, on each line: it says how much the counts can miss.
        "left_out": findings.ledger.left_out(),
        "at_least": findings.ledger.is_at_least(),
    })
}

fn spelled<T>(reading: Reading<T>, spell: impl FnOnce(T) -> String) -> Option<String> {
    match reading {
        Reading::Absent => None,
        Reading::Unreadable => Some("unreadable".into()),
        Reading::Value(value) => Some(spell(value)),
    }
}

fn pasid(fault: &Fault) -> Option<String> {
    match fault.pasid() {
        Pasid::None => Some("none".into()),
        Pasid::Number(number) => Some(format!("{number:#x}")),
        Pasid::Absent => None,
    }
}

fn parameters(fault: &Fault) -> Option<[Option<String>; 4]> {
    Some(fault.parameters()?.map(|parameter| parameter.map(|number| format!("{number:#x}"))))
}
