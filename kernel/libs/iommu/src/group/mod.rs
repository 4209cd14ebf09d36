//! Groups: functions that share a domain, and the sequences that let them in, move them, and take everything from them.
//!
//! Each sequence is steps on hardware, and what cuts a function off may come between any two of them. So it begins with
//! an [`Attempt`](crate::Attempt) and ends with its `finish`; whoever fails there takes back what was given. What the unit
//! did not confirm to have forgotten is an error of the sequence: the bus mastering of those concerned is off then, the
//! books of the domain say that they were cut off and not that they were forgotten, and the unit is asked again by the
//! next sequence that blocks them.

mod attempt;
mod cut_off;
mod entry;
mod error;

use dma_types::SourceId;

use crate::{AtomicLifeCycle, Work};

pub use attempt::MemberAttempt;
pub use cut_off::{Tied, cut_off, rejoin, release, take_everything};
pub use entry::{Heir, begin_entry, enter, enter_or_leave, give_up, is_deserted, leave, move_to};
pub use error::{Failure, GroupError};

/// A function as the sequences see it: its life, its ids, and the switches of its hardware. No switch fails, and what it
/// did is not believed: the unit blocks what goes on.
pub trait Member {
    /// Where its life stands.
    fn life(&self) -> &AtomicLifeCycle;

    /// Every id that its requests may carry. Others may carry some of them too.
    fn ids(&self) -> &[SourceId];

    /// On whose behalf it works once it is let in: its driver's if it has one.
    fn work(&self) -> Work;

    /// Tells whether it may make requests once it is let in.
    fn makes_requests(&self) -> bool;

    /// Lets it make requests: the last that is given to it.
    fn start_mastering(&self);

    /// Forbids it to make requests: the first that is taken from it. Interrupt handlers call it.
    fn stop_mastering(&self);

    /// Takes its interrupts from it: whatever it sends raises nothing from here on, as far as its unit confirms that.
    /// Interrupt handlers call it.
    fn withdraw_interrupts(&self);

    /// Waits until what it has begun is completed, for a bounded time.
    fn await_completion(&self);

    /// It works now: whatever lies between it and its unit has to let its requests pass.
    fn open_way(&self);

    /// It has no driver any more.
    fn forget_driver(&self);

    /// Reports its state where that has changed.
    fn report_state(&self);
}

/// What becomes of the devices of a domain, as its books have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// They were put in.
    Attached,
    /// They were taken out.
    CutOff,
    /// The unit has confirmed that it remembers nothing of what they could reach.
    Forgotten,
}

/// The domain of a group, and its books. Dropped by its last owner, it is retired.
pub trait GroupDomain {
    /// Why the unit refused.
    type Error;

    /// Leads an id into the domain; one that is there already stays.
    ///
    /// # Errors
    /// If it is in another domain, or the unit or memory refuses; it is blocked then, as far as the unit has confirmed.
    fn attach(&self, source: SourceId) -> Result<(), Self::Error>;

    /// Enters in the books what became of its devices.
    fn note(&self, what: Membership);
}

/// Functions that must share a domain, that domain, and the unit that it is on.
pub trait Group<'l> {
    /// One of the functions.
    type Member: Member + 'l;
    /// A hold on a domain.
    type Domain: GroupDomain<Error = Self::Error>;
    /// Why the unit refused.
    type Error;

    /// The functions that make requests of their own.
    fn members(&self) -> impl Iterator<Item = &'l Self::Member>;

    /// All that are cut off with a member.
    fn tied(&self, member: &'l Self::Member) -> Tied<'l, impl Iterator<Item = &'l Self::Member> + Clone>;

    /// Asks the unit whether it enforces.
    ///
    /// # Errors
    /// If it does not, so that nothing may be given to its devices.
    fn demand_enforcing(&self) -> Result<(), Self::Error>;

    /// The domain that the group works in.
    fn domain(&self) -> Self::Domain;

    /// Puts another domain in its place; gives the one before.
    fn exchange(&self, new: Self::Domain) -> Self::Domain;

    /// Has the unit block ids, whatever domain they are in. All are tried.
    ///
    /// # Errors
    /// The first that the unit did not confirm: it may still reach everything that its domain maps.
    fn block(&self, ids: impl Iterator<Item = SourceId>) -> Result<(), Self::Error>;
}

/// Enters that devices were taken out of a domain: forgotten are they only where the unit has confirmed it.
fn note_cut_off<D: GroupDomain>(domain: &D, confirmed: &Result<(), D::Error>) {
    domain.note(Membership::CutOff);
    if confirmed.is_ok() {
        domain.note(Membership::Forgotten);
    }
}
