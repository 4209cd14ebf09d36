//! The commands of `ivt` that need no kernel: what can be written behind them, what they do, and their exit status.
//!
//! Two programs have them: `boot`'s, which boots the kernel as well, and the one of the package `ivt`, which builds
//! without it, for any system.
//!
//! ```
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! struct Line {
//!     #[command(subcommand)]
//!     command: offline::Command,
//! }
//!
//! let line = offline::usage::parse::<Line>(["ivt", "explain", "0xE6"].map(Into::into).to_vec());
//! assert!(matches!(line.unwrap().command, offline::Command::Explain(_)));
//! ```
#![forbid(unsafe_code)]

pub mod answer;
mod arguments;
mod audit;
mod carried;
mod explain;
mod listen;
mod submit;
pub mod usage;

use std::io;

pub use arguments::{AuditArguments, Command, ExplainArguments, ListenArguments, SubmitArguments};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Failure {
    what: String,
    source: io::Error,
}

impl Failure {
    /// A failure of something that was read or written, for `map_err`.
    fn of(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self { what, source }
    }
}

/// Does a command and returns its exit status.
///
/// # Errors
/// If something cannot be read, or standard output fails.
pub fn run(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Audit(arguments) => audit::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Submit(arguments) => submit::run(arguments),
    }
}
