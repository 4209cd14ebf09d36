//! The program `ivt` without the kernel, for any system that Rust builds programs for.
//!
//! It has the commands of [`offline`], and says of those that boot the kernel what to do for them.
#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Explains DMA faults and crashes, and judges a machine's DMA protection.
#[derive(Debug, Parser)]
#[command(name = "ivt", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Offline(offline::Command),
    /// Needs the kernel: scripts/run in a checkout boots it
    Run(Anything),
    /// Needs the kernel: scripts/run demo in a checkout
    Demo(Anything),
    /// Needs the kernel: scripts/run bench in a checkout
    Bench(Anything),
    /// Needs the kernel: scripts/run image in a checkout
    Image(Anything),
    /// Needs the kernel: scripts/run flash in a checkout
    Flash(Anything),
    /// Needs the kernel: scripts/run evil in a checkout
    Evil(Anything),
}

/// What stands behind a command that is not done here.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
struct Anything {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// A command that boots the kernel.
#[derive(Debug)]
struct NeedsKernel(&'static str);

impl std::fmt::Display for NeedsKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(command) = self;
        write!(
            f,
            "{command} needs the kernel, which this program was built without: in a checkout, on Linux, scripts/run {command} builds both"
        )
    }
}

impl Error for NeedsKernel {}

fn main() -> ExitCode {
    let asked = offline::usage::parse::<CommandLine>(std::env::args_os().collect());
    offline::usage::conclude(asked, |line| {
        let command = match &line.command {
            Command::Offline(command) => return Ok(offline::run(command)?),
            Command::Run(_) => "run",
            Command::Demo(_) => "demo",
            Command::Bench(_) => "bench",
            Command::Image(_) => "image",
            Command::Flash(_) => "flash",
            Command::Evil(_) => "evil",
        };
        Err(NeedsKernel(command).into())
    })
}
