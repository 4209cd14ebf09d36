//! Windows's bug checks about DMA (Microsoft "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION" and others).

use verifier::Rule;
use vtd::spec::fault_reason::FaultReason;

use super::super::bugcheck::{Bugcheck, StopCode};
use super::Explanation;
use super::request::reason_in_words;

/// Parameter 1 where the IOMMU reported it.
const BY_IOMMU: u64 = 0x26;

/// Explains a bug check.
pub(super) fn explain(bugcheck: &Bugcheck) -> Explanation {
    let mut explanation = match bugcheck.code {
        StopCode::DmaViolation => violation(bugcheck.parameters),
        StopCode::PageFault | StopCode::HalPageFault => page_fault(bugcheck),
    };
    let doubtful: Vec<_> =
        (1..).zip(bugcheck.doubtful).filter(|(_, doubtful)| *doubtful).map(|(n, _)| n.to_string()).collect();
    if !doubtful.is_empty() {
        explanation.meaning += &format!(
            " Doubtful: parameter {} was read from characters that only look like digits; compare it with the picture.",
            doubtful.join(", ")
        );
    }
    explanation
}

/// Bug checks 0x158 and 0x159 (Microsoft "Bug Check 0x158: ILLEGAL_IOMMU_PAGE_FAULT", "Bug Check 0x159:
/// HAL_ILLEGAL_IOMMU_PAGE_FAULT").
fn page_fault(bugcheck: &Bugcheck) -> Explanation {
    let [first, second, ..] = bugcheck.parameters;
    let number = |number: Option<u64>| number.map_or("unknown".into(), |number| format!("{number:#x}"));
    let meaning = match bugcheck.code {
        StopCode::HalPageFault => format!(
            "Windows stopped because a device asked for a page of a process's address space (ASID) that was just being \
             taken down. Parameter 1, {}, says which family of IOMMUs reported it.",
            number(first)
        ),
        _ => format!(
            "Windows stopped because a device asked for a page of an address space (ASID) that does not exist: {}, with {} \
             in use.",
            number(first),
            number(second)
        ),
    };
    Explanation {
        meaning,
        causes: super::causes(&[
            "A bug in the driver of a device that shares address spaces with processes, mostly graphics: the process has \
             ended and its device still works for it.",
            "The device or its firmware uses a stale or made-up number.",
        ]),
        next: "Update the graphics driver and the machine's firmware; !analyze -v on the dump names the process or driver."
            .into(),
    }
}

fn violation(parameters: [Option<u64>; 4]) -> Explanation {
    match parameters {
        [Some(BY_IOMMU), device, information, kind] => by_iommu(device, information, kind),
        [Some(first), second, ..] => match own_rule(first) {
            Some(rule) => by_own_verifier(rule),
            None => by_verifier(first, second),
        },
        [None, ..] => Explanation {
            meaning:
                "Windows stopped because of DMA that breaks the rules. Without the first parameter it is \
                      not known whether the IOMMU blocked a device (0x26) or Driver Verifier caught a driver \
                      (any other)."
                    .into(),
            causes: super::causes(&[
                "A device reached for memory that its driver had not mapped, and the IOMMU blocked it (0x26).",
                "A driver under Driver Verifier misused the DMA interface (other values).",
            ]),
            next:
                "Get the four parameters: from the event log (BugCheck, id 1001) or with !analyze -v on the \
                   dump."
                    .into(),
        },
    }
}

