//! Requests that a VT-d unit blocked.

use dma_types::{Access, INTERRUPT_RANGE};
use vtd::spec::fault_reason::FaultReason;

use super::super::context::Context;
use super::super::device::DeviceName;
use super::super::fault::{Origin, Pasid, Reading, Request};
use super::super::report_line::Words;
use super::address::{self, Names};
use super::device::{Custom, known_as, usual_role};
use super::reason::Class;
use super::{Cause, Explanation};

/// Linux hands device addresses out from 4 GiB downwards; this much below is where they usually lie.
const USUAL_WINDOW: std::ops::Range<u64> = 0xf000_0000..0x1_0000_0000;

/// Explains a blocked request.
pub(super) fn explain(request: &Request, context: &Context) -> Explanation {
    let class = class_of(request);
    let general = class.unwrap_or(implied_class(request.access));
    let mut causes = special_causes(request, class, context);
    causes.extend(super::causes(general.causes()));
    let explanation = Explanation {
        meaning: meaning(request, class, context),
        causes,
        next: next(request, general, context),
    };
    match context.told(request) {
        Some(words) => as_told(explanation, words),
        None => explanation,
    }
}

/// The words of ivt itself, which knew more than its line's numbers tell.
fn as_told(explanation: Explanation, words: &Words) -> Explanation {
    let driver = words.driver.as_ref().map_or(String::new(), |driver| format!(" The driver is {driver}."));
    let more =
        words.explanation.as_ref().map_or(String::new(), |words| format!(" ivt's own diagnosis: {words}"));
    let next = words.advice.clone().unwrap_or(explanation.next);
    Explanation { meaning: format!("{}{driver}{more}", explanation.meaning), next, ..explanation }
}

/// The class of a request, where the text gives its reason.
fn class_of(request: &Request) -> Option<Class> {
    let reason = request.reason.value()?;
    let class = Class::of(reason.kind());
    Some(match reason {
        FaultReason(u8::MAX) => Class::Unreadable,
        // Reasons of the PASID tables (VT-d "Scalable Mode Fault Reasons"): the device's own entry is one, too.
        FaultReason(0x48 | 0x50..=0x5d) if request.pasid == Pasid::None => Class::OwnEntry,
        _ => class,
    })
}

/// The class to go by where the text gives no reason.
const fn implied_class(access: Option<Access>) -> Class {
    match access {
        Some(Access::Interrupt) => Class::Interrupt,
        _ => Class::Permission,
    }
}

fn meaning(request: &Request, class: Option<Class>, context: &Context) -> String {
    let process = match request.pasid {
        Pasid::Number(number) => format!(" in the process address space {number:#x}"),
        Pasid::Absent | Pasid::None => String::new(),
    };
    let why = match request.reason {
        Reading::Value(reason) => reason_in_words(reason),
        Reading::Absent => "the text gives no reason".into(),
        Reading::Unreadable => "the reason in the text cannot be read".into(),
    };
    let consequence = class.map_or(String::new(), |class| format!("{} ", class.consequence()));
    let walk = request.place.value().and_then(|place| context.walk_end_of(place)).map_or(String::new(), |level| {
        format!(" The kernel walked its tables for that address afterwards and found nothing at level {level}.")
    });
    format!(
        "{} {}{process}: {why}. {consequence}The IOMMU blocked it; no memory was touched.{walk}",
        who(request, context),
        attempt(request),
    )
}

/// A reason as a clause, with the specification's label.
pub(super) fn reason_in_words(reason: FaultReason) -> String {
    match reason.label() {
        Some(label) => format!("{reason} (reason {:#x}, {label})", reason.0),
        None if reason.meaning().is_some() => format!("{reason} (reason {:#x})", reason.0),
        None => reason.to_string(),
    }
}

/// The device, with what it is or usually is.
fn who(request: &Request, context: &Context) -> String {
    let Some(name) = request.device else { return "A device that the text does not name".into() };
    match known_as(name, context, custom(request.origin)) {
        Some(role) => format!("Device {name} ({role})"),
        None => format!("Device {name}"),
    }
}

/// Whose customs hold for the devices of a message.
const fn custom(origin: Origin) -> Custom {
    match origin {
        Origin::Linux | Origin::Xen | Origin::Record | Origin::Ivt | Origin::FreeBsd | Origin::Esxi => {
            Custom::Intel
        }
        Origin::Qemu => Custom::None,
    }
}

