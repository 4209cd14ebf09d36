//! Requests that a VT-d unit blocked.

use dma_types::{Access, INTERRUPT_RANGE};
use vtd::spec::fault_reason::FaultReason;

use super::super::device::DeviceName;
use super::super::fault::{Origin, Pasid, Reading, Request};
use super::reason::Class;
use super::{Explanation, usual_role};

/// Linux hands device addresses out from 4 GiB downwards; this much below is where they usually lie.
const USUAL_WINDOW: std::ops::Range<u64> = 0xf000_0000..0x1_0000_0000;

/// Explains a blocked request.
pub(super) fn explain(request: &Request) -> Explanation {
    let reason = request.reason.value();
    let class = reason.map(|reason| Class::of(reason.kind()));
    let mut causes = special_causes(request, class);
    let general = class.unwrap_or(implied_class(request.access));
    causes.extend(general.causes());
    Explanation { meaning: meaning(request), causes, next: next(request, general) }
}

/// The class to go by where the text gives no reason.
const fn implied_class(access: Option<Access>) -> Class {
    match access {
        Some(Access::Interrupt) => Class::Interrupt,
        _ => Class::Permission,
    }
}

fn meaning(request: &Request) -> String {
    let process = match request.pasid {
        Pasid::Number(number) => format!(" in the process address space {number:#x}"),
        Pasid::Absent | Pasid::None => String::new(),
    };
    let why = match request.reason {
        Reading::Value(reason) => reason_in_words(reason),
        Reading::Absent => "the text gives no reason".into(),
        Reading::Unreadable => "the reason in the text cannot be read".into(),
    };
    let consequence = match request.reason.value() {
        Some(reason) => format!("{} ", Class::of(reason.kind()).consequence()),
        None => String::new(),
    };
    format!(
        "{} {}{process}: {why}. {consequence}The IOMMU blocked it; no memory was touched.",
        who(request.device),
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

/// The device, with what it usually is.
pub(super) fn who(device: Option<DeviceName>) -> String {
    match device {
        None => "A device that the text does not name".into(),
        Some(name) => match usual_role(name) {
            Some(role) => format!("Device {name} (on Intel machines usually {role})"),
            None => format!("Device {name}"),
        },
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

/// Causes that the address makes likelier than the usual ones.
fn special_causes(request: &Request, class: Option<Class>) -> Vec<&'static str> {
    let is_dma = !matches!(request.access, Some(Access::Interrupt));
    let mut causes = Vec::new();
    let (true, Reading::Value(address), Some(Class::Permission | Class::NoDomain)) =
        (is_dma, request.place, class)
    else {
        return causes;
    };
    if address < dma_types::PAGE_SIZE {
        causes.push("The device was given no address: a descriptor, queue or table pointer was still zero, or was reset.");
    }
    if INTERRUPT_RANGE.contains(&address) {
        causes.push("The request was meant as an interrupt but was no proper interrupt message.");
    } else if USUAL_WINDOW.contains(&address)
        && class == Some(Class::Permission)
        && request.origin == Origin::Linux
    {
        causes.push(
            "The address lies where Linux hands out device addresses, so it was probably mapped once and has \
             been released too early.",
        );
    }
    let may_be_display = matches!(request.access, Some(Access::Read)) && address >= dma_types::PAGE_SIZE;
    if may_be_display && request.device.and_then(usual_role).is_some_and(|role| role.contains("graphics")) {
        causes.push("The display still reads a picture that firmware left in memory, which no RMRR covers.");
    }
    causes
}

fn next(request: &Request, class: Class) -> String {
    let Some(device) = request.device else { return class.next().into() };
    match request.origin {
        Origin::Linux => format!("Find the device and its driver: lspci -nnk -s {device}. {}", class.next()),
        Origin::Xen => {
            format!(
                "Find the device from dom0: lspci -nnk -s {device}, and which guest has it. {}",
                class.next()
            )
        }
        Origin::Record => class.next().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let first =
            |address| explain(&request(Access::Read, address, Reading::Value(FaultReason(6)))).causes[0];
        assert!(first(0).contains("no address"));
        assert!(first(0xffcd_a000).contains("mapped once"));
        assert!(first(0xfee0_0000).contains("interrupt"));
        assert!(first(0x1_2345_6000).contains("use after unmap"));
    }

    #[test]
    fn what_the_text_lacks_is_said() {
        let without = explain(&request(Access::Write, 0x1000, Reading::Absent));
        assert!(without.meaning.contains("gives no reason"), "{}", without.meaning);
        assert!(without.next.starts_with("Find the device and its driver: lspci -nnk -s 03:00.0."));
        let unreadable =
            Request { place: Reading::Unreadable, device: None, ..request(Access::Read, 0, Reading::Absent) };
        let said = explain(&unreadable).meaning;
        assert!(said.contains("does not name") && said.contains("cannot be read"), "{said}");
    }

    #[test]
    fn an_undefined_index_is_not_shown() {
        let old = explain(&request(Access::Interrupt, 0xa00, Reading::Value(FaultReason(0x25))));
        assert!(!old.meaning.contains("0xa00"), "{}", old.meaning);
        let other = explain(&request(Access::Interrupt, 0x25, Reading::Value(FaultReason(0x22))));
        assert!(other.meaning.contains("index 0x25"), "{}", other.meaning);
    }
}
