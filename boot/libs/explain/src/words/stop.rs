//! Stops of ivt, whose line tells the verdict and the nearest mapping.

use report::FaultDigest;

use super::super::context::Context;
use super::super::fault::Request;
use super::super::stop::Stop;
use super::{Explanation, request};

/// Stop code of a DMA violation.
const VIOLATION: u64 = 0xe6;
/// Stop code of a unit that lost its enforcement.
const PROTECTION_LOST: u64 = 0x1e6;
/// Stop code of a processor exception.
const EXCEPTION: u64 = 0x7f;

/// Explains a stop.
pub(super) fn explain(stop: &Stop, context: &Context) -> Explanation {
    match (&stop.digest.fault, &stop.request) {
        (Some(fault), Some(request)) => violation(stop, fault, request, context),
        _ if stop.digest.code.0 == PROTECTION_LOST => protection_lost(stop),
        _ => without_fault(stop),
    }
}

fn violation(stop: &Stop, fault: &FaultDigest<'_>, request: &Request, context: &Context) -> Explanation {
    let general = request::explain(request, context);
    let verdict = fault.verdict.as_deref().and_then(Verdict::named);
    let mut meaning = format!("ivt{} stopped the machine. {}", version(stop), general.meaning);
    if fault.bdf.is_none_or(|bdf| bdf != fault.requester) {
        meaning += &match fault.bdf {
            Some(bdf) => format!(
                " The request carried the id {}; the function behind it is {}.",
                fault.requester.0, bdf.0
            ),
            None => format!(" No function with the id {} is known.", fault.requester.0),
        };
    }
    if let Some(id) = &fault.id {
        meaning += &format!(" The device's ids are {id}");
        meaning += &fault
            .driver
            .as_ref()
            .map_or(" and no driver has it.".into(), |driver| format!("; the driver is {driver}."));
    }
    if let Some(word) = &fault.verdict {
        meaning += &format!(" The verdict is {word}");
        meaning += &verdict.map_or(".".into(), |verdict| format!(": {}.", verdict.meaning));
    }
    if let Some(owner) = fault.interrupt.as_ref().and_then(|interrupt| interrupt.owner) {
        let tense = if fault.interrupt.as_ref().is_some_and(|interrupt| interrupt.kind == "withdrawn") {
            "was given before"
        } else {
            "is given"
        };
        meaning += &format!(" The index {tense} to {}.", owner.0);
    }
    if let Some(label) = &fault.label {
        meaning += &format!(" The nearest mapping is \"{label}\"");
        meaning += &fault.site.as_ref().map_or(".".into(), |site| format!(", made at {site}."));
    }
    if fault.count > 1 || fault.at_least {
        let at_least = if fault.at_least { "at least " } else { "" };
        meaning += &format!(" It came {at_least}{} times.", fault.count);
    }
    let (causes, next) = match verdict {
        Some(verdict) => (super::causes(verdict.causes), verdict.next.to_owned()),
        None => (general.causes, general.next),
    };
    Explanation { meaning, causes, next }
}

fn protection_lost(stop: &Stop) -> Explanation {
    let [unit, status, root, _] = stop.parameters();
    let words = stop.digest.detail.as_ref().map_or(String::new(), |words| format!(" It said: {words}."));
    Explanation {
        meaning: format!(
            "ivt{} stopped the machine because IOMMU unit {unit} did not enforce any more: its status register read \
             {status:#x}, its root table register {root:#x}. From that moment until the stop, 100 ms at most, devices \
             could have reached any memory.{words}",
            version(stop)
        ),
        causes: super::causes(&[
            "A device got its driver to write the unit's registers, or wrote them itself.",
            "Firmware (SMM) switched the unit off behind the kernel's back.",
            "The unit is faulty: a register that reads as all ones says so.",
        ]),
        next: "Unplug what is external and see whether it comes again; report the line with the devices that were \
               started or spoken to last."
            .into(),
    }
}

