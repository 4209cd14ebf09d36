//! Windows bug check 0xE6, in the spellings of stop screens, event logs, debuggers and forums.
//!
//! ```text
//! The bugcheck was: 0x000000e6 (0x0000000000000026, 0xffff9a0b1c2d3e40, 0x0000000000000040, 0x0000000000000006).
//! DRIVER_VERIFIER_DMA_VIOLATION (e6) Arg1: 0000000000000026, ... Arg2: ...
//! BugCheck E6, {26, ffff9a0b1c2d3e40, 40, 6}
//! BCCode: e6 BCP1: 0000000000000026 BCP2: ...
//! BugcheckCode 230 BugcheckParameter1 0x26
//! ```
//!
//! Parameters are hex in all of them, with or without `0x`; only the event log's code is decimal.

mod parameters;
#[cfg(test)]
mod tests;

use super::cursor::{Cursor, is_word_byte, parse_hex};
use super::fault::Fault;
use parameters::{Parameters, Seen, skip_punctuation};

/// The code's name.
pub(super) const NAME: &str = "DRIVER_VERIFIER_DMA_VIOLATION";
/// The event log's name for the code, which is decimal there.
pub(super) const DECIMAL_LABEL: &str = "BugcheckCode";
/// The code.
const CODE: u64 = 0xe6;

/// What stands directly before the code where it is one.
const CONTEXTS: [&str; 15] = [
    "stop",
    "stop code",
    "stop error",
    "bugcheck",
    "bug check",
    "bugcheck code",
    "bug check code",
    "bugcheck was",
    "bccode",
    "bugcheck_code",
    "bugcheck_str",
    "bugcheckcode",
    "bug check string",
    "stopcode",
    "p1",
];

/// A mention of the bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// The parameters.
    pub(super) parameters: [Option<u64>; 4],
    /// Whether it may repeat what was said before.
    pub(super) standing: Standing,
    /// Where it ends.
    pub(super) end: usize,
}

/// What a mention says of the number of crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is a report of its own.
    Report,
    /// A debugger's summary, which comes after its report.
    Summary,
}

/// Reads the mention that begins with the code's name at `at`.
pub(super) fn read_name(text: &[u8], at: usize) -> Option<Mention> {
    let after = at + NAME.len();
    if text.get(after).is_some_and(|byte| is_word_byte(*byte)) || ends_with_word(&text[..at]) {
        return None;
    }
    Some(Parameters::after(text, after, Seen { name: true, code: false, shift: 0 }).mention(Standing::Report))
}

/// Reads the mention whose code, spelled in hex, has its last two digits at `at`.
pub(super) fn read_code(text: &[u8], at: usize) -> Option<Mention> {
    let after = at + 2;
    let start =
        text[..at].iter().rposition(|byte| !is_word_byte(*byte) && *byte != b'`').map_or(0, |last| last + 1);
    let is_whole = !text.get(after).is_some_and(|byte| is_word_byte(*byte) || *byte == b'`');
    if !is_whole || parse_hex(&text[start..after]) != Some(CODE) {
        return None;
    }
    let context = context(&text[..start]);
    let shift = usize::from(context == Some("p1"));
    let found = Parameters::after(text, after, Seen { name: false, code: true, shift });
    let standing = match context {
        Some("bugcheck_code" | "bugcheck_str") => Standing::Summary,
        _ => Standing::Report,
    };
    let is_meant = context.is_some_and(|context| context != "p1" || found.values[0].is_some());
    (is_meant || found.directly).then(|| found.mention(standing))
}

/// Reads the mention whose label of a decimal code stands at `at`.
pub(super) fn read_decimal(text: &[u8], at: usize) -> Option<Mention> {
    let mut cursor = Cursor::new(text, at + DECIMAL_LABEL.len());
    skip_punctuation(&mut cursor);
    let number = cursor.token();
    if number != b"230" {
        return None;
    }
    let seen = Seen { name: false, code: true, shift: 0 };
    Some(Parameters::after(text, cursor.at(), seen).mention(Standing::Report))
}

/// Reads a text that is the code and nothing else.
pub(super) fn bare(text: &[u8]) -> Option<Fault> {
    (parse_hex(text.trim_ascii()) == Some(CODE)).then_some(Fault::BugCheck([None; 4]))
}

/// The words directly before the code, if they call it one.
fn context(before: &[u8]) -> Option<&'static str> {
    let end = before.iter().rposition(|byte| byte.is_ascii_alphanumeric())?;
    let gap = before.get(end + 1..).unwrap_or_default();
    if gap.len() > 24 {
        return None;
    }
    let words = before[end.saturating_sub(32)..=end].to_ascii_lowercase();
    CONTEXTS.into_iter().find(|context| {
        words.ends_with(context.as_bytes()) && !ends_with_word(&words[..words.len() - context.len()])
    })
}

fn ends_with_word(text: &[u8]) -> bool {
    text.last().is_some_and(|byte| is_word_byte(*byte))
}
