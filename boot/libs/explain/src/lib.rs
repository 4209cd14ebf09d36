//! From a fault message to plain words: the command `explain`.
//!
//! Takes what a person may paste after a crash: a line, a few wrapped ones, or a whole log. [`run`] finds the
//! faults in it, counts repeats, and says of each who did it, which way, where, why, the usual causes and the
//! next step. It reads as a stream: memory is bounded whatever the log's size.
//!
//! [`pasted`] undoes what the text went through on its way, `scanner` finds the places where a fault
//! may be spelled, one module a spelling reads it into a `fault::Fault`, `crashes` and `ledger` tell what is the same
//! and count, `context` keeps what else the text tells, `words` explains, `text` and `json` write.
//!
//! Documents: VT-d 774206 (fault records and reasons), AMD-Vi 48882 ("Event Logging"), UEFI Specification 2.10
//! (appendix N, error records).
//!
//! ```
//! use explain::{Format, Outcome};
//!
//! let mut line = &b"DMAR: [DMA Read] Request device [00:02.0] fault addr 5a3f1000 [fault reason 06]"[..];
//! let mut words = Vec::new();
//! assert_eq!(explain::run(&mut line, Format::Json, &mut words)?, Outcome::Explained);
//! assert!(String::from_utf8_lossy(&words).contains(r#""device":"00:02.0""#));
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod amd;
mod bare;
mod bugcheck;
mod context;
mod cper;
mod crashes;
mod cursor;
mod device;
mod dump;
mod event;
mod fault;
mod ghes;
mod json;
mod ledger;
mod notice;
mod raw;
mod repeated;
mod report_line;
mod request;
mod scanner;
mod status;
mod stop;
mod suppressed;
mod systems;
mod text;
mod triggers;
mod words;

use std::io::{self, Read, Write};

use context::Context;
use ledger::Ledger;
use pasted::PastedText;
use printed::Colours;
use scanner::{Scanner, Sighting};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text(Colours),
    /// A JSON object a line.
    Json,
}

/// Whether there was something to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was.
    Explained,
    /// There is no fault in the text.
    NoFault,
}

/// Explains all faults in `input` and writes what there is to say to `output`; nothing if there is none.
///
/// # Errors
/// If `input` or `output` fails.
pub fn run(input: &mut dyn Read, format: Format, output: &mut dyn Write) -> io::Result<Outcome> {
    let findings = read(input)?;
    if findings.ledger.is_empty() {
        return Ok(Outcome::NoFault);
    }
    match format {
        Format::Text(colours) => text::write(output, &findings, colours)?,
        Format::Json => json::write(output, &findings)?,
    }
    Ok(Outcome::Explained)
}

/// What a text holds.
#[derive(Debug)]
struct Findings {
    /// The faults, counted.
    ledger: Ledger,
    /// What else it tells that helps to explain them.
    context: Context,
}

/// Finds and counts the faults in a text. A text without any message may be a bare record or stop code.
fn read(input: &mut dyn Read) -> io::Result<Findings> {
    let mut ledger = Ledger::default();
    let mut scanner = Scanner::new(PastedText::new(input));
    let mut quiet = Vec::new();
    while let Some(sighting) = scanner.next_sighting()? {
        match sighting {
            Sighting::Fault(fault, _) if fault.is_good_news() => quiet.push(fault),
            Sighting::Fault(fault, count) => ledger.add(fault, count),
            Sighting::Details { before, now } => ledger.complete(&before, now),
            Sighting::Total(fault, total) => ledger.add_total(fault, total),
        }
        quiet.truncate(1);
    }
    ledger.leave_out(scanner.left_out());
    if ledger.is_empty() {
        let bare = scanner.whole_text().and_then(bare::read);
        bare.into_iter().chain(quiet).for_each(|fault| ledger.add(fault, 1));
    }
    Ok(Findings { ledger, context: scanner.into_context() })
}

#[cfg(test)]
mod tests;
