//! A fault in plain words: what happened, the usual causes, the next step.

mod address;
mod bugcheck;
mod cper;
mod device;
mod event;
mod notice;
mod reason;
mod request;
mod status;
mod stop;

use std::borrow::Cow;

use super::context::Context;
use super::fault::Fault;
use super::ledger::{Entry, Sharing};

pub(super) use device::{Custom, known_as};

/// A usual cause, as a sentence.
pub(super) type Cause = Cow<'static, str>;

/// What there is to say of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// Who did what, which way, where, and why it was blocked.
    pub(super) meaning: String,
    /// The usual causes, the most likely first.
    pub(super) causes: Vec<Cause>,
    /// What to do next.
    pub(super) next: String,
}

/// Explains the faults of an entry.
pub(super) fn explain(entry: &Entry, context: &Context) -> Explanation {
    let explanation = explain_fault(&entry.fault, context);
    let shared = match entry.sharing {
        Sharing::Exact => return explanation,
        Sharing::Anywhere => "They differ in their addresses",
        Sharing::Kind => "They differ in devices, addresses and reasons",
    };
    let who = entry.fault.device().map_or(String::new(), |device| format!(" of {device}"));
    let meaning = format!(
        "Further faults of this kind{who}. {shared}, which are not kept apart any more: the text has more different \
         faults than ivt lists one by one."
    );
    Explanation { meaning, ..explanation }
}

/// Explains a fault.
fn explain_fault(fault: &Fault, context: &Context) -> Explanation {
    match fault {
        Fault::Request(request) => request::explain(request, context),
        Fault::Status(status) => status::explain(*status),
        Fault::Event(event) => event::explain(event, context),
        Fault::BugCheck(bugcheck) => bugcheck::explain(bugcheck),
        Fault::Stop(stop) => stop::explain(stop, context),
        Fault::Cper(record) => cper::explain(record, context),
        Fault::Notice(notice) => notice::explain(notice, context),
    }
}

/// Causes that a module states.
fn causes(stated: &[&'static str]) -> Vec<Cause> {
    stated.iter().map(|cause| (*cause).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bugcheck::{Bugcheck, StopCode};
    use super::super::event::{Event, EventFlags, EventKind};
    use super::super::fault::{FsTs, Origin, Pasid, Reading, Request};
    use super::*;
    use dma_types::Access;
    use vtd::spec::fault_reason::FaultReason;

    fn request(access: Access, reason: u8) -> Fault {
        Fault::Request(Request {
            origin: Origin::Linux,
            access: Some(access),
            device: super::super::device::DeviceName::read(b"00:02.0"),
            place: Reading::Value(0x1000),
            reason: Reading::Value(FaultReason(reason)),
            pasid: Pasid::Absent,
        })
    }

    fn crash(code: StopCode, parameters: [Option<u64>; 4]) -> Fault {
        Fault::BugCheck(Bugcheck { parameters, ..Bugcheck::of(code) })
    }

    #[test]
    fn every_fault_has_meaning_causes_and_a_next_step() {
        let requests = (0..=255).flat_map(|reason| {
            [Access::Read, Access::Write, Access::Atomic, Access::Interrupt, Access::Unknown]
                .map(|access| request(access, reason))
        });
        let events = EventKind::ALL.into_iter().flat_map(|kind| {
            (0..0x1000).step_by(8).map(move |flags| {
                Fault::Event(Event { flags: Reading::Value(EventFlags(flags)), ..Event::blank(kind) })
            })
        });
        let others = (0..0x40)
            .flat_map(|number| StopCode::ALL.map(|code| crash(code, [Some(number), None, None, Some(6)])))
            .chain((0..0x100).map(|status| Fault::Status(Reading::Value(FsTs(status)))))
            .chain(StopCode::ALL.map(|code| crash(code, [None; 4])))
            .chain([Fault::Status(Reading::Unreadable), Fault::Status(Reading::Value(FsTs(u32::MAX)))]);
        for fault in requests.chain(events).chain(others) {
            let Explanation { meaning, causes, next } = explain_fault(&fault, &Context::default());
            assert!(meaning.ends_with('.') && next.ends_with('.'), "{fault:?}: {meaning} / {next}");
            assert!(!causes.is_empty(), "{fault:?}");
            let mut distinct = causes.clone();
            distinct.dedup();
            assert_eq!(distinct, causes, "{fault:?}");
        }
    }

    #[test]
    fn who_which_way_where_and_why_are_told() {
        let Explanation { meaning, .. } = explain_fault(&request(Access::Write, 5), &Context::default());
        for part in ["00:02.0", "write", "0x1000", "write without write permission"] {
            assert!(meaning.contains(part), "{part}: {meaning}");
        }
    }

    #[test]
    fn what_is_not_kept_apart_says_so() {
        let Fault::Request(known) = request(Access::Write, 5) else { unreachable!() };
        let shared = Request { device: None, place: Reading::Absent, ..known };
        let entry = Entry { fault: Fault::Request(shared), count: 7, sharing: Sharing::Kind };
        let said = explain(&entry, &Context::default()).meaning;
        assert!(said.contains("not kept apart") && !said.contains("does not name"), "{said}");
    }
}
