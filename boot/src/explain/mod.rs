//! The command `explain`: from a fault message to plain words.
//!
//! Takes what a person may paste after a crash: a line, a few wrapped ones, or a whole log. [`run`] finds the
//! faults in it, counts repeats, and says of each who did it, which way, where, why, the usual causes and the
//! next step. It reads as a stream: memory is bounded whatever the log's size.
//!
//! `scanner` finds the places where a fault may be spelled, one module a spelling reads it into a
//! `fault::Fault`, `ledger` counts, `words` explains, `text` and `json` write.
//!
//! Documents: VT-d 774206 (fault records and reasons), AMD-Vi 48882 ("Event Logging"), UEFI Specification 2.10
//! (appendix N, error records).

mod amd;
mod bare;
mod bugcheck;
mod cper;
mod cursor;
mod device;
mod dump;
mod event;
mod fault;
mod json;
mod ledger;
mod raw;
mod request;
mod scanner;
mod status;
mod stop;
mod suppressed;
mod text;
mod words;

use std::io::{self, Read, Write};

use crate::colour::Colours;
use crate::plain_text::PlainText;
use ledger::Ledger;
use scanner::Scanner;

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
    let ledger = read(input)?;
    if ledger.is_empty() {
        return Ok(Outcome::NoFault);
    }
    match format {
        Format::Text(colours) => text::write(output, &ledger, colours)?,
        Format::Json => json::write(output, &ledger)?,
    }
    Ok(Outcome::Explained)
}

/// Finds and counts the faults in a text. A text without any message may be a bare record or stop code.
fn read(input: &mut dyn Read) -> io::Result<Ledger> {
    let mut ledger = Ledger::default();
    let mut scanner = Scanner::new(PlainText::new(input));
    while let Some(fault) = scanner.next_fault()? {
        ledger.add(fault);
    }
    ledger.leave_out(scanner.left_out());
    if ledger.is_empty() {
        scanner.whole_text().and_then(bare::read).into_iter().for_each(|fault| ledger.add(fault));
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests;
