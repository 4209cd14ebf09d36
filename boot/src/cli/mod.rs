//! The command `ivt`.
//!
//! Exit status: 0 done and every check held; 1 something does not hold; 2 wrong usage or something missing
//! on the host, told in one line before anything is built; 3 a stop that nobody asked for; 124 time limit;
//! 130 interrupted.

mod arguments;
mod bench_table;
mod evil;
mod flash;
mod image;
mod plan;
mod run;
mod usage;

use std::process::ExitCode;

use arguments::{Command, RunArguments};

use crate::judge::Purpose;

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    offline::usage::conclude(usage::parse(std::env::args_os().collect()), |command| match command {
        Command::Run(arguments) => start(Purpose::Run, arguments),
        Command::Demo(arguments) => start(Purpose::Demo, arguments),
        Command::Bench(arguments) => start(Purpose::Bench, arguments),
        Command::Image(arguments) => image::write(&arguments).map_err(Into::into),
        Command::Flash(arguments) => flash::write(&arguments),
        Command::Offline(command) => offline::run(&command).map_err(Into::into),
        Command::Evil(arguments) => evil::run(&arguments),
    })
}

fn start(purpose: Purpose, arguments: RunArguments) -> Result<u8, Box<dyn std::error::Error>> {
    let plan = plan::Plan::new(purpose, arguments)?;
    Ok(run::run(&plan)?)
}
