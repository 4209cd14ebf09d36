//! What an attack is asked to do.

use dma_types::Access;
use options::Target;
use report::DrillCommand;

use super::Notice;

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
    /// The target is mapped for the device, or the other's interrupt is given to it.
    MapTarget,
}
