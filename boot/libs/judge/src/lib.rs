//! From a report and the way QEMU ended to an exit status.
//!
//! Pure: what a run means depends on nothing but [`Evidence`]. Whatever is missing or cannot be read counts
//! against the kernel. [`report`](mod@report) reads the lines.
//!
//! ```
//! use judge::{Ending, Evidence, Finding, Purpose, SelfTest, report::Report};
//!
//! let mut report = Report::default();
//! report.push(b"{\"event\":\"protected\",\"t\":5,\"units\":1,\"complete\":true}\n");
//! let evidence = Evidence {
//!     purpose: Purpose::Run,
//!     report: &report,
//!     ending: Ending::PoweredOff,
//!     self_test: SelfTest::Excluded,
//! };
//! assert_eq!(judge::findings(&evidence), [Finding::BrokenOff]);
//! ```
#![forbid(unsafe_code)]

use std::fmt;

use ::report::{
    Access, Bugcheck, Drill, DrillCommand, DrillResult, EndStatus, ExpectedFault, Fault, Hex, Interrupt,
    Outcome,
};
use dma_types::FaultKind;
use vtd::spec::fault_reason::FaultReason;

use crate::report::Report;

mod attack;
pub mod report;
#[cfg(test)]
mod tests;

/// What a run was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To boot, and to do what script or user say.
    Run,
    /// To see one device stopped.
    Demo,
    /// To get figures.
    Bench,
}

/// How QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The guest switched the machine off.
    PoweredOff,
    /// The guest started the machine anew, by intent or by a triple fault.
    Reset,
    /// It was ended after the report's last line.
    Ended,
    /// The user left.
    Left,
    /// It ended by itself: a crash of QEMU, or a signal.
    Died,
    /// It was ended because time was up.
    TimeLimit,
}

/// Whether somebody may have asked the kernel for faults that no attack announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// A script or a user may have started the kernel's own tests. They know which faults they cause, so the
    /// kernel's word on unexplained faults (`end`'s status) stands.
    Possible,
    /// Nobody did.
    Excluded,
}

/// All that a run is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the run was for.
    pub purpose: Purpose,
    /// What the kernel said.
    pub report: &'a Report,
    /// How QEMU ended.
    pub ending: Ending,
    /// Whether the kernel's own tests may have run.
    pub self_test: SelfTest,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Time was up.
    TimeLimit,
    /// The report has no last line.
    BrokenOff,
    /// The kernel stopped, and nobody had asked for it.
    Stopped(String),
    /// The stop was asked for, but names the wrong thing.
    WrongStop(&'static str),
    /// A demo without a stop.
    NoStop,
    /// Bench without a figure.
    NoFigures,
    /// A device got through, or was blocked for another reason than expected.
    Attack(String),
    /// A fault that nothing explains.
    UnexplainedFault(String),
    /// Not everything is protected.
    Unprotected,
    /// A check failed.
    CheckFailed(String),
    /// The kernel says that something failed that the rest of the report does not show.
    KernelFailed,
    /// A line that cannot be read.
    Damaged(String),
}

impl Finding {
    /// The exit status that it leads to.
    pub fn status(&self) -> u8 {
        match self {
            Self::TimeLimit => 124,
            Self::BrokenOff | Self::Stopped(_) => 3,
            _ => 1,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeLimit => write!(f, "time limit reached"),
            Self::BrokenOff => write!(f, "the report broke off before its end"),
            Self::Stopped(what) => write!(f, "the kernel stopped: {what}"),
            Self::WrongStop(what) => write!(f, "the stop does not fit the attack: {what}"),
            Self::NoStop => write!(f, "no device was stopped"),
            Self::NoFigures => write!(f, "no figures were reported"),
            Self::Attack(what) => write!(f, "attack: {what}"),
            Self::UnexplainedFault(what) => write!(f, "fault that nobody asked for: {what}"),
            Self::Unprotected => write!(f, "protection is not complete"),
            Self::CheckFailed(what) => write!(f, "check failed: {what}"),
            Self::KernelFailed => write!(f, "the kernel reports a failure"),
            Self::Damaged(line) => write!(f, "unreadable report line: {line}"),
        }
    }
}

/// Everything in a run that does not hold; empty if all does.
pub fn findings(evidence: &Evidence<'_>) -> Vec<Finding> {
    let report = evidence.report;
    let mut findings = Vec::new();
    findings.extend(completeness(evidence));
    findings.extend(report.damaged().iter().cloned().map(Finding::Damaged));
    findings.extend(stop(evidence));
    findings.extend(report.drills().filter_map(attack::shortfall).map(Finding::Attack));
    if evidence.self_test == SelfTest::Excluded {
        findings.extend(unexplained_faults(report));
    }
    let protected = report.protected().map(|state| state.complete).reduce(|all, one| all && one);
    if protected == Some(false) || protected.is_none() && evidence.ending != Ending::Left {
        findings.push(Finding::Unprotected);
    }
    findings.extend(failed_checks(report));
    if evidence.purpose == Purpose::Bench && report.benches().next().is_none() {
        findings.push(Finding::NoFigures);
    }
    let failed = report.end().is_some_and(|end| end.status == EndStatus::Failed || end.failed > 0);
    if failed && findings.is_empty() {
        findings.push(Finding::KernelFailed);
    }
    findings
}

/// The exit status for a list of findings: the time limit before a stop before anything else.
pub fn exit_status(findings: &[Finding]) -> u8 {
    findings.iter().map(Finding::status).max().unwrap_or(0)
}

