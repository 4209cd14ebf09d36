//! UEFI error records about blocked DMA.

use vtd::spec::second_stage::SecondStageEntry;

use super::super::context::Context;
use super::super::cper::{ErrorRecord, Purpose, WalkEnd};
use super::{Explanation, request};

/// Explains a record.
pub(super) fn explain(record: &ErrorRecord, context: &Context) -> Explanation {
    let mut explanation = request::explain(&record.request, context);
    if let Some(end) = record.walk {
        explanation.meaning += &format!(" {}", walk(end));
    }
    if record.purpose == Purpose::Test {
        explanation.meaning += " The record says that it was caused on purpose, as a test.";
    }
    explanation
}

/// Where the walk through the tables ended.
fn walk(end: WalkEnd) -> String {
    match end {
        WalkEnd::Root => "The root entry of its bus was not present.".into(),
        WalkEnd::Context => "Its context entry was not present: it had no tables at all.".into(),
        WalkEnd::Entry { level, bits } => {
            let entry = SecondStageEntry::from_bits(bits);
            let permits = match entry.permissions() {
                None => "nothing",
                Some(permissions) => match (permissions.read(), permissions.write()) {
                    (true, true) => "both reading and writing",
                    (true, false) => "reading only",
                    _ => "writing only",
                },
            };
            format!(
                "The walk through its tables ended at level {level} with the entry {bits:#x}, which permits {permits}."
            )
        }
    }
}
