//! Letting functions into the domain of their group, moving them to another, and taking one out.

use alloc::vec::Vec;

use dma_types::SourceId;

use super::{
    Failure, Group, GroupDomain, GroupError, Member, MemberAttempt, Membership, Tied, cut_off, note_cut_off,
};
use crate::{State, Voided, Work};

/// Who has a function once its driver gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// Nobody.
    Nobody,
    /// Reserved regions of the firmware that name it.
    Firmware,
}

/// Begins to let a function in that does not work: to a driver, or to firmware's regions. `tied` are all that are cut off
/// with it.
///
/// # Errors
/// If its state does not allow that, or one that shares an id with it is cut off: the entries are the same, so that one
/// would come in as well. One that is cut off from now on makes the attempt void.
pub fn begin_entry<'l, M: Member, E>(
    member: &'l M,
    mut tied: impl Iterator<Item = &'l M>,
) -> Result<MemberAttempt<'l, M>, GroupError<'l, M, E>> {
    let attempt = MemberAttempt::entry(member).map_err(|refusal| GroupError::Refused(member, refusal))?;
    match tied.find(|other| other.life().state() == State::Quarantined) {
        Some(with) => Err(GroupError::CutOffTogether { member, with }),
        None => Ok(attempt),
    }
}

/// Leads the ids of a member into the domain, then lets it master the bus if it [may](Member::makes_requests). The member
/// works when this returns.
///
/// # Errors
/// If the unit does not enforce, it or memory refuses, or the member was cut off meanwhile. Some of its ids may lead into
/// the domain and it may master the bus: the caller takes both back.
pub fn enter<'l, G: Group<'l>>(
    group: &G,
    attempt: MemberAttempt<'l, G::Member>,
) -> Result<(), Failure<'l, G>> {
    group.demand_enforcing().map_err(GroupError::Unit)?;
    let (member, domain) = (attempt.member(), group.domain());
    for source in member.ids() {
        // Ids that members share lead there already.
        domain.attach(*source).map_err(GroupError::Unit)?;
    }
    domain.note(Membership::Attached);
    let masters = member.makes_requests();
    if masters {
        member.start_mastering();
    }
    attempt.finish().map_err(|Voided| GroupError::CutOff(member))?;
    if masters {
        member.open_way();
    }
    Ok(())
}

/// As [`enter`], for a function that nobody holds: what was given is taken back where it fails.
///
/// # Errors
/// As there; the first error counts, and one of taking back stands in the function's entries.
pub fn enter_or_leave<'l, G: Group<'l>>(
    group: &G,
    attempt: MemberAttempt<'l, G::Member>,
) -> Result<(), Failure<'l, G>> {
    let member = attempt.member();
    enter(group, attempt).inspect_err(|_| {
        let _ = leave(group, member);
    })
}

/// Takes a member out of the domain: its bus mastering goes off, what it has begun ends, its ids lead nowhere. An id that
/// another member works with stays.
///
/// # Errors
/// If the unit did not confirm. The member may still reach the domain then, so that it ends only once the unit has.
pub fn leave<'l, G: Group<'l>>(group: &G, member: &'l G::Member) -> Result<(), G::Error> {
    member.stop_mastering();
    member.await_completion();
    let is_needed = |source: &SourceId| {
        let mut others = group.members().filter(|other| !core::ptr::eq(*other, member));
        others.any(|other| other.life().get().works() && other.ids().contains(source))
    };
    let left = group.block(member.ids().iter().copied().filter(|source| !is_needed(source)));
    note_cut_off(&group.domain(), &left);
    left
}

/// A driver gives a member up: it leaves, and is blocked from then on, whatever it was before; one that was cut off stays
/// so where `heir` is the firmware.
///
/// # Errors
/// As for [`leave`].
pub fn give_up<'l, G: Group<'l>>(group: &G, member: &'l G::Member, heir: Heir) -> Result<(), G::Error> {
    let left = leave(group, member);
    member.forget_driver();
    match heir {
        Heir::Nobody => member.life().give_up(),
        Heir::Firmware => member.life().give_up_to_firmware(),
    }
    member.report_state();
    left
}

/// Tells whether no member of a group works in its domain or may come back to it, so that it can be given up.
pub fn is_deserted<'l, M: Member + 'l>(mut members: impl Iterator<Item = &'l M>) -> bool {
    members.all(|member| {
        let holds = matches!(member.life().state(), State::FirmwareRegion | State::Quarantined);
        member.work() == Work::OfFirmware && !holds
    })
}

/// Moves the whole group to a new, empty domain. Mappings in the old one end with their owners; the devices have lost
/// them when this returns.
///
/// A member that is being let in is blocked, and enters the new domain with the rest of its own steps.
///
/// # Errors
/// If there is no memory for the sequence; nothing has changed then. If the unit or memory refuses later, or a member was
/// cut off meanwhile, every member that is not in the new domain is cut off.
pub fn move_to<'l, G: Group<'l>>(group: &G, new: G::Domain) -> Result<(), Failure<'l, G>> {
    let mut moving = Vec::new();
    moving.try_reserve(group.members().count()).map_err(|_| GroupError::OutOfMemory)?;
    moving.extend(group.members().filter_map(|member| MemberAttempt::moving(member).ok()));
    let moved = exchange(group, new, moving);
    if moved.is_err() {
        for member in group.members().filter(|member| member.life().state() == State::Quarantined) {
            // The first error counts; one that is not confirmed stands in the member's entries.
            let _ = cut_off_member(group, member);
        }
    }
    moved
}

/// Blocks every member at work, and lets those that move into the new domain.
fn exchange<'l, G: Group<'l>>(
    group: &G,
    new: G::Domain,
    moving: Vec<MemberAttempt<'l, G::Member>>,
) -> Result<(), Failure<'l, G>> {
    let working = || group.members().filter(|member| member.life().get().works());
    working().for_each(Member::stop_mastering);
    for member in working() {
        group.block(member.ids().iter().copied()).map_err(GroupError::Unit)?;
    }
    let old = group.exchange(new);
    note_cut_off(&old, &Ok(()));
    // The last owner of a domain gives its tables back.
    drop(old);
    moving.into_iter().try_for_each(|attempt| enter(group, attempt))
}

/// Cuts a member off with all that are tied to it.
pub(super) fn cut_off_member<'l, G: Group<'l>>(group: &G, member: &'l G::Member) -> Result<(), G::Error> {
    let Tied { members, ids } = group.tied(member);
    cut_off(Tied { members, ids }, Some(&group.domain()), |ids| group.block(ids.iter().copied()))
}