fn without_fault(stop: &Stop) -> Explanation {
    let [vector, error_code, place, address] = stop.parameters();
    let what = match stop.digest.code.0 {
        EXCEPTION => format!(
            "met an exception of the processor that it did not expect (vector {vector}, error code {error_code:#x}, at \
             {place:#x}, last page-fault address {address:#x})"
        ),
        VIOLATION => "caught DMA that breaks the rules".into(),
        0 => "found itself in a state that must not be".into(),
        code => format!("stopped with the code {code:#x}"),
    };
    let words = stop.digest.detail.as_ref().map_or(String::new(), |words| format!(" It said: {words}."));
    Explanation {
        meaning: format!("ivt{} {what}, and stopped the machine.{words}", version(stop)),
        causes: super::causes(&["A bug in ivt.", "Faulty memory or a faulty processor."]),
        next: "Report the line with what the machine was doing; if it comes at different places, test the memory."
            .into(),
    }
}

fn version(stop: &Stop) -> String {
    stop.digest.version.as_ref().map_or(String::new(), |version| format!(" {version}"))
}

/// A verdict in words.
#[derive(Clone, Copy)]
struct Verdict {
    name: &'static str,
    meaning: &'static str,
    causes: &'static [&'static str],
    next: &'static str,
}

impl Verdict {
    fn named(name: &str) -> Option<Self> {
        VERDICTS.into_iter().find(|verdict| verdict.name == name)
    }
}

const VERDICTS: [Verdict; 13] = [
    Verdict {
        name: "never-mapped",
        meaning: "nothing was ever mapped there for the device",
        causes: &[
            "The driver gave the device an address that mapping never returned: a physical address, or a field that \
             was never filled in.",
            "The device is faulty, or probes memory.",
        ],
        next: "Look in the driver for the address; unplug the device if it is external.",
    },
    Verdict {
        name: "stale",
        meaning: "the page's last owner had released it",
        causes: &[
            "The driver unmapped the buffer while the device still worked on it.",
            "The device went on after its driver had told it to stop.",
        ],
        next: "Look at the call that unmapped the buffer: it must wait until the device is done.",
    },
    Verdict {
        name: "overrun",
        meaning: "the page lies in the gap beside a live mapping",
        causes: &[
            "The driver told the device a length or a number of elements beyond the buffer's end.",
            "The device ignored the length that it was told.",
        ],
        next: "Compare the length that the driver gave the device with that of the mapping named above.",
    },
    Verdict {
        name: "wrong-direction",
        meaning: "the page is mapped for the device, but for the other direction",
        causes: &[
            "The driver mapped the buffer for the wrong direction.",
            "The device used a buffer for something that its driver did not mean it for.",
        ],
        next: "Look at the direction in the call that made the mapping named above.",
    },
    Verdict {
        name: "foreign",
        meaning: "the address belongs to another device's memory",
        causes: &[
            "The driver mixed up two devices' addresses, or gave a physical address.",
            "The device reaches for memory that it knows of and was not given.",
        ],
        next: "Look in the driver for where the address comes from; unplug the device if it is external.",
    },
    Verdict {
        name: "unclaimed",
        meaning: "no driver has the device",
        causes: &[
            "Firmware started the device and left it running.",
            "The device starts requests by itself.",
        ],
        next: "Update the machine's firmware: a device that it still uses needs a reserved region (RMRR) in its table.",
    },
    Verdict {
        name: "beyond-width",
        meaning: "the address is wider than the IOMMU translates",
        causes: &[
            "The driver put the address together wrongly.",
            "The device took other data for an address.",
        ],
        next: "Look in the driver for how the address is put together.",
    },
    Verdict {
        name: "unknown-requester",
        meaning: "no function with that id was found on the buses",
        causes: &[
            "A device uses an id beside its own.",
            "A device was plugged in after the buses were looked at.",
        ],
        next: "Compare the id with the list of devices; report it with the name of the device that sits on that bus.",
    },
    Verdict {
        name: "contained",
        meaning: "the device had been cut off after an earlier violation",
        causes: &["The device goes on although its bus mastering is off."],
        next: "Look at the first fault of this device; that is the one to explain.",
    },
    Verdict {
        name: "table-corruption",
        meaning: "the IOMMU's tables do not hold what the kernel's books say",
        causes: &["Something overwrote the tables, or memory is faulty.", "A bug in ivt's table code."],
        next: "Test the memory; if it is sound, report the line.",
    },
    Verdict {
        name: "translated-request",
        meaning: "the request claimed to be translated already, which no device may",
        causes: &[
            "The device uses its own translation cache (ATS) without leave.",
            "The device tries to get past the IOMMU.",
        ],
        next: "Update the device's firmware; unplug it if it is external.",
    },
    Verdict {
        name: "interrupt",
        meaning: "the device sent an interrupt that was not set up for it",
        causes: &[
            "The device was reset or released and still sends its old interrupt.",
            "The device forges interrupts.",
        ],
        next: "Look whether it comes when the driver stops or the device is reset.",
    },
    Verdict {
        name: "alias",
        meaning: "several functions share the id, and it cannot be told which of them it was",
        causes: &["Devices behind one bridge send their requests under the bridge's id."],
        next: "Look at each of the functions behind the id; the full report lists a verdict for each.",
    },
];

