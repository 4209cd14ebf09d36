//! The command `audit`.

use std::io::{self, Write};

use crate::Failure;
use crate::arguments::{AuditArguments, FailOn};
use ::audit::{Format, Outcome};
use printed::{Colours, Output};

/// Judges the tables and returns the exit status.
pub(super) fn run(arguments: &AuditArguments) -> Result<u8, Failure> {
    let format = if arguments.json { Format::Json } else { Format::Text(Colours::for_stream(&io::stdout())) };
    let mut output = Output::new();
    let outcome = ::audit::run(&arguments.files, &mut io::stdin().lock(), format, &mut output)
        .and_then(|outcome| output.flush().map(|()| outcome))
        .map_err(Failure::of("standard output"))?;
    Ok(match outcome {
        Outcome::NoWarning => 0,
        Outcome::Warning => u8::from(arguments.fail_on == FailOn::Warning),
        Outcome::Error => 1,
        Outcome::Unreadable => 2,
    })
}
