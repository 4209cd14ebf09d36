//! How results are printed: for people with [`Colours`], for programs as JSON objects, one a line ([`json_line`]).
//!
//! Names and texts come from logs, files and firmware: [`Printable`] shows their control characters, so that none
//! steers a terminal.
//!
//! ```
//! use printed::{Colours, Printable, Tone};
//!
//! let line = format!("{}: {}", Printable("a\x1b[2Jb"), Colours::Off.paint(Tone::Bad, "broken"));
//! assert_eq!(line, "a\\u{1b}[2Jb: broken");
//! ```
#![forbid(unsafe_code)]

mod colour;
pub mod json_line;
mod output;

pub use colour::{Colours, Painted, Printable, Tone};
pub use output::{Output, show};
