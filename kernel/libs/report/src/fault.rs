//! Violations and stops.

use serde::{Deserialize, Serialize};

use crate::value::{Access, Direction, Function, Hex, List, Registers, Text};

/// A blocked request of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The unit that blocked it.
    pub unit: u32,
    /// The function, if one is known behind the requester.
    pub bdf: Option<Function>,
    /// The id that the request carried.
    pub requester: Function,
    /// The bridge that its bus lies behind, where no function is known behind the requester.
    pub port: Option<Function>,
    /// The function's name for people.
    pub name: Option<Text<'a>>,
    /// Its vendor and device id, `vvvv:dddd`.
    pub id: Option<Text<'a>>,
    /// Who drives it.
    pub driver: Option<Text<'a>>,
    /// What was asked.
    pub access: Access,
    /// The page; absent in a line that stands for further keys.
    pub address: Option<Hex>,
    /// The unit's reason code.
    pub reason: Hex,
    /// The code in words.
    pub reason_name: Text<'a>,
    /// Whether a drill had announced it.
    pub expected: bool,
    /// Why it was blocked, in one word.
    pub verdict: Option<Text<'a>>,
    /// Where several functions share the requester and differ: each with its own verdict.
    pub candidates: List<'a, Candidate<'a>>,
    /// Why it was blocked, in sentences.
    pub explanation: Option<Text<'a>>,
    /// What to do next.
    pub advice: Option<Text<'a>>,
    /// The mapping of that device that tells most: the page's last owner, or the nearest that is live.
    pub nearest: Option<Nearest<'a>>,
    /// The nearest that is live, where `nearest` is not.
    pub nearest_live: Option<Nearest<'a>>,
    /// The interrupt that was refused, where it was one and the reason tells more than that.
    pub interrupt: Option<Interrupt<'a>>,
    /// What happened at that address before, newest first.
    pub history: List<'a, HistoryEntry<'a>>,
    /// The entries that a walk for the request met when the fault was judged.
    pub walk: Option<Walk<'a>>,
    /// How often, at most the true number.
    pub count: u64,
    /// Whether there may have been more. A unit merges faults of one requester with a record that waits, and leaves
    /// no trace of it, so this is false only where the device is known to make one request at a time, its record was
    /// announced by an interrupt at once, and nothing was dropped; otherwise one record may stand for many faults.
    pub at_least: bool,
    /// What the kernel did.
    pub action: Action,
}

/// A function that may stand behind a shared requester id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate<'a> {
    /// The function.
    pub bdf: Function,
    /// Its verdict.
    pub verdict: Text<'a>,
}

/// A mapping near a fault. What the books no longer know is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest<'a> {
    /// Its first address.
    pub start: Hex,
    /// Its bytes.
    pub length: u64,
    /// What it is for.
    pub label: Option<Text<'a>>,
    /// The call that made it.
    pub site: Option<Text<'a>>,
    /// The call that unmapped it.
    pub unmap_site: Option<Text<'a>>,
    /// Its direction.
    pub direction: Option<Direction>,
    /// Whether it is still mapped.
    pub live: bool,
}

/// A refused interrupt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interrupt<'a> {
    /// The index of the unit's table that the message named; absent for the old format, which names none.
    pub index: Option<u16>,
    /// Why it was refused, in one word: `forged`, `never-given`, `withdrawn`, `out-of-range`, `compatibility`, `reserved`,
    /// `table`.
    pub kind: Text<'a>,
    /// Whose entry it is or was; absent if it is nobody's.
    pub owner: Option<Function>,
}

/// An event in the history of an address. What it is not about is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry<'a> {
    /// What happened.
    pub op: Op,
    /// When: nanoseconds since kernel entry.
    pub t: u64,
    /// First address.
    pub start: Option<Hex>,
    /// Bytes.
    pub length: Option<u64>,
    /// What the mapping was for.
    pub label: Option<Text<'a>>,
    /// The call.
    pub site: Option<Text<'a>>,
    /// Its direction.
    pub direction: Option<Direction>,
}

/// The entries of the tables that the unit reads for a request, as they stand in memory. Pairs are the lower
/// and the upper half.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walk<'a> {
    /// The root entry of the requester's bus.
    pub root: [Hex; 2],
    /// The requester's context entry.
    pub context: [Hex; 2],
    /// The page-table entries, from the highest level down to where the walk ends.
    pub entries: List<'a, WalkStep>,
}

/// One page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkStep {
    /// The level of its table; 1 is the lowest.
    pub level: u8,
    /// The entry.
    pub entry: Hex,
}

/// Kinds of history events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// A device was put into the domain.
    Attach,
    /// A device was taken out of it.
    Detach,
    /// Mapped.
    Map,
    /// Unmapped.
    Unmap,
    /// Caches emptied.
    Flush,
}

/// What the kernel did about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It stopped.
    Bugcheck,
    /// It cut the device off.
    Contained,
    /// It went on.
    Logged,
    /// A drill had announced it.
    Expected,
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bugcheck<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The stop code.
    pub code: Hex,
    /// Its name.
    pub name: Text<'a>,
    /// Parameter 1.
    pub p1: Hex,
    /// Parameter 2.
    pub p2: Hex,
    /// Parameter 3.
    pub p3: Hex,
    /// Parameter 4.
    pub p4: Hex,
    /// The interrupted processor state.
    pub cpu: Registers<'a>,
    /// The fault behind it.
    pub fault: Option<Fault<'a>>,
    /// The misuse behind it.
    pub violation: Option<Violation<'a>>,
    /// More words.
    pub detail: Option<Text<'a>>,
}

/// Misuse of the DMA layer by a driver, or by its device within memory that it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation<'a> {
    /// Nanoseconds since kernel entry.
    pub t: u64,
    /// The rule that was broken.
    pub rule: Text<'a>,
    /// Parameter 1 of the stop: the rule's code.
    pub p1: Hex,
    /// Parameter 2.
    pub p2: Hex,
    /// Parameter 3.
    pub p3: Hex,
    /// Parameter 4.
    pub p4: Hex,
    /// The function whose driver it was.
    pub bdf: Function,
    /// The driver.
    pub driver: Option<Text<'a>>,
    /// The call that broke the rule.
    pub site: Text<'a>,
    /// The earlier call that it is at odds with.
    pub other_site: Option<Text<'a>>,
}
