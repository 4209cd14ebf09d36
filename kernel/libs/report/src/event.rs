//! One line of a report.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Boot, Bugcheck, Check, Cpu, Device, Domain, Drill, End, Fault, Finding, Lost, Protected, Unit,
    Verdict, Violation, Window,
};

/// Bytes that the longest line may take, its newline among them.
pub const MAX_LINE: usize = 16 * 1024;

/// One line, tagged by `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a stopping kernel has no heap, and a report one line at a time"
)]
pub enum Event<'a> {
    /// What started.
    Boot(Boot<'a>),
    /// A processor.
    Cpu(Cpu),
    /// What firmware left.
    Window(Window<'a>),
    /// A unit.
    Unit(Unit<'a>),
    /// A function.
    Device(Device<'a>),
    /// Protection is on.
    Protected(Protected),
    /// What is to be said about the firmware's table.
    Finding(Finding<'a>),
    /// An address space.
    Domain(Domain<'a>),
    /// A blocked request.
    Fault(Fault<'a>),
    /// Misuse of the DMA layer.
    Violation(Violation<'a>),
    /// A stop.
    Bugcheck(Bugcheck<'a>),
    /// An attack.
    Drill(Drill<'a>),
    /// Whether the machine is protected.
    Verdict(Verdict<'a>),
    /// A check.
    Check(Check<'a>),
    /// A figure.
    Bench(Bench<'a>),
    /// Lines that are missing.
    Lost(Lost),
    /// The end.
    End(End),
}

impl Event<'_> {
    /// When it was, in nanoseconds since kernel entry.
    pub const fn t(&self) -> u64 {
        match self {
            Self::Boot(Boot { t, .. })
            | Self::Cpu(Cpu { t, .. })
            | Self::Window(Window { t, .. })
            | Self::Unit(Unit { t, .. })
            | Self::Device(Device { t, .. })
            | Self::Protected(Protected { t, .. })
            | Self::Finding(Finding { t, .. })
            | Self::Domain(Domain { t, .. })
            | Self::Fault(Fault { t, .. })
            | Self::Violation(Violation { t, .. })
            | Self::Bugcheck(Bugcheck { t, .. })
            | Self::Drill(Drill { t, .. })
            | Self::Verdict(Verdict { t, .. })
            | Self::Check(Check { t, .. })
            | Self::Bench(Bench { t, .. })
            | Self::Lost(Lost { t, .. })
            | Self::End(End { t, .. }) => *t,
        }
    }

    /// Says that it was at another time.
    pub const fn set_t(&mut self, at: u64) {
        match self {
            Self::Boot(Boot { t, .. })
            | Self::Cpu(Cpu { t, .. })
            | Self::Window(Window { t, .. })
            | Self::Unit(Unit { t, .. })
            | Self::Device(Device { t, .. })
            | Self::Protected(Protected { t, .. })
            | Self::Finding(Finding { t, .. })
            | Self::Domain(Domain { t, .. })
            | Self::Fault(Fault { t, .. })
            | Self::Violation(Violation { t, .. })
            | Self::Bugcheck(Bugcheck { t, .. })
            | Self::Drill(Drill { t, .. })
            | Self::Verdict(Verdict { t, .. })
            | Self::Check(Check { t, .. })
            | Self::Bench(Bench { t, .. })
            | Self::Lost(Lost { t, .. })
            | Self::End(End { t, .. }) => *t = at,
        }
    }
}

/// The line does not fit the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Bytes of the buffer.
    pub capacity: usize,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a report line does not fit {} bytes", self.capacity)
    }
}

impl core::error::Error for LineError {}

/// Writes an event as one line, newline included, and returns it. Allocates nothing.
///
/// # Errors
/// If the line is longer than the buffer; [`MAX_LINE`] fits all but lists without bound.
pub fn write_line<'b>(event: &Event<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], LineError> {
    let too_long = LineError { capacity: buffer.len() };
    let length = serde_json_core::to_slice(event, buffer).map_err(|_| too_long)?;
    *buffer.get_mut(length).ok_or(too_long)? = b'\n';
    buffer.get(..=length).ok_or(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Access, Action, DrillCommand, DrillResult, EndStatus, Function, Hex, List, Outcome, Registers, Text,
        VerdictCheck, VerdictResult, Walk, WalkStep,
    };
    use std::borrow::Cow;
    use std::string::String;

    fn line(event: &Event<'_>) -> String {
        let mut buffer = [0; MAX_LINE];
        String::from_utf8(write_line(event, &mut buffer).unwrap().to_vec()).unwrap()
    }

    fn fault() -> Fault<'static> {
        Fault {
            t: 7,
            unit: 0,
            bdf: Some(Function("00:03.0".parse().unwrap())),
            requester: Function("00:03.0".parse().unwrap()),
            port: None,
            name: Some(Cow::Borrowed("QEMU \"edu\"\n\u{1}µ")),
            id: Some(Cow::Borrowed("1234:11e8")),
            driver: None,
            access: Access::Write,
            address: Some(Hex(0x1000)),
            reason: Hex(5),
            reason_name: Cow::Borrowed("no write permission"),
            expected: false,
            verdict: Some(Cow::Borrowed("never-mapped")),
            candidates: List::default(),
            explanation: None,
            advice: None,
            nearest: None,
            nearest_live: None,
            interrupt: None,
            history: List::default(),
            walk: Some(Walk {
                root: [Hex(0x1001), Hex(0)],
                context: [Hex(0x2001), Hex(0x102)],
                entries: List::Borrowed(&[
                    WalkStep { level: 4, entry: Hex(0x3003) },
                    WalkStep { level: 3, entry: Hex(0) },
                ]),
            }),
            count: 1,
            at_least: false,
            action: Action::Bugcheck,
        }
    }

    #[test]
    fn event_comes_first_and_numbers_are_spelled_as_agreed() {
        let check = Check { t: 5, name: Cow::Borrowed("a"), result: Outcome::Pass, detail: None };
        assert_eq!(
            line(&Event::Check(check)),
            "{\"event\":\"check\",\"t\":5,\"name\":\"a\",\"result\":\"pass\",\"detail\":null}\n"
        );
        let text = line(&Event::Fault(fault()));
        assert!(
            text.starts_with("{\"event\":\"fault\",\"t\":7,\"unit\":0,\"bdf\":\"0000:00:03.0\","),
            "{text}"
        );
        assert!(text.contains("\"address\":\"0x1000\",\"reason\":\"0x5\""), "{text}");
        assert!(text.contains("\"candidates\":[]"), "{text}");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
    }

    #[test]
    fn what_the_kernel_writes_the_host_reads() {
        let registers = [(Text::Borrowed("rip"), Hex(u64::MAX)), (Text::Borrowed("cr3"), Hex(0))];
        let events = [
            Event::Fault(fault()),
            Event::Bugcheck(Bugcheck {
                t: 9,
                code: Hex(0xe6),
                name: Cow::Borrowed("DRIVER_VERIFIER_DMA_VIOLATION"),
                p1: Hex(0x26),
                p2: Hex(0xffff_8000_0000_1000),
                p3: Hex(0x1000),
                p4: Hex(5),
                cpu: Registers(List::Borrowed(&registers)),
                fault: Some(fault()),
                violation: None,
                detail: None,
            }),
            Event::Drill(Drill {
                t: 1,
                command: DrillCommand::Attack,
                bdf: None,
                access: None,
                target: None,
                iova: None,
                target_phys: None,
                length: None,
                before: None,
                after: None,
                expected_fault: None,
                result: DrillResult::Leaked,
                verdict: None,
                detail: None,
            }),
            Event::Verdict(Verdict {
                t: 1,
                word: "GAPS".into(),
                checks: List::Borrowed(&[VerdictCheck {
                    id: Cow::Borrowed("dma-covered"),
                    result: VerdictResult::Pass,
                    evidence: Cow::Borrowed("enforced"),
                    words: Cow::Borrowed("Every device."),
                }]),
                advice: List::Borrowed(&[Cow::Borrowed("Nothing.")]),
            }),
            Event::End(End {
                t: 2,
                status: EndStatus::Bugcheck,
                checks: 1,
                failed: 0,
                skipped: 0,
                faults: 1,
                fault_interrupts: 1,
                spurious: 0,
            }),
        ];
        for mut event in events {
            event.set_t(event.t() + 1);
            let text = line(&event);
            assert!(text.contains(&std::format!(",\"t\":{},", event.t())), "{text}");
            assert_eq!(serde_json::from_str::<Event<'_>>(&text).unwrap(), event, "{text}");
        }
    }

    #[test]
    fn a_line_that_does_not_fit_is_an_error() {
        let event = Event::Fault(fault());
        let full = line(&event).len();
        let mut buffer = [0; MAX_LINE];
        assert!(write_line(&event, &mut buffer[..full]).is_ok());
        assert_eq!(write_line(&event, &mut buffer[..full - 1]), Err(LineError { capacity: full - 1 }));
    }
}