/// Which way and where.
fn attempt(request: &Request) -> String {
    let place = match request.place {
        Reading::Value(address) => format!("address {address:#x}"),
        Reading::Absent => "an address that the text does not give".into(),
        Reading::Unreadable => "an address that cannot be read".into(),
    };
    match request.access {
        Some(Access::Read) => format!("tried to read {place}"),
        Some(Access::Write) => format!("tried to write to {place}"),
        Some(Access::Atomic) => format!("tried an atomic operation on {place}"),
        Some(Access::Interrupt) => match (request.place, request.reason.value()) {
            // For the old format the index field means nothing.
            (_, Some(FaultReason(0x25))) | (Reading::Absent | Reading::Unreadable, _) => {
                "tried to send an interrupt".into()
            }
            (Reading::Value(index), _) => format!("tried to send the interrupt with index {index:#x}"),
        },
        Some(Access::Unknown) | None => format!("tried to reach {place}"),
    }
}

/// Causes that the address, the driver or the log around it make likelier than the usual ones.
fn special_causes(request: &Request, class: Option<Class>, context: &Context) -> Vec<Cause> {
    let is_dma = !matches!(request.access, Some(Access::Interrupt));
    let mut causes = Vec::new();
    if context.crash_kernel && !matches!(class, Some(Class::Unreadable)) {
        causes.push(
            "A crash kernel ran (kdump): the devices went on with what the crashed kernel had given them, until their \
             drivers reset them. If the dump was written, nothing needs to be done."
                .into(),
        );
    }
    causes.extend(request.device.and_then(|device| device_cause(device, context)));
    let (true, Reading::Value(place)) = (is_dma, request.place) else { return causes };
    if !matches!(class, Some(Class::Permission | Class::NoDomain | Class::Width)) {
        return causes;
    }
    let names = if matches!(request.pasid, Pasid::Number(_)) { Names::Process } else { Names::Nobody };
    if INTERRUPT_RANGE.contains(&place) {
        causes.push("The request was meant as an interrupt but was no proper interrupt message.".into());
    } else if let Some(cause) = address::cause(place, names, context) {
        causes.push(cause);
    } else if USUAL_WINDOW.contains(&place)
        && class == Some(Class::Permission)
        && request.origin == Origin::Linux
    {
        causes.push(
            "The address lies where Linux hands out device addresses, so it was probably mapped once and has \
             been released too early."
                .into(),
        );
    }
    let may_be_display = matches!(request.access, Some(Access::Read)) && place >= dma_types::PAGE_SIZE;
    if may_be_display && request.device.and_then(usual_role).is_some_and(|role| role.contains("graphics")) {
        causes.push(
            "The display still reads a picture that firmware left in memory, which no RMRR covers.".into(),
        );
    }
    causes
}

/// A cause that the driver of a device tells.
pub(super) fn device_cause(device: DeviceName, context: &Context) -> Option<Cause> {
    is_given_away(device, context).then(|| {
        "The device is given to a guest or a program (vfio-pci): what drives it there gave it an address that the guest's \
         memory does not have, or the guest was stopped or reset while the device still worked."
            .into()
    })
}

/// Tells whether a guest or a program drives a device.
fn is_given_away(device: DeviceName, context: &Context) -> bool {
    matches!(context.driver_of(device), Some("vfio-pci" | "vfio_pci" | "pci-stub" | "pciback"))
}

/// How to find the driver of a device, unless the text tells.
pub(super) fn look_for(device: DeviceName, context: &Context) -> String {
    match context.driver_of(device) {
        Some(driver) if is_given_away(device, context) => {
            format!("Its driver on the host is {driver}, so look at the driver in the guest. ")
        }
        Some(driver) => format!("Its driver is {driver}; for its name: lspci -nnk -s {device}. "),
        None => format!("Find the device and its driver: lspci -nnk -s {device}. "),
    }
}

