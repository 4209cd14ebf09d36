//! What the kernel tried on itself, and how it ended.

use serde::{Deserialize, Serialize};

use crate::value::{Access, Function, Hex, Text};

/// A device told to overreach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The command behind it.
    pub command: DrillCommand,
    /// The device; absent with nothing to drill.
    pub bdf: Option<Function>,
    /// What it was told to do.
    pub access: Option<Access>,
    /// The target's word.
    pub target: Option<Text<'a>>,
    /// The address that the device was given.
    pub iova: Option<Hex>,
    /// Where the target lies in memory.
    pub target_phys: Option<Hex>,
    /// Bytes.
    pub length: Option<u64>,
    /// The target's first 16 bytes before, in hex.
    pub before: Option<Text<'a>>,
    /// The same after.
    pub after: Option<Text<'a>>,
    /// The fault that must come.
    pub expected_fault: Option<ExpectedFault>,
    /// What came of it.
    pub result: DrillResult,
    /// The verdict on the fault that came.
    pub verdict: Option<Text<'a>>,
    /// More words.
    pub detail: Option<Text<'a>>,
}

/// The fault that a drill announces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedFault {
    /// Who will be named.
    pub requester: Function,
    /// Which page; none for an interrupt.
    pub page: Option<Hex>,
    /// Which way.
    pub access: Access,
}

/// The command behind an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillCommand {
    /// Announced.
    Drill,
    /// Not announced.
    Attack,
    /// Not announced, for show.
    Demo,
}

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrillResult {
    /// The device did not get there.
    #[serde(rename = "blocked")]
    Blocked,
    /// It did.
    #[serde(rename = "LEAKED")]
    Leaked,
    /// It could not be tried.
    #[serde(rename = "not-possible")]
    NotPossible,
}

/// Something checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// What.
    pub name: Text<'a>,
    /// How it came out.
    pub result: Outcome,
    /// The facts.
    pub detail: Option<Text<'a>>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It could not be checked here.
    Skip,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// Which figure.
    pub name: Text<'a>,
    /// Its unit of measure.
    pub unit: Text<'a>,
    /// The median.
    pub value: u64,
    /// Of how many.
    pub n: u64,
}

/// Lines that are missing at this place: the port could not take them as fast as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// How many.
    pub lines: u64,
}

/// The last line, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// How it ended.
    pub status: EndStatus,
    /// Checks reported.
    pub checks: u64,
    /// Failed ones.
    pub failed: u64,
    /// Skipped ones.
    pub skipped: u64,
    /// Fault records drained, announced ones too.
    pub faults: u64,
    /// Fault interrupts taken.
    pub fault_interrupts: u64,
    /// Fault interrupts that found nothing.
    pub spurious: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndStatus {
    /// Every check held.
    Ok,
    /// One did not, or protection is not complete.
    Failed,
    /// A stop.
    Bugcheck,
}