#[cfg(test)]
mod tests {
    use super::super::super::fault::Fault;
    use super::super::super::stop;
    use super::*;

    const LINE: &str = "IVT1:stop=e6,26,ffff880000177720,113d000,5;ver=0.1.0;req=0000:02:00.0;dev=0000:02:05.0;\
        id=1234:11e8;drv=edu;op=write;at=113d000;why=5;is=stale;near=rx+ring;site=devices/edu.rs:97;n=3+;";

    fn explained(line: &str) -> Explanation {
        match stop::read(line.as_bytes(), 0) {
            Some((Fault::Stop(stop), _)) => explain(&stop, &Context::default()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn all_that_the_line_tells_is_told() {
        let Explanation { meaning, causes, next } = explained(LINE);
        for part in [
            "ivt 0.1.0 stopped",
            "Device 0000:02:00.0 tried to write to address 0x113d000",
            "write without write permission",
            "the function behind it is 0000:02:05.0",
            "ids are 1234:11e8; the driver is edu",
            "verdict is stale: the page's last owner had released it",
            "\"rx ring\", made at devices/edu.rs:97",
            "at least 3 times",
        ] {
            assert!(meaning.contains(part), "{part}: {meaning}");
        }
        assert!(causes[0].contains("unmapped the buffer") && next.contains("wait until the device is done"));
    }

    #[test]
    fn a_refused_interrupt_names_whose_it_is() {
        let line = LINE
            .replace("op=write;at=113d000;why=5;is=stale;", "op=interrupt;why=26;is=interrupt;")
            .replace("near=rx+ring;site=devices/edu.rs:97;", "idx=1f;kind=forged;own=0000:00:05.0;");
        let Explanation { meaning, causes, .. } = explained(&line);
        for part in ["tried to send the interrupt with index 0x1f", "The index is given to 0000:00:05.0."] {
            assert!(meaning.contains(part), "{part}: {meaning}");
        }
        assert!(!causes.is_empty() && !meaning.contains("nearest mapping"), "{meaning}");
        let withdrawn = line.replace("why=26", "why=22").replace("kind=forged", "kind=withdrawn");
        assert!(explained(&withdrawn).meaning.contains("The index was given before to 0000:00:05.0."));
    }

    #[test]
    fn an_unknown_verdict_falls_back_to_the_reason() {
        let Explanation { meaning, causes, .. } = explained(&LINE.replace("is=stale", "is=sideways"));
        assert!(meaning.contains("The verdict is sideways. ") && causes.len() > 2, "{meaning}");
    }

    #[test]
    fn a_lost_unit_is_told_with_its_registers() {
        let Explanation { meaning, causes, next } = explained(
            "IVT1:stop=1e6,1,44000000,113d000,0;ver=0.1.0;say=unit+1+does+not+enforce+any+more:+translation+is+off;",
        );
        for part in
            ["ivt 0.1.0", "unit 1", "0x44000000", "0x113d000", "It said: unit 1 does not enforce any more"]
        {
            assert!(meaning.contains(part), "{part}: {meaning}");
        }
        assert!(causes[0].contains("registers") && next.contains("Unplug"));
    }

    #[test]
    fn stops_without_a_fault_are_told() {
        let exception =
            explained("IVT1:stop=7f,e,2,ffffffff80001234,12345678;ver=0.1.0;say=%23PF+page+fault;");
        assert!(
            exception.meaning.contains("vector 14") && exception.meaning.contains("It said: #PF page fault.")
        );
        assert!(explained("IVT1:stop=0,0,0,0,0;").meaning.starts_with("ivt found itself"));
        assert!(explained("IVT1:stop=5,0,0,0,0;").meaning.contains("code 0x5"));
        assert!(explained("IVT1:stop=e6,10,1,0,0;").meaning.contains("breaks the rules"));
    }
}