fn completeness(evidence: &Evidence<'_>) -> Option<Finding> {
    match evidence.ending {
        Ending::TimeLimit => Some(Finding::TimeLimit),
        // Who leaves at the prompt has seen what there was to see.
        Ending::Left => None,
        _ if evidence.report.end().is_some() => None,
        _ => Some(Finding::BrokenOff),
    }
}

/// Judges the stop against the attack that asked for it, which the kernel reports right before it.
fn stop(evidence: &Evidence<'_>) -> Option<Finding> {
    let report = evidence.report;
    let Some(stop) = report.bugcheck() else {
        if report.end().is_some_and(|end| end.status == EndStatus::Bugcheck) {
            return Some(Finding::Stopped("the report does not say why".to_owned()));
        }
        return (evidence.purpose == Purpose::Demo).then_some(Finding::NoStop);
    };
    let asked = report.drills().last().filter(|drill| drill.command != DrillCommand::Drill);
    let (Some(drill), true) = (asked, is_dma_fault(stop)) else {
        return Some(Finding::Stopped(describe(stop)));
    };
    if evidence.purpose == Purpose::Demo && drill.command != DrillCommand::Demo {
        return Some(Finding::WrongStop("it answers another attack than the demo's"));
    }
    if drill.result != DrillResult::Blocked {
        return Some(Finding::WrongStop("the attack was not blocked"));
    }
    let Some(expected) = &drill.expected_fault else {
        return Some(Finding::WrongStop("the attack announces no fault"));
    };
    let Some(fault) = &stop.fault else { return Some(Finding::WrongStop("it names no fault")) };
    let device = fault.bdf.and_then(|bdf| report.devices().filter(|device| device.bdf == bdf).last());
    // A requester id that is a bridge's may stand for several functions.
    let aliased = drill.bdf != Some(expected.requester);
    let facts = [
        (fault.requester == expected.requester, "another requester"),
        (fault.bdf == drill.bdf || aliased, "another device"),
        (fault.access == expected.access, "another access"),
        (is_at(fault, expected) && stop.p3 == fault.address.unwrap_or(Hex(0)), "another page"),
        (device.is_some_and(|device| device.object == stop.p2), "another device object"),
        (stop.p4 == fault.reason, "another reason than the fault record"),
        (fault.verdict == drill.verdict || has_own_verdict(fault, drill), "another verdict than the attack"),
        (evidence.purpose != Purpose::Demo || fits_access(fault), "a reason that does not fit the access"),
    ];
    facts.iter().find(|(holds, _)| !holds).map(|(_, what)| Finding::WrongStop(what))
}

/// Whether a fault that several functions may have caused has the attack's verdict for the attack's device.
fn has_own_verdict(fault: &Fault<'_>, drill: &Drill<'_>) -> bool {
    let own = fault.candidates.iter().find(|candidate| Some(candidate.bdf) == drill.bdf);
    own.is_some_and(|own| Some(&own.verdict) == drill.verdict.as_ref())
}

/// Whether a fault is for the page that was expected; an interrupt is for none.
fn is_at(fault: &Fault<'_>, expected: &ExpectedFault) -> bool {
    match fault.access {
        Access::Interrupt => fault.address.is_none(),
        _ => fault.address == expected.page,
    }
}

/// Whether a stop is the one for a blocked DMA: DRIVER_VERIFIER_DMA_VIOLATION with the IOMMU's subcode.
fn is_dma_fault(stop: &Bugcheck<'_>) -> bool {
    (stop.code.0, stop.p1.0) == (0xe6, 0x26)
}

/// Whether the reason is that of a page without permission for such an access.
fn fits_access(fault: &Fault<'_>) -> bool {
    let kind = u8::try_from(fault.reason.0).map(|reason| FaultReason(reason).kind());
    matches!(
        (fault.access, kind),
        (Access::Write, Ok(FaultKind::NoWritePermission)) | (Access::Read, Ok(FaultKind::NoReadPermission))
    )
}

fn describe(stop: &Bugcheck<'_>) -> String {
    let detail = stop.detail.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    let parameters = [stop.p1, stop.p2, stop.p3, stop.p4].map(|value| format!("{:#x}", value.0)).join(", ");
    format!("{:#x} {} ({parameters}){detail}", stop.code.0, stop.name)
}

/// Faults that neither a drill announced nor an attack or demo was told to cause.
fn unexplained_faults(report: &Report) -> impl Iterator<Item = Finding> {
    let attacked = |fault: &Fault<'_>| {
        report.drills().filter(|drill| drill.command != DrillCommand::Drill).any(|drill| {
            drill.expected_fault.as_ref().is_some_and(|expected| {
                let is_meant = match (fault.access, fault.address) {
                    // A line for many kinds of fault names none.
                    _ if fault.verdict.is_none() => true,
                    (access, None) => access == expected.access,
                    (access, page) => access == expected.access && page == expected.page,
                };
                expected.requester == fault.requester && is_meant
            })
        })
    };
    report.faults().filter(move |fault| !fault.expected && !attacked(fault)).map(|fault| {
        let place = match (fault.address, &fault.interrupt) {
            (Some(page), _) => format!("at {:#x}", page.0),
            (None, Some(Interrupt { index: Some(index), kind, .. })) => format!("interrupt {index} ({kind})"),
            (None, _) if fault.access == Access::Interrupt => "interrupt".to_owned(),
            (None, _) => "somewhere".to_owned(),
        };
        Finding::UnexplainedFault(format!("{} {place}, reason {:#x}", fault.requester.0, fault.reason.0))
    })
}

fn failed_checks(report: &Report) -> impl Iterator<Item = Finding> {
    report.checks().filter(|check| check.result == Outcome::Fail).map(|check| {
        let detail = check.detail.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
        Finding::CheckFailed(format!("{}{detail}", check.name))
    })
}
