//! Windows's bug checks about blocked DMA, in the spellings of stop screens, event logs, debuggers and forums.
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
//! Parameters are hex in all of them, with or without `0x`; only the event log's code is decimal. A number that
//! happens to be a code is none: it needs its name, a word that calls it one, or its parameters in brackets.

mod misread;
mod parameters;
#[cfg(test)]
mod tests;

use super::cursor::{Cursor, is_word_byte};
use super::fault::Fault;
pub(super) use misread::MARK as MISREAD_MARK;
use parameters::{Found, Parameters, Reach, Seen, skip_punctuation};
use pasted::hex;

/// A stop code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StopCode {
    /// 0xE6: a device was blocked, or a driver misused the DMA interface.
    DmaViolation,
    /// 0x158: a device named an address space that does not exist.
    PageFault,
    /// 0x159: a device named an address space that is being taken down.
    HalPageFault,
}

impl StopCode {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::DmaViolation, Self::PageFault, Self::HalPageFault];

    /// The number.
    const fn number(self) -> u64 {
        match self {
            Self::DmaViolation => 0xe6,
            Self::PageFault => 0x158,
            Self::HalPageFault => 0x159,
        }
    }

    /// The last digits of the number in hex, however it is padded.
    pub(super) const fn digits(self) -> &'static str {
        match self {
            Self::DmaViolation => "e6",
            Self::PageFault => "158",
            Self::HalPageFault => "159",
        }
    }

    /// The number in decimal digits.
    const fn decimal(self) -> &'static [u8] {
        match self {
            Self::DmaViolation => b"230",
            Self::PageFault => b"344",
            Self::HalPageFault => b"345",
        }
    }

    /// The name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DmaViolation => "DRIVER_VERIFIER_DMA_VIOLATION",
            Self::PageFault => "ILLEGAL_IOMMU_PAGE_FAULT",
            Self::HalPageFault => "HAL_ILLEGAL_IOMMU_PAGE_FAULT",
        }
    }

    /// The name as people write it.
    pub(super) const fn spoken_name(self) -> &'static str {
        match self {
            Self::DmaViolation => "DRIVER VERIFIER DMA VIOLATION",
            Self::PageFault => "ILLEGAL IOMMU PAGE FAULT",
            Self::HalPageFault => "HAL ILLEGAL IOMMU PAGE FAULT",
        }
    }
}

/// The event log's name for the code, which is decimal there.
pub(super) const DECIMAL_LABEL: &str = "BugcheckCode";
/// Characters before the code's last two digits, and one more.
const LONGEST_CODE: usize = 20;
/// Parameter 1 where the IOMMU reported it.
const BY_IOMMU: u64 = 0x26;
/// No kernel object lies below.
const LOWEST_OBJECT: u64 = 0x1_0000;
/// Fewest digits of an argument in a stack, and the longest line of one.
const FRAME_DIGITS: usize = 8;
const LONGEST_FRAME: usize = 160;
/// The function that stops Windows; its first argument is the code.
const STOPPER: &[u8] = b"KeBugCheckEx";

/// What stands directly before the code where it is one.
const CONTEXTS: [&str; 18] = [
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
    "kebugcheckex",
    "code",
    "p1",
];

/// What is said of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bugcheck {
    /// The code.
    pub(super) code: StopCode,
    /// The parameters; `None` where the text does not give one.
    pub(super) parameters: [Option<u64>; 4],
    /// Which of them were put right from characters that only look like digits.
    pub(super) doubtful: [bool; 4],
}

impl Bugcheck {
    /// A crash of which only the code is known.
    pub(super) const fn of(code: StopCode) -> Self {
        Self { code, parameters: [None; 4], doubtful: [false; 4] }
    }

    /// Tells whether no parameter is known.
    pub(super) fn says_nothing(&self) -> bool {
        self.parameters == [None; 4]
    }

