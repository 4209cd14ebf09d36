//! An attempt to let a function in, which its state's report follows.

use core::fmt;

use super::Member;
use crate::{Attempt, Refusal, Voided};

/// A function being let in, released or moved. It ends with [`finish`](Self::finish); dropped, it has failed, as
/// [`Attempt`] says. What that makes of the function's state is reported last.
#[must_use = "dropping it gives the attempt up"]
pub struct MemberAttempt<'l, M: Member> {
    life: Attempt<'l>,
    told: ReportedLast<'l, M>,
}

/// A function whose change of state is reported when this goes, after whatever went before.
struct ReportedLast<'l, M: Member>(&'l M);

impl<'l, M: Member> MemberAttempt<'l, M> {
    /// [`LifeCycle::begin_entry`](crate::LifeCycle::begin_entry).
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn entry(member: &'l M) -> Result<Self, Refusal> {
        Ok(Self { life: member.life().begin_entry()?, told: ReportedLast(member) })
    }

    /// [`LifeCycle::begin_release`](crate::LifeCycle::begin_release).
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn release(member: &'l M) -> Result<Self, Refusal> {
        Ok(Self { life: member.life().begin_release()?, told: ReportedLast(member) })
    }

    /// [`LifeCycle::begin_move`](crate::LifeCycle::begin_move).
    ///
    /// # Errors
    /// As there; nothing has changed.
    pub fn moving(member: &'l M) -> Result<Self, Refusal> {
        Ok(Self { life: member.life().begin_move()?, told: ReportedLast(member) })
    }

    /// The function.
    pub const fn member(&self) -> &'l M {
        self.told.0
    }

    /// Ends it: the function works from now on, for its driver if it has one, and a port is open.
    ///
    /// # Errors
    /// If it was cut off meanwhile: everything that it was given must be taken back.
    pub fn finish(self) -> Result<(), Voided> {
        let work = self.member().work();
        let Self { life, told: _told } = self;
        life.finish(work)
    }
}

impl<M: Member> Drop for ReportedLast<'_, M> {
    fn drop(&mut self) {
        self.0.report_state();
    }
}

impl<M: Member> fmt::Debug for MemberAttempt<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.life.fmt(f)
    }
}
