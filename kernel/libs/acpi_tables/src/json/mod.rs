//! Decoded tables as JSON values, for programs on the host.
//!
//! Numbers stay numbers; reserved and unknown bytes are hex text; names are text, a character for each byte.

mod dmar;
mod ivrs;

use std::fmt::Write;
use std::string::{String, ToString};
use std::vec::Vec;

use serde_json::{Map, Value};

use crate::lint::LintFinding;

pub use dmar::dmar_structures;
pub use ivrs::ivrs_structures;

/// A finding with its id, severity, place and three sentences.
pub fn finding(finding: &LintFinding) -> Value {
    Value::Object(object([
        ("id", finding.id().into()),
        ("severity", finding.severity().to_string().into()),
        ("offset", finding.offset.into()),
        ("what", finding.to_string().into()),
        ("meaning", finding.meaning().into()),
        ("remedy", finding.remedy().into()),
    ]))
}

/// An object from its fields in order.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

/// Bytes as hex digits without separators.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes as characters, each byte the character of its number.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The names of those bits of `bits` that have one.
fn flag_names(bits: u8, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Problem, lint};
    use crate::testing::DmarBuilder;

    #[test]
    fn a_finding_has_its_six_fields() {
        let mut findings = Vec::new();
        lint(&DmarBuilder::new().build(), |found| findings.push(found)).unwrap();
        assert!(matches!(findings[..], [LintFinding { problem: Problem::NoUnit, offset: 48 }]));
        let value = finding(&findings[0]);
        let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "meaning", "offset", "remedy", "severity", "what"]);
        assert_eq!((&value["id"], &value["severity"]), (&"include-all-missing".into(), &"warning".into()));
        assert_eq!((&value["offset"], &value["what"]), (&48.into(), &"table names no remapping unit".into()));
    }

    #[test]
    fn bytes_become_hex_or_characters() {
        assert_eq!(hex(&[0, 0xab, 7]), "00ab07");
        assert_eq!(text(b"A\0\xe9"), "A\0\u{e9}");
        assert_eq!(flag_names(0b101, &["one", "two", "four"]), ["one", "four"]);
    }
}
