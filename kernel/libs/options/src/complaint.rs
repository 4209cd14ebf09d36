//! What is wrong with an options text.

use core::fmt;

use crate::excerpt::Excerpt;
use crate::settings::{MAX_SOURCE_BYTES, OptionKey};

/// Where an options text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file `ramdisk` on the boot medium.
    Ramdisk,
    /// The emulator's file `opt/ivt/cmdline`.
    FwCfg,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ramdisk => "ramdisk",
            Self::FwCfg => "fw_cfg",
        })
    }
}

/// One mistake in an options text, for one line of warning and one entry of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint<'a> {
    /// The text it stands in.
    pub source: Source,
    /// What it is.
    pub mistake: Mistake<'a>,
}

/// The kinds of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// The text is longer than [`MAX_SOURCE_BYTES`]; all of it is ignored.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text is not UTF-8; all of it is ignored.
    NotUtf8 {
        /// Offset of the first wrong byte.
        offset: usize,
    },
    /// No option has this name.
    UnknownOption {
        /// The name.
        key: &'a str,
        /// The option that was probably meant.
        nearest: Option<OptionKey>,
    },
    /// The value cannot be used; the default holds.
    BadValue {
        /// The option.
        key: OptionKey,
        /// The value.
        value: &'a str,
    },
    /// The option has no `=value`; the default holds.
    NoValue {
        /// The option.
        key: OptionKey,
    },
    /// The closing quote of the value is missing; the default holds.
    Unterminated {
        /// The option.
        key: OptionKey,
    },
    /// The option stands more than once in one text; the last one holds.
    Repeated {
        /// The option.
        key: OptionKey,
    },
}

/// What a complaint means for the report, besides the warning in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing more.
    Warning,
    /// A check that is skipped.
    Skip,
    /// A check that fails.
    Fail,
}

impl<'a> Complaint<'a> {
    /// What it means for the report.
    pub const fn severity(&self) -> Severity {
        match self.mistake {
            Mistake::UnknownOption { .. } => Severity::Skip,
            Mistake::Repeated { .. } => Severity::Warning,
            Mistake::TooLong { .. }
            | Mistake::NotUtf8 { .. }
            | Mistake::BadValue { .. }
            | Mistake::NoValue { .. }
            | Mistake::Unterminated { .. } => Severity::Fail,
        }
    }

    /// The name of the option it is about; `None` if it is about the text as a whole.
    pub const fn key(&self) -> Option<&'a str> {
        match self.mistake {
            Mistake::TooLong { .. } | Mistake::NotUtf8 { .. } => None,
            Mistake::UnknownOption { key, .. } => Some(key),
            Mistake::BadValue { key, .. }
            | Mistake::NoValue { key }
            | Mistake::Unterminated { key }
            | Mistake::Repeated { key } => Some(key.name()),
        }
    }
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "options from {}: {}", self.source, self.mistake)
    }
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong { bytes } => {
                write!(f, "ignored, {bytes} bytes long; expected at most {MAX_SOURCE_BYTES}")
            }
            Self::NotUtf8 { offset } => {
                write!(f, "ignored, not text at byte {offset}; expected UTF-8")
            }
            Self::UnknownOption { key, nearest } => {
                write!(f, "unknown option {}", Excerpt(key))?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean '{nearest}'?"),
                    None => Ok(()),
                }
            }
            Self::BadValue { key, value } => {
                write!(f, "{key}={} is not understood; expected {}", Excerpt(value), key.expected())
            }
            Self::NoValue { key } => {
                write!(f, "{key} has no value; expected {key}= and {}", key.expected())
            }
            Self::Unterminated { key } => {
                write!(f, "{key} has no closing quote; expected {key}=\"...\"")
            }
            Self::Repeated { key } => write!(f, "{key} is given more than once; the last one holds"),
        }
    }
}

impl core::error::Error for Complaint<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_complaint_says_what_was_expected() {
        let line = |mistake| Complaint { source: Source::Ramdisk, mistake }.to_string();
        assert_eq!(
            line(Mistake::BadValue { key: OptionKey::Policy, value: "stop" }),
            "options from ramdisk: policy='stop' is not understood; expected bugcheck|contain|log"
        );
        assert_eq!(
            line(Mistake::UnknownOption { key: "polcy", nearest: Some(OptionKey::Policy) }),
            "options from ramdisk: unknown option 'polcy'; did you mean 'policy'?"
        );
        assert_eq!(
            line(Mistake::TooLong { bytes: 5000 }),
            "options from ramdisk: ignored, 5000 bytes long; expected at most 4096"
        );
    }
}
