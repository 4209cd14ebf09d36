//! The answer: is this machine's memory protected from its devices?

use serde::{Deserialize, Serialize};

use crate::value::{List, Text};

/// The answer in one word, and the checks behind it: once after the drill, and again before `end` where it has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// `PROTECTED`, `GAPS` or `NOT PROTECTED`.
    pub word: Text<'a>,
    /// The checks, the most important first.
    pub checks: List<'a, VerdictCheck<'a>>,
    /// What to change, in the words that set-up uses.
    #[serde(default)]
    pub advice: List<'a, Text<'a>>,
}

/// One check of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictCheck<'a> {
    /// Its stable name.
    pub id: Text<'a>,
    /// How it came out.
    pub result: VerdictResult,
    /// What that rests on: `claimed`, `measured`, `seen` or `enforced`.
    pub evidence: Text<'a>,
    /// The same in a sentence.
    pub words: Text<'a>,
}

/// How a check of a verdict came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictResult {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// Nobody can tell.
    Unknown,
}
