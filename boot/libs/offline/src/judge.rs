//! The command `judge`.

use std::fmt::Write;
use std::io;

use ::judge::{Ending, Evidence, Purpose, SelfTest};
use ::verdict::Word;
use printed::Colours;

use crate::arguments::JudgeArguments;
use crate::{Failure, answer, reports};

/// Judges the report and returns the exit status.
pub(super) fn run(arguments: &JudgeArguments) -> Result<u8, Failure> {
    let report = reports::read(&arguments.report)?;
    // How the machine ended is not told by its report. What may have been typed at its console neither, so the kernel's own
    // word on faults stands.
    let findings = ::judge::findings(&Evidence {
        purpose: Purpose::Run,
        report: &report,
        ending: Ending::PoweredOff,
        self_test: SelfTest::Possible,
    });
    let mut text = String::new();
    let is_protected = match report.verdict() {
        Some(verdict) => {
            text += &answer::render(verdict, Colours::for_stream(&io::stdout()));
            Word::named(&verdict.word) == Some(Word::Protected)
        }
        None => {
            text += "ivt: the report has no verdict\n";
            false
        }
    };
    for finding in &findings {
        // Writing to a string does not fail.
        let _ = writeln!(text, "ivt: {}", printed::Printable(&finding.to_string()));
    }
    printed::show(&text);
    Ok(::judge::exit_status(&findings).max(u8::from(!is_protected)))
}
