//! From the command line to a command, or to one line that says what is wrong with it; from its outcome to a status.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// Exit status for wrong usage and for what the host lacks.
const USAGE: u8 = 2;

/// Why there is no command.
#[derive(Debug)]
pub enum Refusal {
    /// Help or the version was asked for: the text.
    Asked(String),
    /// A mistake: one line about it.
    Wrong(String),
}

/// Reads a command line, program name first.
///
/// # Errors
/// If it is none of `C`, or asks for help.
pub fn parse<C: Parser>(arguments: Vec<OsString>) -> Result<C, Refusal> {
    C::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Refusal::Asked(error.to_string()),
        _ => Refusal::Wrong(one_line(&error.to_string())),
    })
}

/// Folds the parser's paragraph about the mistake into a line and drops what follows it.
fn one_line(text: &str) -> String {
    let about = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<_> = about.flat_map(str::split_whitespace).collect();
    let line = words.join(" ").replace(" tip:", "; tip:");
    format!("{} (see --help)", line.strip_prefix("error: ").unwrap_or(&line))
}

/// Ends a program `ivt`: does what was asked and gives its exit status, or says in one line why it was not done.
pub fn conclude<C>(asked: Result<C, Refusal>, run: impl FnOnce(C) -> Result<u8, Box<dyn Error>>) -> ExitCode {
    let why = match asked {
        Ok(command) => match run(command) {
            Ok(status) => return ExitCode::from(status),
            Err(error) => error.to_string(),
        },
        Err(Refusal::Asked(text)) => {
            printed::show(&text);
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Wrong(line)) => line,
    };
    eprintln!("ivt: {why}");
    ExitCode::from(USAGE)
}
