//! What an attack is asked to do, and what came of it.

use diagnosis::Verdict;
use dma_types::Access;
use options::Target;
use report::DrillCommand;

use super::Notice;
use super::aim::NotPossible;

/// How an attack was asked for.
#[derive(Clone, Copy)]
pub struct Order {
    /// The command behind it; none for a self-test.
    pub command: Option<DrillCommand>,
    /// Whether the fault is known to come.
    pub notice: Notice,
    /// What the device is told to do.
    pub access: Access,
    /// What it is aimed at.
    pub target: Target,
    /// What is done to it.
    pub sabotage: Sabotage,
}

impl Order {
    /// A self-test's: announced, so that no policy applies to its fault.
    pub fn of_self_test(access: Access, target: Target) -> Self {
        Self { command: None, notice: Notice::Announced, access, target, sabotage: Sabotage::None }
    }
}

/// What is done to an attack so that it must go wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    None,
    /// The target is mapped for the device.
    MapTarget,
}

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The fault came, and memory is untouched.
    Blocked {
        /// The verdict on the fault.
        verdict: Verdict,
        /// The verdict that it should have got.
        expected: Verdict,
    },
    /// No fault could come, and the device found nothing and changed nothing.
    Harmless,
    /// The device got there.
    Leaked,
    /// The device got nowhere, but no fault was seen.
    Silent,
    /// The same transfer with memory of its own did not arrive: the device proves nothing.
    DeadDevice,
    /// It could not be tried.
    NotPossible(NotPossible),
    /// The kernel's own steps failed.
    Broken,
}