fn by_iommu(device: Option<u64>, information: Option<u64>, kind: Option<u64>) -> Explanation {
    let mut meaning = String::from(
        "Windows stopped because the IOMMU blocked a device that reached for memory it was not given. It can \
         happen without Driver Verifier.",
    );
    if let Some(device) = device.filter(|device| *device != 0) {
        meaning += &format!(" The device's object is at {device:#x}.");
    }
    if let Some(information) = information {
        meaning += &format!(" The fault information, usually the address, is {information:#x}.");
    }
    if let Some(kind) = kind {
        let reason = u8::try_from(kind).ok().map(FaultReason).filter(|reason| reason.meaning().is_some());
        meaning += &match reason {
            Some(reason) => format!(
                " The fault type {kind:#x} depends on the hardware; read as a reason of Intel VT-d, which fits \
                 known cases but is not documented, it says: {}.",
                reason_in_words(reason)
            ),
            None => format!(" The fault type {kind:#x} depends on the hardware and is not documented."),
        };
    }
    meaning += " ivt stops with the same code; there parameter 3 is the page and 4 the reason.";
    let look = device.filter(|device| *device != 0).map_or_else(
        || "Get all four parameters with !analyze -v; parameter 2 names the device.".to_owned(),
        |device| format!("In the debugger, !devobj {device:#x} and !devstack {device:#x} name the device and its drivers."),
    );
    Explanation {
        meaning,
        causes: super::causes(&[
            "A bug in the device's driver: a buffer released while the device still worked on it, or a wrong \
             address.",
            "The driver or the device's firmware does not support DMA remapping although it says so.",
            "An old PCI device behind a bridge or in an external chassis, whose requests carry the bridge's id \
             (Windows Server 2022 has a fix, KB5031364).",
            "The machine's firmware lets the device reach memory after the hand-over, or skipped a flush of the \
             IOMMU's caches.",
            "An external device that probes memory.",
        ]),
        next: format!(
            "{look} Update that driver, the device's firmware and the machine's firmware; unplug external devices \
             to see whether it stops. Keep Kernel DMA Protection on while you look."
        ),
    }
}

fn by_verifier(first: u64, second: Option<u64>) -> Explanation {
    let rule = rule(first, second);
    let meaning = match rule {
        Some(rule) => format!("Driver Verifier caught a driver that misuses the DMA interface: {rule}."),
        None => format!(
            "Driver Verifier caught a driver that misuses the DMA interface: violation {first:#x}, which is not documented."
        ),
    };
    Explanation {
        meaning,
        causes: super::causes(&[
            "A bug in the driver that stands on the stack.",
            "A faulty device that makes its driver go astray, if the driver is known to be sound.",
        ]),
        next: "Run !analyze -v on the dump for the driver's name, !dma for its adapters and buffers; update the \
               driver or report it to its maker, and switch Driver Verifier off (verifier /reset) where it is \
               not wanted."
            .into(),
    }
}

/// The rule of ivt's own with this parameter 1, which Microsoft's table does not have.
fn own_rule(first: u64) -> Option<Rule> {
    Rule::ALL.into_iter().find(|rule| rule.code() == first && first > BY_IOMMU)
}

fn by_own_verifier(rule: Rule) -> Explanation {
    let [second, third, fourth] = rule.parameters();
    Explanation {
        meaning: format!(
            "ivt's verifier stopped the machine: {rule}. {} Parameters 2 to 4: {second}; {third}; {fourth}.",
            rule.meaning()
        ),
        causes: super::causes(&["A bug in the driver, or in a crate that it uses."]),
        next: "The stop screen and the event `violation` name the call and the one that it is at odds with: look \
               there."
            .into(),
    }
}

