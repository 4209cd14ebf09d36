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
mod diff;
mod explain;
mod judge;
mod listen;
mod reports;
mod submit;
pub mod usage;

use std::io;
use std::path::PathBuf;

pub use arguments::{
    AuditArguments, Command, DiffArguments, ExplainArguments, JudgeArguments, ListenArguments,
    SubmitArguments,
};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something cannot be read or written.
    #[error("{what}: {source}")]
    System {
        /// What.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file without a line of a report.
    #[error("{}: no report of ivt, which ivt run --report FILE writes", .0.display())]
    NoReport(PathBuf),
    /// A file that is neither a report nor a table.
    #[error("{}: neither a report of ivt nor a DMAR or IVRS table", .0.display())]
    NothingKnown(PathBuf),
    /// A report beside a table.
    #[error("one is a report and the other a table")]
    TwoKinds,
}

impl Failure {
    /// A failure of something that was read or written, for `map_err`.
    fn of(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Does a command and returns its exit status.
///
/// # Errors
/// If something cannot be read or is not what the command takes, or standard output fails.
pub fn run(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Audit(arguments) => audit::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Submit(arguments) => submit::run(arguments),
        Command::Judge(arguments) => judge::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
    }
}
