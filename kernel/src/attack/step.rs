//! What attacks of every kind have in common: they are taken step by step, beside each other.

use alloc::boxed::Box;

use ::attack::{Judgement, WaitsFor};

/// What the next step of an attack is.
pub enum Advance {
    /// Wait until the device is idle.
    Wait,
    /// The overreach begins; others hold theirs back for a moment.
    Struck,
    /// It is over.
    Over(Judgement),
}

/// An attack of one device.
pub(super) trait Attempt {
    /// Goes on as far as possible without waiting. To be called again and again until it is over.
    fn advance(&mut self) -> Advance;

    /// What its next step has to wait for, if that is the overreach.
    fn waits_for(&self) -> WaitsFor;

    /// Tells whether the device overreaches.
    fn is_striking(&self) -> bool;

    /// Tells whether it does so for want of a fault record, which nobody may take from it again.
    fn is_striking_again(&self) -> bool;

    /// Takes back what it gave.
    fn finish(self: Box<Self>);
}