    /// Tells whether no parameter is at odds with what another mention says.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let mut pairs = self.parameters.iter().zip(other.parameters);
        pairs.all(|(own, other)| own.is_none() || other.is_none() || *own == other)
    }

    /// What both say together.
    pub(super) fn with(mut self, other: &Self) -> Self {
        for place in 0..self.parameters.len() {
            if self.parameters[place].is_none() {
                self.parameters[place] = other.parameters[place];
                self.doubtful[place] = other.doubtful[place];
            }
        }
        self
    }

    /// Tells whether all parameters are known.
    pub(super) fn is_whole(&self) -> bool {
        !self.parameters.contains(&None)
    }
}

/// A mention of a bug check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// What it says.
    pub(super) bugcheck: Bugcheck,
    /// What kind of trace it is.
    pub(super) standing: Standing,
    /// Where it ends.
    pub(super) end: usize,
}

/// Kinds of traces that a crash leaves; each tells of it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It begins with the code's name.
    Named,
    /// It has the code behind this word, or behind none.
    Coded(Option<&'static str>),
    /// It is the event log's, with the code in decimal.
    Logged,
    /// A debugger's summary, which says again what was reported.
    Summary,
}

/// Reads the mention that begins with the code's name at `at`.
pub(super) fn read_name(text: &[u8], at: usize, code: StopCode) -> Option<Mention> {
    let after = at + code.name().len();
    if text.get(after).is_some_and(|byte| is_word_byte(*byte)) || ends_with_word(&text[..at]) {
        return None;
    }
    let seen = Seen { stop: code, name: true, code: false, shift: 0, reach: Reach::Onwards };
    Some(misread::put_right(
        text,
        after,
        seen,
        Parameters::after(text, after, seen).mention(code, Standing::Named),
    ))
}

/// Reads the mention whose code, spelled in hex, has its last digits at `at`.
pub(super) fn read_code(text: &[u8], at: usize, code: StopCode) -> Option<Mention> {
    let after = at + code.digits().len();
    let near = at.saturating_sub(LONGEST_CODE);
    let word = text[near..at].iter().rposition(|byte| !is_word_byte(*byte) && *byte != b'`');
    let start = word.map_or(near, |last| near + last + 1);
    let quotes = text[start..at].iter().take_while(|byte| **byte == b'`').count();
    let start = start + quotes;
    let before = &text[..start];
    if hex::parse(&text[start..after]) != Some(code.number()) {
        return misread::read_code(text, start, after, code);
    }
    // Stacks show numbers with all of their digits.
    let frame = if after - start >= FRAME_DIGITS { frame(text, after) } else { None };
    if before.ends_with(b"+") || is_parameter(before) && frame.is_none() {
        return None;
    }
    let context = context(before);
    let frame = frame.filter(|_| context.is_none());
    match text[after..] {
        [b'_', ..] if context.is_some() => return Some(bucket(text, after, code)),
        [b'+', ..] => return None,
        [b'`', digit, ..] if is_word_byte(digit) => return None,
        [byte, ..] if is_word_byte(byte) => return None,
        _ => {}
    }
    let shift = usize::from(context == Some("p1"));
    let reach = if context.is_some() { Reach::Onwards } else { Reach::Directly };
    let is_frame = frame.is_some();
    let seen = Seen { stop: code, name: false, code: true, shift, reach };
    let found = frame.unwrap_or_else(|| Parameters::after(text, after, seen));
    let standing = match context {
        Some("bugcheck_code" | "bugcheck_str" | "failure_bucket_id") => Standing::Summary,
        _ if is_frame => Standing::Summary,
        context => Standing::Coded(context),
    };
    let is_marked = text[start..].starts_with(b"0x") || text[start..].starts_with(b"0X");
    let is_meant = match context {
        Some("p1") => found.values[0].is_some(),
        Some("code") => {
            found.found == Some(Found::Label)
                || speaks_for_itself(&found, is_marked, text.get(after).copied())
        }
        Some(_) => true,
        None => is_frame || speaks_for_itself(&found, is_marked, text.get(after).copied()),
    };
    is_meant.then(|| misread::put_right(text, after, seen, found.mention(code, standing)))
}

