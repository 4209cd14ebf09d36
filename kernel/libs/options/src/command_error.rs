//! What is wrong with a command line.

use core::fmt;

use crate::command::CommandHelp;
use crate::excerpt::Excerpt;

/// A line that is no command; its `Display` is one line that says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError<'a> {
    /// No command has this name.
    Unknown {
        /// The name.
        word: &'a str,
        /// The command that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A word that the command needs is missing.
    Missing {
        /// The command.
        command: CommandHelp,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A word is not what its place allows.
    Bad {
        /// The command.
        command: CommandHelp,
        /// The word.
        word: &'a str,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A word too many.
    Excess {
        /// The command.
        command: CommandHelp,
        /// The word.
        word: &'a str,
    },
}

impl fmt::Display for CommandError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown { word, nearest: Some(nearest) } => {
                write!(f, "unknown command {}; did you mean '{nearest}'?", Excerpt(word))
            }
            Self::Unknown { word, nearest: None } => {
                write!(f, "unknown command {}; expected one of those that 'help' lists", Excerpt(word))
            }
            Self::Missing { command, expected } => {
                write!(f, "{}: expected {expected}; usage: {}", command.name, command.usage())
            }
            Self::Bad { command, word, expected } => {
                let usage = command.usage();
                write!(f, "{}: expected {expected}, not {}; usage: {usage}", command.name, Excerpt(word))
            }
            Self::Excess { command, word } => {
                let usage = command.usage();
                write!(f, "{}: expected nothing more at {}; usage: {usage}", command.name, Excerpt(word))
            }
        }
    }
}

impl core::error::Error for CommandError<'_> {}
