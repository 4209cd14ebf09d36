//! What drivers say of memory, and what is wrong with it.

use diagnosis::Site;
use dma_types::{Direction, Iova};

use crate::{Memory, Rule};

/// How memory is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lent for a transfer, then given back.
    Streaming,
    /// Allocated for both sides to use at once, then freed.
    Common,
}

/// Memory that a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// How it is used.
    pub kind: Kind,
    /// Where the device sees it.
    pub iova: Iova,
    /// Where the driver sees it.
    pub memory: Memory,
    /// Which way the data flow.
    pub direction: Direction,
    /// The call that lent it.
    pub site: Site,
}

/// What a driver says it gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How it was used.
    pub kind: Kind,
    /// Where the device saw it.
    pub iova: Iova,
    /// Where the driver sees it; `None` where it does not say.
    pub memory: Option<Memory>,
    /// Which way the data flowed; `None` where it does not say.
    pub direction: Option<Direction>,
}

/// Bytes of a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From where in the loan.
    pub offset: usize,
    /// How many.
    pub length: usize,
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse {
    /// The rule.
    pub rule: Rule,
    /// Parameters 2 to 4 of the stop; [`Rule::parameters`] says what they are.
    pub parameters: [u64; 3],
    /// The earlier call that this one is at odds with.
    pub other_site: Option<Site>,
}

impl Misuse {
    /// A misuse that no earlier call is at odds with.
    pub const fn new(rule: Rule, parameters: [u64; 3]) -> Self {
        Self { rule, parameters, other_site: None }
    }

    /// The same with the earlier call.
    pub const fn against(self, site: Site) -> Self {
        Self { other_site: Some(site), ..self }
    }
}
