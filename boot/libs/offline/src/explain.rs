//! The command `explain`.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use crate::Failure;
use crate::arguments::ExplainArguments;
use crate::carried::Unfolded;
use ::explain::{Format, Outcome};
use printed::{Colours, Output, Printable};
use report::Event;

/// Explains the text and returns the exit status.
pub(super) fn run(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let format = if arguments.json { Format::Json } else { Format::Text(Colours::for_stream(&io::stdout())) };
    let mut output = Output::new();
    let mut input = Unfolded::new(input(arguments)?);
    let outcome = ::explain::run(&mut input, format, &mut output)
        .and_then(|outcome| output.flush().map(|()| outcome))
        .map_err(Failure::of("the text or standard output"))?;
    input.complaints().for_each(|complaint| eprintln!("ivt: {complaint}"));
    let reports: Vec<String> = input.reports().collect();
    if let Some(path) = &arguments.save {
        let name = path.display().to_string();
        if reports.is_empty() {
            eprintln!("ivt: the text holds no whole report; {} is not written", Printable(&name));
            return Ok(1);
        }
        std::fs::write(path, reports.concat()).map_err(Failure::of(Printable(&name).to_string()))?;
    }
    for report in &reports {
        show_verdict(report);
    }
    if outcome == Outcome::Explained || !reports.is_empty() {
        return Ok(0);
    }
    let line = "no DMA fault found in this text; see ivt explain --help for what is understood";
    match format {
        Format::Text(_) => writeln!(output, "{line}")
            .and_then(|()| output.flush())
            .map_err(Failure::of("standard output"))?,
        Format::Json => eprintln!("ivt: {line}"),
    }
    Ok(1)
}

/// Shows what a report says of the machine: the last verdict in it.
fn show_verdict(report: &str) {
    let mut verdicts = report.lines().filter_map(|line| match serde_json::from_str::<Event<'_>>(line) {
        Ok(Event::Verdict(verdict)) => Some(verdict),
        _ => None,
    });
    if let Some(verdict) = verdicts.next_back() {
        eprint!("{}", crate::answer::render(&verdict, Colours::for_stream(&io::stderr())));
    }
}

/// The text: the words of the command line, the files that they name, or standard input.
fn input(arguments: &ExplainArguments) -> Result<Box<dyn Read>, Failure> {
    match &arguments.text[..] {
        [] => Ok(standard_input()),
        [only] if only == "-" => Ok(standard_input()),
        words if words.iter().all(|word| Path::new(word).is_file()) => {
            let mut text: Box<dyn Read> = Box::new(io::empty());
            for name in words {
                let file = File::open(name).map_err(Failure::of(name.to_string_lossy()))?;
                // What one file ends with is no beginning of what the next one begins with.
                text = Box::new(text.chain(file).chain(&b"\n"[..]));
            }
            Ok(text)
        }
        words => {
            let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
            Ok(Box::new(io::Cursor::new(words.join(&b' '))))
        }
    }
}

/// Standard input; at a terminal it is said that it is waited for.
fn standard_input() -> Box<dyn Read> {
    let input = io::stdin();
    if input.is_terminal() {
        eprintln!("ivt: paste the text, then end it with Ctrl-D (on Windows Ctrl-Z and Enter)");
    }
    Box::new(input.lock())
}
