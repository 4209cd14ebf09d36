//! The command `ivt`.
//!
//! Exit status: 0 done and every check held; 1 something does not hold; 2 wrong usage or something missing
//! on the host, told in one line before anything is built; 3 a stop that nobody asked for; 124 time limit;
//! 130 interrupted.

mod answer;
mod arguments;
mod audit;
mod bench_table;
mod evil;
mod explain;
mod flash;
mod image;
mod output;
mod plan;
mod run;
mod usage;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use arguments::{Command, RunArguments};

use crate::judge::Purpose;

/// Exit status for wrong usage and for what the host lacks.
const USAGE: u8 = 2;

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    run_with(std::env::args_os().collect())
}

fn run_with(arguments: Vec<OsString>) -> ExitCode {
    let command = match usage::parse(arguments) {
        Ok(command) => command,
        Err(usage::Refusal::Asked(text)) => {
            show(&text);
            return ExitCode::SUCCESS;
        }
        Err(usage::Refusal::Wrong(line)) => {
            eprintln!("ivt: {line}");
            return ExitCode::from(USAGE);
        }
    };
    let done = match command {
        Command::Run(arguments) => start(Purpose::Run, arguments),
        Command::Demo(arguments) => start(Purpose::Demo, arguments),
        Command::Bench(arguments) => start(Purpose::Bench, arguments),
        Command::Image(arguments) => image::write(&arguments).map_err(Into::into),
        Command::Flash(arguments) => flash::write(&arguments),
        Command::Audit(arguments) => audit::run(&arguments).map_err(Into::into),
        Command::Explain(arguments) => explain::run(&arguments).map_err(Into::into),
        Command::Evil(arguments) => evil::run(&arguments),
    };
    done.map_or_else(
        |error| {
            eprintln!("ivt: {error}");
            ExitCode::from(USAGE)
        },
        ExitCode::from,
    )
}

/// Prints a text; nobody may be there to read it to its end.
fn show(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn start(purpose: Purpose, arguments: RunArguments) -> Result<u8, Box<dyn std::error::Error>> {
    let plan = plan::Plan::new(purpose, arguments)?;
    Ok(run::run(&plan)?)
}