fn next(request: &Request, class: Class, context: &Context) -> String {
    let Some(device) = request.device else { return class.next().into() };
    match request.origin {
        Origin::Linux => format!("{}{}", look_for(device, context), class.next()),
        Origin::Xen => {
            format!(
                "Find the device from dom0: lspci -nnk -s {device}, and which guest has it. {}",
                class.next()
            )
        }
        Origin::Qemu => format!(
            "The device is one of the virtual machine: find it in the guest with lspci -nnk -s {device}, and what drives it \
             there. {}",
            class.next()
        ),
        Origin::Esxi => format!(
            "Find the device on the host: lspci -p | grep {device}. A guest drives it, so look at the driver and program \
             in the guest that was powered off, and at the device's firmware."
        ),
        Origin::FreeBsd => {
            format!("Find the device and its driver: pciconf -lv ({device}). {}", class.next())
        }
        Origin::Record | Origin::Ivt => class.next().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(request: &Request) -> Explanation {
        explain(request, &Context::default())
    }

    fn request(access: Access, place: u64, reason: Reading<FaultReason>) -> Request {
        Request {
            origin: Origin::Linux,
            access: Some(access),
            device: DeviceName::read(b"03:00.0"),
            place: Reading::Value(place),
            reason,
            pasid: Pasid::Absent,
        }
    }

    #[test]
    fn the_address_changes_the_likeliest_cause() {
        let first = |address| {
            explained(&request(Access::Read, address, Reading::Value(FaultReason(6)))).causes[0].clone()
        };
        assert!(first(0).contains("no address"));
        assert!(first(0xffcd_a000).contains("mapped once"));
        assert!(first(0xfee0_0000).contains("interrupt"));
        assert!(first(0x1_2345_6000).contains("use after unmap"));
    }

    #[test]
    fn what_the_text_lacks_is_said() {
        let without = explained(&request(Access::Write, 0x1000, Reading::Absent));
        assert!(without.meaning.contains("gives no reason"), "{}", without.meaning);
        assert!(without.next.starts_with("Find the device and its driver: lspci -nnk -s 03:00.0."));
        let unreadable =
            Request { place: Reading::Unreadable, device: None, ..request(Access::Read, 0, Reading::Absent) };
        let said = explained(&unreadable).meaning;
        assert!(said.contains("does not name") && said.contains("cannot be read"), "{said}");
    }

    #[test]
    fn an_undefined_index_is_not_shown() {
        let old = explained(&request(Access::Interrupt, 0xa00, Reading::Value(FaultReason(0x25))));
        assert!(!old.meaning.contains("0xa00"), "{}", old.meaning);
        let other = explained(&request(Access::Interrupt, 0x25, Reading::Value(FaultReason(0x22))));
        assert!(other.meaning.contains("index 0x25"), "{}", other.meaning);
    }

    #[test]
    fn a_request_without_a_pasid_is_not_blamed_on_a_process() {
        for reason in [0x51, 0x59, 0x5c] {
            let without = Request {
                pasid: Pasid::None,
                ..request(Access::Read, 0x1000, Reading::Value(FaultReason(reason)))
            };
            let said = explained(&without);
            assert!(
                said.causes[0].contains("IOMMU code") && said.meaning.contains("device's own entry"),
                "{}",
                said.meaning
            );
            let named = Request { pasid: Pasid::Number(2), ..without };
            assert!(!explained(&named).causes[0].contains("IOMMU code"));
        }
    }

    #[test]
    fn the_text_around_a_fault_changes_the_advice() {
        let text = |around: &str| {
            let line = "DMAR: [DMA Read] Request device [03:00.0] fault addr 12345000 [fault reason 06] x\n";
            let findings = crate::read(&mut format!("{around}\n{line}").as_bytes()).unwrap();
            super::super::explain(findings.ledger.entries().last().unwrap(), &findings.context)
        };
        let guest = text("[1.0] vfio-pci 0000:03:00.0: reset done");
        assert!(guest.causes[0].contains("guest") && guest.next.contains("in the guest"), "{guest:?}");
        let listed = text("03:00.0 Ethernet controller: Marvell Device 8400");
        assert!(listed.meaning.contains("(Ethernet controller: Marvell Device 8400)"), "{listed:?}");
        assert!(text("Command line: elfcorehdr=0x1").causes[0].contains("crash kernel"));
        let peer = text("pci 0000:06:00.0: reg 0x10: [mem 0x12340000-0x1234ffff]");
        assert!(peer.causes[0].contains("registers of 0000:06:00.0"), "{peer:?}");
    }
}
