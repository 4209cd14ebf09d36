//! The command `submit`: a report without what tells whose machine it is, ready to be pasted.
//!
//! What is kept is listed, so that a field that a later kernel adds stays at home until somebody has looked at it. No event
//! holds a serial number; Ethernet and IP addresses, which can stand in texts, are taken out of those that are kept.

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value};

use crate::Failure;
use crate::arguments::SubmitArguments;

/// The events that are kept, and the fields of each.
const KEPT: [(&str, &[&str]); 13] = [
    ("boot", &["schema", "version", "firmware", "cpus", "memory_mib", "dmar_source", "machine"]),
    (
        "window",
        &[
            "unit",
            "moment",
            "translation_was_on",
            "pmr_was_on",
            "interrupt_remapping_was_on",
            "opt_in",
            "stale_faults",
            "bus_masters",
        ],
    ),
    (
        "unit",
        &[
            "index",
            "kind",
            "segment",
            "base",
            "version",
            "capabilities",
            "extended_capabilities",
            "levels",
            "fault_records",
            "invalidation",
            "state",
            "detail",
            "findings",
            "interrupt_remapping",
            "x2apic",
        ],
    ),
    (
        "device",
        &[
            "bdf",
            "id",
            "class",
            "name",
            "unit",
            "group",
            "requester",
            "state",
            "driver",
            "bus_master_at_boot",
            "refused",
        ],
    ),
    ("protected", &["units", "complete", "interrupts"]),
    ("finding", &["id", "severity", "unit", "offset", "what", "meaning", "remedy"]),
    (
        "fault",
        &[
            "unit",
            "bdf",
            "requester",
            "name",
            "driver",
            "access",
            "address",
            "reason",
            "reason_name",
            "expected",
            "verdict",
            "interrupt",
            "count",
            "at_least",
            "action",
        ],
    ),
    ("drill", &["command", "bdf", "access", "target", "expected_fault", "result", "verdict"]),
    ("check", &["name", "result"]),
    ("bugcheck", &["code", "name", "p1", "p3", "p4"]),
    ("verdict", &["word", "checks", "advice"]),
    ("lost", &["lines"]),
    ("end", &["status", "checks", "failed", "skipped", "faults", "fault_interrupts", "spurious"]),
];

/// What stands in the place of an address.
const REMOVED: &str = "(address)";

/// Prints the report and returns the exit status: 1 if the file holds none.
pub(super) fn run(arguments: &SubmitArguments) -> Result<u8, Failure> {
    let name = printed::Printable(&arguments.file.display().to_string()).to_string();
    let file = std::fs::File::open(&arguments.file).map_err(Failure::of(name.as_str()))?;
    let (mut kept, mut left_out) = (Vec::new(), 0_usize);
    for line in io::BufReader::new(file).split(b'\n') {
        match submitted(&line.map_err(Failure::of(name.as_str()))?) {
            Some(line) => kept.push(line),
            None => left_out += 1,
        }
    }
    if kept.is_empty() {
        eprintln!("ivt: {name} holds no report");
        return Ok(1);
    }
    let mut output = io::stdout().lock();
    kept.iter().try_for_each(|line| writeln!(output, "{line}")).map_err(Failure::of("standard output"))?;
    eprintln!(
        "ivt: {} lines, without serial numbers, addresses and options; {left_out} left out",
        kept.len()
    );
    Ok(0)
}

/// What is kept of a line; `None` if nothing is.
fn submitted(line: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return None };
    let event = object.get("event")?.as_str()?;
    let (_, fields) = KEPT.iter().find(|(name, _)| *name == event)?;
    let mut kept = Map::new();
    for (name, value) in &object {
        if name == "event" || fields.contains(&name.as_str()) {
            kept.insert(name.clone(), without_addresses(value));
        }
    }
    Some(Value::Object(kept).to_string())
}

fn without_addresses(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(scrub(text)),
        Value::Array(values) => values.iter().map(without_addresses).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), without_addresses(value))).collect()
        }
        other => other.clone(),
    }
}

/// Takes Ethernet and IPv4 addresses out of a text.
fn scrub(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, ':' | '.' | '-');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|character| !is_part(character)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        clean.push_str(before);
        clean.push_str(if is_address(word.trim_matches(['.', ':', '-'])) { REMOVED } else { word });
        rest = behind;
    }
    clean.push_str(rest);
    clean
}

fn is_address(word: &str) -> bool {
    let is_ethernet = |separator| {
        let parts: Vec<_> = word.split(separator).collect();
        parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok())
    };
    is_ethernet(':')
        || is_ethernet('-')
        || word.split(':').next().is_some_and(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_kept_and_nothing_else() {
        let line = br#"{"event":"boot","t":5,"version":"0.1.0","cmdline":"script=secret","machine":{"maker":"QEMU"},"serial":"XYZ"}"#;
        let kept: Value = serde_json::from_str(&submitted(line).unwrap()).unwrap();
        assert_eq!(
            kept,
            serde_json::json!({"event": "boot", "version": "0.1.0", "machine": {"maker": "QEMU"}})
        );
        for line in [&b"{\"event\":\"new\",\"x\":1}"[..], b"{\"t\":1}", b"no report", b"", b"[1]"] {
            assert_eq!(submitted(line), None);
        }
    }

    #[test]
    fn addresses_are_taken_out_of_texts_and_functions_stay() {
        for (text, expected) in [
            ("ping 10.0.2.2", "ping (address)"),
            ("card 52:54:00:12:34:57, link up", "card (address), link up"),
            ("52-54-00-12-34-57.", "(address)"),
            ("connects to 192.168.1.9:8080 now", "connects to (address) now"),
            ("net 0000:00:08.0", "net 0000:00:08.0"),
            ("0xfed90000 version 1.0", "0xfed90000 version 1.0"),
            ("µ 00:1f.2 é", "µ 00:1f.2 é"),
        ] {
            assert_eq!(scrub(text), expected);
        }
        let line = br#"{"event":"check","name":"tcp 10.1.2.3","result":"fail","detail":"to 10.1.2.3"}"#;
        assert_eq!(submitted(line).unwrap(), r#"{"event":"check","name":"tcp (address)","result":"fail"}"#);
    }
}