/// Tells whether a number must be the code although nothing calls it so: by the parameters behind it.
fn speaks_for_itself(found: &Parameters, is_marked: bool, behind: Option<u8>) -> bool {
    let [first, second, ..] = found.values;
    let by_iommu = is_marked && first == Some(BY_IOMMU);
    match found.found {
        Some(Found::WholeList) => true,
        Some(Found::List | Found::Slash) => by_iommu,
        Some(Found::Series) => {
            by_iommu && behind != Some(b',') && second.is_some_and(|object| object >= LOWEST_OBJECT)
        }
        Some(Found::Label) | None => false,
    }
}

/// The parameters behind the code that ends at `after`, if it is the first argument in a stack's line of the function that
/// stops Windows: such a line shows four arguments.
fn frame(text: &[u8], after: usize) -> Option<Parameters> {
    let rest = &text[after..text.len().min(after + LONGEST_FRAME)];
    let line = rest.split(|byte| *byte == b'\n').next()?;
    let name = line.windows(STOPPER.len()).position(|window| window.eq_ignore_ascii_case(STOPPER))?;
    let mut words = line[..name].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut next = || words.next().and_then(hex::parse);
    let values = [Some(next()?), Some(next()?), Some(next()?), None];
    let is_first = words.all(|word| hex::parse(word).is_none());
    is_first.then_some(Parameters { values, found: Some(Found::Series), end: after + name })
}

/// A debugger's name for a kind of crash, `0xE6_26` or `0xE6_nt!IvtHandleInterrupt`, whose code ends at `after`.
fn bucket(text: &[u8], after: usize, code: StopCode) -> Mention {
    let mut cursor = Cursor::new(text, after + 1);
    let token = cursor.token();
    let first = token.split(|byte| *byte == b'_').next().and_then(hex::parse);
    let bugcheck = Bugcheck { parameters: [first, None, None, None], ..Bugcheck::of(code) };
    Mention { bugcheck, standing: Standing::Summary, end: cursor.at() }
}

/// Tells whether what follows is a parameter of another stop: it stands in a list, behind a number.
fn is_parameter(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let Some((b',' | b'(' | b'{' | b'[', rest)) = before.split_last() else { return false };
    let rest = rest.trim_ascii_end();
    let rest = rest.strip_suffix(b",").unwrap_or(rest);
    let start = rest.iter().rposition(|byte| !is_word_byte(*byte)).map_or(0, |last| last + 1);
    let number = &rest[start..];
    let is_code = StopCode::ALL.iter().any(|code| code.decimal() == number);
    !is_code && hex::parse(number).is_some()
}

/// Reads the mention whose label of a decimal code stands at `at`.
pub(super) fn read_decimal(text: &[u8], at: usize) -> Option<Mention> {
    let mut cursor = Cursor::new(text, at + DECIMAL_LABEL.len());
    skip_punctuation(&mut cursor);
    let number = cursor.token();
    let code = StopCode::ALL.into_iter().find(|code| code.decimal() == number)?;
    let seen = Seen { stop: code, name: false, code: true, shift: 0, reach: Reach::Onwards };
    Some(Parameters::after(text, cursor.at(), seen).mention(code, Standing::Logged))
}

/// Reads the mention whose name, which has been misread, has its mark at `at`.
pub(super) fn read_misread_name(text: &[u8], at: usize) -> Option<Mention> {
    misread::read_name(text, at)
}

/// Reads a text that is the code and nothing else.
pub(super) fn bare(text: &[u8]) -> Option<Fault> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"`").unwrap_or(text);
    let number = hex::parse(text)?;
    let code = StopCode::ALL.into_iter().find(|code| code.number() == number)?;
    // The digits of the others may be any number.
    let is_marked = code == StopCode::DmaViolation || text.starts_with(b"0x") || text.starts_with(b"0X");
    is_marked.then(|| Fault::BugCheck(Bugcheck::of(code)))
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