/// The rule that was broken, by parameter 1 and, where it matters, 2.
const fn rule(first: u64, second: Option<u64>) -> Option<&'static str> {
    Some(match (first, second) {
        (0x00, Some(1)) => "a flush ran past the end of the map registers",
        (0x00, Some(2)) => "contiguous map registers ran out",
        (0x00, _) => "various, told by parameter 2",
        (0x01, _) => "the performance counter went backwards",
        (0x02, _) => "the performance counter advanced too fast",
        (0x03, _) => "more common buffers were freed than allocated",
        (0x04, _) => "more adapter channels were freed than allocated",
        (0x05, _) => "more map registers were freed than allocated",
        (0x06, _) => "more scatter/gather lists were freed than allocated",
        (0x07, _) => "an adapter was released with common buffers outstanding",
        (0x08, _) => "an adapter was released with channels, buffers or lists outstanding",
        (0x09, _) => "an adapter was released with map registers outstanding",
        (0x0a, _) => "an adapter was released with scatter/gather lists outstanding",
        (0x0b, _) => "more than one adapter channel at once",
        (0x0c, _) => "too many map registers at once",
        (0x0d, _) => "buffers were not flushed",
        (0x0e, _) => "DMA on a buffer that is not locked in memory",
        (0x0f, Some(1 | 4)) => "memory before a DMA buffer was overwritten, by the driver or the device",
        (0x0f, Some(2 | 5)) => "memory behind a DMA buffer was overwritten, by the driver or the device",
        (0x0f, _) => "memory outside a DMA buffer was overwritten, by the driver or the device",
        (0x10, _) => "map registers were freed while they were mapped",
        (0x11, _) => "too many references to an adapter",
        (0x13 | 0x14, _) => "a DMA routine was called at the wrong IRQL",
        (0x15, _) => "too many map registers were allocated",
        (0x16, _) => "a buffer was flushed that is not mapped",
        (0x18, _) => "an adapter was used after its release",
        (0x19, _) => "a null adapter was passed",
        (0x1b, _) => "an address lies outside its memory descriptor list",
        (0x1d, _) => "a range was mapped that is mapped already",
        (0x1e, _) => "the obsolete HalGetAdapter was called",
        (0x1f, _) => "a buffer does not fit its memory descriptor list or the cache lines",
        (0x20, _) => "a map register was flushed that was never mapped",
        (0x21, _) => "a buffer of no bytes was mapped",
        (0x22, _) => "a buffer has no system address",
        (0x23, _) => "a channel was flushed that is neither done nor cancelled",
        (0x24, _) => "a buffer is smaller than the length asked for",
        (0x25, _) => "a device description of unknown version",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(parameters: [Option<u64>; 4]) -> Explanation {
        explain(&Bugcheck { parameters, ..Bugcheck::of(StopCode::DmaViolation) })
    }

    #[test]
    fn doubtful_digits_are_told() {
        let doubtful = [false, true, false, true];
        let bugcheck = Bugcheck { parameters: [Some(0x26); 4], doubtful, code: StopCode::DmaViolation };
        assert!(
            explain(&bugcheck).meaning.contains("parameter 2, 4 was read"),
            "{}",
            explain(&bugcheck).meaning
        );
    }

    #[test]
    fn page_faults_are_told() {
        let explained = |code| {
            explain(&Bugcheck { parameters: [Some(3), Some(2), None, None], ..Bugcheck::of(code) }).meaning
        };
        assert!(explained(StopCode::PageFault).contains("does not exist: 0x3, with 0x2 in use"));
        assert!(explained(StopCode::HalPageFault).contains("taken down"));
    }

    #[test]
    fn the_known_case_is_explained_with_its_caveat() {
        let known = explained([Some(0x26), Some(0xffff_9a0b_1c2d_3e40), Some(0x40), Some(6)]);
        for part in ["0xffff9a0b1c2d3e40", "0x40", "read without read permission", "not documented"] {
            assert!(known.meaning.contains(part), "{part}: {}", known.meaning);
        }
        assert!(known.next.contains("!devobj 0xffff9a0b1c2d3e40"));
        let partial = explained([Some(0x26), None, None, None]);
        assert!(partial.next.contains("parameter 2"), "{}", partial.next);
    }

    #[test]
    fn rules_of_the_verifier_are_told() {
        assert!(explained([Some(0x0f), Some(2), None, None]).meaning.contains("behind a DMA buffer"));
        assert!(explained([Some(0x12), None, None, None]).meaning.contains("violation 0x12"));
        assert!(explained([Some(0x103), None, None, None]).meaning.contains("image-lent"));
    }
}
