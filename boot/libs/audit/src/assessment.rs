//! What is to be said of one table.

use acpi_tables::Header;
use acpi_tables::lint::{self, LintFinding, Verdict};

use super::Outcome;
use super::source::Problem;

/// A table with its findings, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Assessment {
    /// The file it is from.
    pub(super) file: String,
    /// What was read.
    pub(super) content: Result<Judged, Problem>,
}

/// A table and what was found in it.
#[derive(Debug)]
pub(super) struct Judged {
    /// The table's bytes.
    pub(super) bytes: Vec<u8>,
    /// Its header.
    pub(super) header: Header,
    /// All findings, in the order in which they were made.
    pub(super) findings: Vec<LintFinding>,
}

impl Assessment {
    /// Judges a table.
    pub(super) fn of_table(file: String, bytes: Vec<u8>) -> Self {
        let mut findings = Vec::new();
        let judged = lint::lint(&bytes, |finding| findings.push(finding));
        let content = match (judged, Header::read(&bytes)) {
            (Ok(()), Some(header)) => Ok(Judged { bytes, header, findings }),
            _ => Err(Problem::NoTable),
        };
        Self { file, content }
    }

    /// Says why there is no table.
    pub(super) const fn unreadable(file: String, problem: Problem) -> Self {
        Self { file, content: Err(problem) }
    }

    /// What the findings come to.
    pub(super) fn verdict(&self) -> Verdict {
        self.content.as_ref().map_or(Verdict::Broken, |judged| {
            judged.findings.iter().map(|finding| finding.severity().into()).max().unwrap_or_default()
        })
    }

    /// What it means for the exit status.
    pub(super) fn outcome(&self) -> Outcome {
        match (&self.content, self.verdict()) {
            (Err(_), _) => Outcome::Unreadable,
            (Ok(_), Verdict::Broken) => Outcome::Error,
            (Ok(_), Verdict::Gaps) => Outcome::Warning,
            (Ok(_), Verdict::Protected) => Outcome::NoWarning,
        }
    }
}
