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
        let found = self.report.of_kind("device").filter(|device| device["bdf"] == bdf).last();
        found.unwrap_or_else(|| panic!("no device {bdf}"))
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        kept::if_failing(&self.report, &self.serial);
    }
}
