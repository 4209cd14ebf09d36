//! A fault in plain words: what happened, the usual causes, the next step.

mod bugcheck;
mod cper;
mod device;
mod event;
mod reason;
mod request;
mod status;
mod stop;

use super::fault::Fault;

pub(super) use device::usual_role;

/// What there is to say of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// Who did what, which way, where, and why it was blocked.
    pub(super) meaning: String,
    /// The usual causes, the most likely first.
    pub(super) causes: Vec<&'static str>,
    /// What to do next.
    pub(super) next: String,
}

/// Explains a fault.
pub(super) fn explain(fault: &Fault) -> Explanation {
    match fault {
        Fault::Request(request) => request::explain(request),
        Fault::Status(status) => status::explain(*status),
        Fault::Event(event) => event::explain(event),
        Fault::BugCheck(parameters) => bugcheck::explain(*parameters),
        Fault::Stop(stop) => stop::explain(stop),
        Fault::Cper(record) => cper::explain(record),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn every_fault_has_meaning_causes_and_a_next_step() {
        let requests = (0..=255).flat_map(|reason| {
            [Access::Read, Access::Write, Access::Atomic, Access::Interrupt, Access::Unknown]
                .map(|access| request(access, reason))
        });
        let events = EventKind::ALL.into_iter().flat_map(|kind| {
            (0..0x1000).step_by(8).map(move |flags| {
                Fault::Event(Event {
                    kind,
                    device: None,
                    address: Reading::Absent,
                    flags: Reading::Value(EventFlags(flags)),
                })
            })
        });
        let others = (0..0x40)
            .map(|number| Fault::BugCheck([Some(number), None, None, Some(6)]))
            .chain((0..0x100).map(|status| Fault::Status(Reading::Value(FsTs(status)))))
            .chain([Fault::BugCheck([None; 4]), Fault::Status(Reading::Unreadable)]);
        for fault in requests.chain(events).chain(others) {
            let Explanation { meaning, causes, next } = explain(&fault);
            assert!(meaning.ends_with('.') && next.ends_with('.'), "{fault:?}: {meaning} / {next}");
            assert!(!causes.is_empty(), "{fault:?}");
            let mut distinct = causes.clone();
            distinct.dedup();
            assert_eq!(distinct, causes, "{fault:?}");
        }
    }

    #[test]
    fn who_which_way_where_and_why_are_told() {
        let Explanation { meaning, .. } = explain(&request(Access::Write, 5));
        for part in ["00:02.0", "write", "0x1000", "write without write permission"] {
            assert!(meaning.contains(part), "{part}: {meaning}");
        }
    }
}
