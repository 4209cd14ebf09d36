//! The fault status register of a VT-d unit.

use vtd::spec::fault_event::FaultStatus;

use super::super::fault::{FsTs, Reading};
use super::Explanation;

/// The bits with their meanings.
const BITS: [(FaultStatus, &str); 8] = [
    (
        FaultStatus::OVERFLOW,
        "faults were dropped because no record was free, so there were more than are shown",
    ),
    (FaultStatus::PENDING, "blocked requests wait in the fault records"),
    (FaultStatus::LOG_OVERFLOW, "the fault log in memory overflowed"),
    (FaultStatus::LOG_PENDING, "blocked requests wait in the fault log in memory"),
    (FaultStatus::QUEUE_ERROR, "the invalidation queue stopped at a command that the unit cannot use"),
    (FaultStatus::COMPLETION_ERROR, "a device answered a translation cache invalidation wrongly"),
    (FaultStatus::COMPLETION_TIMEOUT, "a device did not answer a translation cache invalidation"),
    (FaultStatus::PAGE_REQUEST_OVERFLOW, "page requests were dropped"),
];

/// Explains a status.
pub(super) fn explain(status: Reading<FsTs>) -> Explanation {
    let known = status.value().map(FsTs::status);
    let errors = known.is_some_and(|status| status.intersects(FaultStatus::QUEUE_ERRORS));
    Explanation {
        meaning: known.map_or("A VT-d unit reported faults; its status cannot be read.".into(), meaning),
        causes: if errors {
            Vec::from([
                "A device with a translation cache (ATS) was reset, unplugged or hangs.",
                "A bug in the operating system's IOMMU code.",
            ])
        } else {
            Vec::from(["A device made requests that the unit blocked; the lines that follow say which."])
        },
        next: if errors {
            "Look for messages about a device that hangs or was removed at the same moment.".into()
        } else {
            "Explain the fault lines that follow this one; without them the log was cut or rate-limited."
                .into()
        },
    }
}

fn meaning(status: FaultStatus) -> String {
    let said: Vec<_> =
        BITS.iter().filter(|(bit, _)| status.contains(*bit)).map(|(_, words)| *words).collect();
    let first = if status.contains(FaultStatus::PENDING) {
        format!(", the oldest in record {}", status.record_index())
    } else {
        String::new()
    };
    if said.is_empty() {
        return "A VT-d unit raised its fault interrupt, but no condition stands any more.".into();
    }
    format!("A VT-d unit raised its fault interrupt: {}{first}.", said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_become_words() {
        let meaning = |status| explain(Reading::Value(FsTs(status))).meaning;
        assert!(meaning(0x402).contains("wait in the fault records, the oldest in record 4"));
        assert!(meaning(0x3).contains("dropped"));
        assert!(meaning(0x100).contains("no condition"));
        assert!(explain(Reading::Value(FsTs(0x40))).causes[0].contains("ATS"));
    }
}
