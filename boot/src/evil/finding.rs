//! What a scenario found.

use serde_json::{Value, json};

/// How something that was tried ended, against what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Held,
    /// Not as expected: something got through, the kernel did not live, or the device was not alive.
    Failed,
    /// Nothing was expected: a measurement.
    Measured,
}

impl Outcome {
    /// Held where a condition holds.
    pub(super) fn held_if(condition: bool) -> Self {
        if condition { Self::Held } else { Self::Failed }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "FAILED",
            Self::Measured => "measured",
        }
    }
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The scenario's name.
    pub scenario: &'static str,
    /// What was tried.
    pub tried: String,
    /// What came of it.
    pub came: String,
    /// What should have come of it.
    pub expected: String,
    /// Whether it did.
    pub outcome: Outcome,
    /// Figures for programs; null where there are none.
    pub figures: Value,
}

impl Finding {
    /// The heading of the table.
    pub fn heading() -> String {
        row("", "scenario", "what was tried", "what came of it", "expected")
    }

    /// The finding as a line of the table.
    pub fn line(&self) -> String {
        row(self.outcome.word(), self.scenario, &self.tried, &self.came, &self.expected)
    }

    /// The finding as a JSON object.
    pub fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "tried": self.tried,
            "came": self.came,
            "expected": self.expected,
            "outcome": self.outcome.word(),
            "figures": self.figures,
        })
    }
}

fn row(outcome: &str, scenario: &str, tried: &str, came: &str, expected: &str) -> String {
    format!("{outcome:8}  {scenario:12}  {tried:52}  {came:44}  {expected}")
}

/// Where a scenario writes down what it finds; each finding is shown at once.
pub(super) struct Findings<'a> {
    scenario: &'static str,
    tell: &'a mut dyn FnMut(Finding),
}

impl<'a> Findings<'a> {
    pub(super) fn new(scenario: &'static str, tell: &'a mut dyn FnMut(Finding)) -> Self {
        Self { scenario, tell }
    }

    pub(super) fn add(
        &mut self,
        tried: impl Into<String>,
        came: impl Into<String>,
        expected: impl Into<String>,
        outcome: Outcome,
    ) {
        self.add_with(tried, came, expected, outcome, Value::Null);
    }

    /// Adds findings of machines in which nothing must land and the kernel must live: what was tried, what came of it,
    /// whether it held, figures.
    pub(super) fn extend(&mut self, found: Vec<(String, String, bool, Value)>) {
        for (tried, came, held, figures) in found {
            self.add_with(tried, came, "nothing lands, the kernel lives", Outcome::held_if(held), figures);
        }
    }

    pub(super) fn add_with(
        &mut self,
        tried: impl Into<String>,
        came: impl Into<String>,
        expected: impl Into<String>,
        outcome: Outcome,
        figures: Value,
    ) {
        (self.tell)(Finding {
            scenario: self.scenario,
            tried: tried.into(),
            came: came.into(),
            expected: expected.into(),
            outcome,
            figures,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_line_and_as_an_object() {
        let mut found = Vec::new();
        let mut tell = |finding| found.push(finding);
        let mut findings = Findings::new("power-on", &mut tell);
        findings.add("write after protected", "0 of 5 landed", "nothing lands", Outcome::held_if(true));
        findings.add_with("x", "y", "z", Outcome::held_if(false), json!({"n": 1}));
        let column = |line: String, text| line.find(text).unwrap();
        assert_eq!(column(found[0].line(), "nothing lands"), column(Finding::heading(), "expected"));
        assert!(found[0].line().starts_with("held      power-on      write after protected  "));
        assert_eq!(found[1].json()["outcome"], "FAILED");
        assert_eq!(found[1].json()["figures"]["n"], 1);
    }
}
