//! The command `explain`.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::Failure;
use crate::arguments::ExplainArguments;
use ::explain::{Format, Outcome};
use printed::{Colours, Output};

/// Explains the text and returns the exit status.
pub(super) fn run(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let format = if arguments.json { Format::Json } else { Format::Text(Colours::for_stream(&io::stdout())) };
    let mut output = Output::new();
    let outcome = ::explain::run(&mut *input(arguments), format, &mut output)
        .and_then(|outcome| output.flush().map(|()| outcome))
        .map_err(Failure::of("the text or standard output"))?;
    if outcome == Outcome::Explained {
        return Ok(0);
    }
    let line = format!("no DMA fault found in this text{}", hint(arguments));
    match format {
        Format::Text(_) => writeln!(output, "{line}")
            .and_then(|()| output.flush())
            .map_err(Failure::of("standard output"))?,
        Format::Json => eprintln!("ivt: {line}"),
    }
    Ok(1)
}

/// The text: the words of the command line, or standard input.
fn input(arguments: &ExplainArguments) -> Box<dyn Read> {
    match &arguments.text[..] {
        [] => Box::new(io::stdin().lock()),
        [only] if only == "-" => Box::new(io::stdin().lock()),
        words => {
            let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
            Box::new(io::Cursor::new(words.join(&b' ')))
        }
    }
}

/// What to do instead where a file's name was given for its text.
fn hint(arguments: &ExplainArguments) -> String {
    match &arguments.text[..] {
        [only] if Path::new(only).is_file() => {
            let name = only.to_string_lossy();
            format!("; to read the file: ivt explain - < {}", printed::Printable(&name))
        }
        _ => String::new(),
    }
}
