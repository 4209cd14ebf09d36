//! Taking everything from functions, and giving it back.

use alloc::vec::Vec;

use dma_types::SourceId;

use super::entry::cut_off_member;
use super::{Failure, Group, GroupDomain, GroupError, Member, MemberAttempt, enter, note_cut_off};
use crate::State;

/// Functions that are cut off together, since they share ids, directly or through others.
#[derive(Clone, Copy, Debug)]
pub struct Tied<'l, I> {
    /// The functions, bridges among them.
    pub members: I,
    /// The ids of all of them, each once.
    pub ids: &'l [SourceId],
}

/// Takes everything from functions, in the order that makes void whatever attempt is under way and lets none begin before
/// it is done: their lives first, then their bus mastering, then, by `take`, what their unit holds, then their interrupts.
///
/// Interrupt handlers call it; it allocates nothing.
pub fn take_everything<'l, M: Member + 'l, T>(
    members: impl Iterator<Item = &'l M> + Clone,
    take: impl FnOnce() -> T,
) -> T {
    members.clone().for_each(|member| member.life().begin_cut_off());
    members.clone().for_each(Member::stop_mastering);
    let taken = take();
    for member in members {
        member.withdraw_interrupts();
        member.life().end_cut_off();
        member.report_state();
    }
    taken
}

/// Cuts functions off: bus mastering first, then, by `block`, every id that any of them may carry. `domain` is the one of
/// their group, if that has one.
///
/// Interrupt handlers call it; it allocates nothing.
///
/// # Errors
/// If the unit did not confirm that it forgot the entries; bus mastering is off all the same.
pub fn cut_off<'l, M: Member + 'l, D: GroupDomain>(
    tied: Tied<'l, impl Iterator<Item = &'l M> + Clone>,
    domain: Option<&D>,
    block: impl FnOnce(&'l [SourceId]) -> Result<(), D::Error>,
) -> Result<(), D::Error> {
    take_everything(tied.members, || {
        let blocked = block(tied.ids);
        if let Some(domain) = domain {
            note_cut_off(domain, &blocked);
        }
        blocked
    })
}

/// Lets a member that was cut off, and those that were with it, work again, once none of them refuses.
///
/// # Errors
/// If there is no memory for the sequence, one of them has left, or the unit refuses, or one was cut off meanwhile: all of
/// them are cut off then.
pub fn release<'l, G: Group<'l>>(group: &G, member: &'l G::Member) -> Result<(), Failure<'l, G>> {
    let released = enter_together(group, member);
    if released.is_err() {
        // Some may have come in; the first error counts.
        let _ = cut_off_member(group, member);
    }
    released
}

fn enter_together<'l, G: Group<'l>>(group: &G, member: &'l G::Member) -> Result<(), Failure<'l, G>> {
    let quarantined = || {
        let tied = group.tied(member).members;
        tied.filter(|member| member.life().state() == State::Quarantined)
    };
    let mut attempts = Vec::new();
    attempts.try_reserve(quarantined().count()).map_err(|_| GroupError::OutOfMemory)?;
    for member in quarantined() {
        let attempt =
            MemberAttempt::release(member).map_err(|refusal| GroupError::Refused(member, refusal))?;
        attempts.push(attempt);
    }
    attempts.into_iter().try_for_each(|attempt| enter(group, attempt))
}

/// Enters a member that works into the group's domain again, after its unit was given new tables; one that does not work
/// stays as it is.
///
/// # Errors
/// If the unit or memory refuses, or it was cut off meanwhile: it is cut off then.
pub fn rejoin<'l, G: Group<'l>>(group: &G, member: &'l G::Member) -> Result<(), Failure<'l, G>> {
    let Ok(attempt) = MemberAttempt::moving(member) else { return Ok(()) };
    enter(group, attempt).inspect_err(|_| {
        let _ = cut_off_member(group, member);
    })
}
