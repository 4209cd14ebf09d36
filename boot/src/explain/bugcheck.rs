//! Windows bug check 0xE6, in the spellings of stop screens, event logs, debuggers and forums.
//!
//! ```text
//! The bugcheck was: 0x000000e6 (0x0000000000000026, 0xffff9a0b1c2d3e40, 0x0000000000000040, 0x0000000000000006).
//! DRIVER_VERIFIER_DMA_VIOLATION (e6) Arg1: 0000000000000026, ... Arg2: ...
//! BugCheck E6, {26, ffff9a0b1c2d3e40, 40, 6}
//! BCCode: e6 BCP1: 0000000000000026 BCP2: ...
//! BugcheckCode 230 BugcheckParameter1 0x26
//! FAILURE_BUCKET_ID:  0xE6_nt!IvtHandleInterrupt
//! ```
//!
//! Parameters are hex in all of them, with or without `0x`; only the event log's code is decimal.

mod parameters;
#[cfg(test)]
mod tests;

use super::cursor::{Cursor, is_word_byte, parse_hex};
use super::fault::Fault;
use parameters::{Parameters, Reach, Seen, skip_punctuation};

/// The code's name.
pub(super) const NAME: &str = "DRIVER_VERIFIER_DMA_VIOLATION";
/// The code's name as people write it.
pub(super) const SPOKEN_NAME: &str = "DRIVER VERIFIER DMA VIOLATION";
/// The event log's name for the code, which is decimal there.
pub(super) const DECIMAL_LABEL: &str = "BugcheckCode";
/// The code.
const CODE: u64 = 0xe6;
/// Characters before the code's last two digits, and one more.
const LONGEST_CODE: usize = 20;
/// The code in decimal digits.
const DECIMAL_CODE: &[u8] = b"230";

/// What stands directly before the code where it is one.
const CONTEXTS: [&str; 16] = [
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
    "failure_bucket_id",
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
    Some(
        Parameters::after(text, after, Seen { name: true, code: false, shift: 0, reach: Reach::Onwards })
            .mention(Standing::Report),
    )
}

/// Reads the mention whose code, spelled in hex, has its last two digits at `at`.
pub(super) fn read_code(text: &[u8], at: usize) -> Option<Mention> {
    let after = at + 2;
    let near = at.saturating_sub(LONGEST_CODE);
    let word = text[near..at].iter().rposition(|byte| !is_word_byte(*byte) && *byte != b'`');
    let start = word.map_or(near, |last| near + last + 1);
    let quotes = text[start..at].iter().take_while(|byte| **byte == b'`').count();
    let start = start + quotes;
    if parse_hex(&text[start..after]) != Some(CODE) || is_parameter(&text[..start]) {
        return None;
    }
    let context = context(&text[..start]);
    match text[after..] {
        [b'_', ..] if context.is_some() => return Some(bucket(text, after)),
        [b'`', digit, ..] if is_word_byte(digit) => return None,
        [byte, ..] if is_word_byte(byte) => return None,
        _ => {}
    }
    let shift = usize::from(context == Some("p1"));
    let reach = if context.is_some() { Reach::Onwards } else { Reach::Directly };
    let found = Parameters::after(text, after, Seen { name: false, code: true, shift, reach });
    let standing = match context {
        Some("bugcheck_code" | "bugcheck_str" | "failure_bucket_id") => Standing::Summary,
        _ => Standing::Report,
    };
    let is_meant = context.is_some_and(|context| context != "p1" || found.values[0].is_some());
    (is_meant || found.directly).then(|| found.mention(standing))
}

/// A debugger's name for a kind of crash, `0xE6_26` or `0xE6_nt!IvtHandleInterrupt`, whose code ends at `after`.
fn bucket(text: &[u8], after: usize) -> Mention {
    let mut cursor = Cursor::new(text, after + 1);
    let token = cursor.token();
    let first = token.split(|byte| *byte == b'_').next().and_then(parse_hex);
    Mention { parameters: [first, None, None, None], standing: Standing::Summary, end: cursor.at() }
}

/// Tells whether what follows is a parameter of another stop: it stands in a list, behind a number.
fn is_parameter(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some((b',' | b'(' | b'{' | b'[', rest)) = before.split_last() else { return false };
    let rest = rest.trim_ascii_end();
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    let start = rest.iter().rposition(|byte| !is_word_byte(*byte)).map_or(0, |last| last + 1);
    let number = &rest[start..];
    number != DECIMAL_CODE && parse_hex(number).is_some()
}

/// Reads the mention whose label of a decimal code stands at `at`.
pub(super) fn read_decimal(text: &[u8], at: usize) -> Option<Mention> {
    let mut cursor = Cursor::new(text, at + DECIMAL_LABEL.len());
    skip_punctuation(&mut cursor);
    let number = cursor.token();
    if number != DECIMAL_CODE {
        return None;
    }
    let seen = Seen { name: false, code: true, shift: 0, reach: Reach::Onwards };
    Some(Parameters::after(text, cursor.at(), seen).mention(Standing::Report))
}

/// Reads a text that is the code and nothing else.
pub(super) fn bare(text: &[u8]) -> Option<Fault> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"`").unwrap_or(text);
    (parse_hex(text) == Some(CODE)).then_some(Fault::BugCheck([None; 4]))
}

/// The words directly before the code, if they call it one.
fn context(before: &[u8]) -> Option<&'static str> {
    let end = before.iter().rposition(|byte| byte.is_ascii_alphanumeric())?;
    let gap = before.get(end + 1..).unwrap_or_default();
    if gap.len() > 24 {
        return None;
    }
    let words = before[end.saturating_sub(32)..=end].to_ascii_lowercase();
    let context = CONTEXTS.into_iter().find(|context| {
        words.ends_with(context.as_bytes()) && !ends_with_word(&words[..words.len() - context.len()])
    });
    // `stop=` is how the line of one of ivt's own stops begins.
    context.filter(|context| *context != "stop" || gap != b"=")
}

fn ends_with_word(text: &[u8]) -> bool {
    text.last().is_some_and(|byte| is_word_byte(*byte))
}
