//! Kernel options and console command lines: text to types.
//!
//! Both texts come from people, and a mistake in either must never stop the boot: an option that cannot be
//! used falls back to its default and is complained about, a command that cannot be read is answered with
//! one line that says what was expected. Nothing here allocates; what is free text borrows from its source.
//!
//! - [`Options::parse`] reads `k=v` texts of two sources, the second of which wins key by key.
//! - [`Command::parse`] reads one line of the console; [`COMMANDS`] is the grammar as `help` shows it.
//! - [`script_lines`] cuts a script into such lines; [`KeyDecoder`] and [`LineEditor`] make them of what is
//!   typed, and [`candidates`] says how one may go on.
//!
//! # Example
//! ```
//! use options::{Command, Options, Policy};
//!
//! let mut complaints = Vec::new();
//! let options = Options::parse(None, Some(b"policy=log storm=never"), &mut |complaint| complaints.push(complaint));
//! // A mistake costs only the option it is in.
//! assert_eq!((options.policy, complaints.len()), (Policy::Log, 1));
//! assert!(matches!(Command::parse("units"), Ok(Some(Command::Units))));
//! assert!(Command::parse("unitz").unwrap_err().to_string().contains("units"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bdf_list;
mod command;
mod command_error;
mod complaint;
mod complete;
mod excerpt;
mod line;
mod line_editor;
mod nearest;
mod number;
mod settings;
mod target;
mod terminal;
mod tokens;
mod words;

pub use bdf_list::{BdfList, MAX_BDFS, ParseBdfListError};
pub use command::{COMMANDS, Command, CommandHelp, DiskRange, script_lines};
pub use command_error::CommandError;
pub use complaint::{Complaint, Mistake, Severity, Source};
pub use complete::{Names, candidates};
pub use line::MAX_LINE;
pub use line_editor::{Completion, Edit, LineEditor};
pub use settings::{MAX_SOURCE_BYTES, OptionKey, Options};
pub use target::{ParseTargetError, Target};
pub use terminal::{Key, KeyDecoder};
pub use words::{
    DmarSource, ExpectedWord, ExternalDevices, Interrupts, LogLevel, ParseStormError, Policy, RecordForm,
    ReportTarget, ReportWay, Storm, Switch, Transfer, VerifierOrder,
};
