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
    if status.value().is_some_and(FsTs::is_gone) {
        return gone();
    }
    let known = status.value().map(FsTs::status);
    let said = |bits| known.is_some_and(|status| status.intersects(bits));
    let (causes, next): (&[&str], &str) = if said(FaultStatus::QUEUE_ERROR) {
        (
            &[
                "A bug in the operating system's IOMMU code: it queued a command with reserved bits set, or one that this \
                 unit does not know.",
                "The queue's memory was overwritten, or lost in a reset of the unit.",
                "A command for a device that was reset, unplugged or hangs was left in the queue (ATS).",
            ],
            "Look for the lines that show the queue (QI HEAD) and for a device that hangs or was removed at the same \
             moment; update the kernel and report it to the maintainers of the IOMMU code.",
        )
    } else if said(FaultStatus::QUEUE_ERRORS) {
        (
            &[
                "A device with a translation cache (ATS) was reset, unplugged or hangs.",
                "A bug in the operating system's IOMMU code.",
            ],
            "Look for messages about a device that hangs or was removed at the same moment.",
        )
    } else {
        (
            &["A device made requests that the unit blocked; the lines that follow say which."],
            "Explain the fault lines that follow this one; without them the log was cut or rate-limited.",
        )
    };
    Explanation {
        meaning: known.map_or("A VT-d unit reported faults; its status cannot be read.".into(), meaning),
        causes: super::causes(causes),
        next: next.into(),
    }
}

/// A register that reads as all ones.
fn gone() -> Explanation {
    Explanation {
        meaning: "The unit's registers read as all ones: the unit could not be read, so nothing is known of faults.".into(),
        causes: super::causes(&[
            "The unit lost power or was switched off, often over suspend and resume.",
            "What the unit belongs to was unplugged or reset.",
            "A bridge's window was set wrongly and hides the unit's registers.",
            "Firmware's table names a unit that is not there.",
        ]),
        next: "Look what was suspended, reset or reconfigured just before (VMD, for one); update the machine's firmware and \
               the kernel."
            .into(),
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
        assert!(explain(Reading::Value(FsTs(0x10))).causes[0].contains("IOMMU code"));
        assert!(meaning(0xffff_ffff).contains("all ones") && !meaning(0xffff_ffff).contains("record 255"));
    }
}
