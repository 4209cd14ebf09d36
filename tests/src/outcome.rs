//! What a run came to, and how a test looks at it.

use boot::judge::{self, Ending, Evidence, Finding, Purpose, SelfTest};
use boot::report::Report;
use serde_json::Value;

use crate::kept;

/// What remains of a run. Its methods fail the test where something is missing.
#[derive(Debug)]
pub struct Outcome {
    /// The report, typed and as JSON.
    pub report: Report,
    /// The text on COM1.
    pub serial: String,
    /// How the machine ended.
    pub ending: Ending,
    /// What does not hold, as `ivt` judges it.
    pub findings: Vec<Finding>,
}

impl Outcome {
    pub(crate) fn new(run: boot::qemu::Outcome, purpose: Purpose, self_test: SelfTest) -> Self {
        let findings =
            judge::findings(&Evidence { purpose, report: &run.report, ending: run.ending, self_test });
        Self { report: run.report, serial: run.serial, ending: run.ending, findings }
    }

    /// The exit status that `ivt` would give.
    pub fn status(&self) -> u8 {
        judge::exit_status(&self.findings)
    }

    /// Demands an exit status.
    ///
    /// # Panics
    /// If it is another, with the reasons.
    #[track_caller]
    pub fn assert_status(&self, expected: u8) {
        let reasons: Vec<_> = self.findings.iter().map(ToString::to_string).collect();
        assert_eq!(self.status(), expected, "exit status, because of {reasons:?}; it {:?}", self.ending);
    }

    /// The lines of one kind, in order.
    pub fn events<'a>(&'a self, kind: &'a str) -> Vec<&'a Value> {
        self.report.of_kind(kind).collect()
    }

    /// The only line of a kind.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[track_caller]
    pub fn event<'a>(&'a self, kind: &'a str) -> &'a Value {
        let events = self.events(kind);
        let [event] = events[..] else { panic!("{} lines of kind {kind}, not one", events.len()) };
        event
    }

    /// The last line of the report.
    ///
    /// # Panics
    /// If the report broke off, or goes on behind its end.
    #[track_caller]
    pub fn end(&self) -> &Value {
        assert_eq!(self.report.lines().last().map(|line| line.kind()), Some("end"), "the report's last line");
        self.event("end")
    }

    /// The line of a check.
    ///
    /// # Panics
    /// If there is none of that name.
    #[track_caller]
    pub fn check(&self, name: &str) -> &Value {
        let found = self.report.of_kind("check").find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name}"))
    }

    /// What the report says last of a function.
    ///
    /// # Panics
    /// If it does not name the function.
    #[track_caller]
    pub fn device(&self, bdf: &str) -> &Value {
        let found = self.report.device(bdf);
        found.unwrap_or_else(|| panic!("no device {bdf}"))
    }
}

impl Outcome {
    /// The attacks of one command (`drill`, `attack`, `demo`), in order.
    pub fn attacks<'a>(&'a self, command: &'a str) -> Vec<&'a Value> {
        self.report.of_kind("drill").filter(|drill| drill["command"] == command).collect()
    }

    /// Demands that an attack was blocked with this verdict, that its target's memory is as it was, and that the
    /// fault that it announces was recorded: this requester, page, access and reason. Returns the fault.
    ///
    /// # Panics
    /// If any of that does not hold.
    #[track_caller]
    pub fn assert_blocked<'a>(&'a self, attack: &Value, verdict: &str) -> &'a Value {
        assert_eq!((&attack["result"], &attack["verdict"]), (&"blocked".into(), &verdict.into()), "{attack}");
        assert_eq!(attack["before"], attack["after"], "{attack}");
        let expected = &attack["expected_fault"];
        let is_its = |fault: &&Value| {
            fault["requester"] == expected["requester"]
                && fault["address"] == expected["page"]
                && fault["access"] == expected["access"]
                && fault["verdict"] == verdict
        };
        let Some(fault) = self.report.of_kind("fault").filter(is_its).last() else {
            panic!("no fault for {attack}")
        };
        let reason = match (verdict, fault["access"].as_str()) {
            ("beyond-width", _) => "0x4",
            (_, Some("interrupt")) => "0x26",
            (_, Some("write")) => "0x5",
            _ => "0x6",
        };
        assert_eq!(fault["reason"], reason, "{fault}");
        fault
    }

    /// Demands that an attack could not be tried, for a reason in which a word occurs.
    ///
    /// # Panics
    /// If it was tried, or the reason is another.
    #[track_caller]
    pub fn assert_not_possible(&self, attack: &Value, word: &str) {
        assert_eq!(attack["result"], "not-possible", "{attack}");
        assert!(attack["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{attack}");
    }
}

/// A number that the report spells as `0x` and hex.
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn hex(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.unwrap_or_else(|| panic!("{value} is no number in hex"))
}

impl Drop for Outcome {
    fn drop(&mut self) {
        kept::if_failing(&self.report, &self.serial);
    }
}
