//! Entries of the event log of an AMD-Vi unit.

use std::ops::Range;

use dma_types::INTERRUPT_RANGE;

use super::super::context::Context;
use super::super::event::{Event, EventFlags, EventKind};
use super::super::fault::{Pasid, Reading};
use super::address::{self, Names};
use super::request::{device_cause, look_for};
use super::{Cause, Explanation};

/// Where requests are interrupts (AMD-Vi "Interrupt Address Range"), and the same with the sign extended.
const INTERRUPT_RANGES: [Range<u64>; 3] =
    [0xfd_f800_0000..0xfd_f900_0000, 0xffff_fffd_f800_0000..0xffff_fffd_f900_0000, INTERRUPT_RANGE];

/// Explains an event.
pub(super) fn explain(event: &Event, context: &Context) -> Explanation {
    let flags = event.flags.value();
    let case = Case::of(event);
    let address = match event.address {
        Reading::Value(address) if event.kind.is_about_command() => format!(
            " The command stands at {address:#x} in the unit's command buffer; that is no address that the device reached for."
        ),
        Reading::Value(address) => format!(" Address {address:#x}{}.", where_it_is(address)),
        Reading::Absent => String::new(),
        Reading::Unreadable => " The address cannot be read.".into(),
    };
    let who = match event.device {
        Some(device) => format!("Device {device}"),
        None => "A device that the text does not name".into(),
    };
    let direction = match flags {
        // The flag for writes means something only where the page is present.
        Some(flags) if case == Case::PageFault && flags.present() => {
            if flags.write() {
                " It was a write."
            } else {
                " It was a read."
            }
        }
        Some(flags) if case == Case::PageFault && flags.write() => " It was probably a write.",
        Some(_) if case == Case::PageFault => " The flags do not tell whether it was a read or a write.",
        _ => "",
    };
    let process = match event.pasid {
        Pasid::Number(number) => format!(" It named the process address space {number:#x}."),
        Pasid::Absent | Pasid::None => String::new(),
    };
    let (stated, next) = case.advice();
    let mut causes = special_causes(event, case, context);
    causes.extend(super::causes(stated));
    let look = event.device.map(|device| look_for(device, context)).unwrap_or_default();
    Explanation {
        meaning: format!("{who}: {}.{direction}{address}{process}", case.words(flags)),
        causes,
        next: format!("{look}{next}"),
    }
}

/// Causes that the address, the driver or the log around it make likelier than the usual ones.
fn special_causes(event: &Event, case: Case, context: &Context) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !matches!(case, Case::PageFault | Case::DeviceTable | Case::InvalidRequest)
        || event.kind.is_about_command()
    {
        return causes;
    }
    causes.extend(event.device.and_then(|device| device_cause(device, context)));
    let names = if matches!(event.pasid, Pasid::Number(_)) { Names::Process } else { Names::Nobody };
    if case == Case::PageFault {
        causes.extend(event.address.value().and_then(|place| address::cause(place, names, context)));
    }
    causes
}

fn is_interrupt(event: &Event) -> bool {
    event.flags.value().is_some_and(EventFlags::interrupt)
        || event.address.value().is_some_and(|address| !where_it_is(address).is_empty())
}

/// What is special about an address.
fn where_it_is(address: u64) -> &'static str {
    if INTERRUPT_RANGES.iter().any(|range| range.contains(&address)) {
        " (in the range of interrupt messages)"
    } else {
        ""
    }
}

/// Events with the same usual causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    PageFault,
    Interrupt,
    InvalidRequest,
    DeviceTable,
    Hardware,
    Command,
    Timeout,
    PageRequest,
    Ownership,
}

impl Case {
    fn of(event: &Event) -> Self {
        let interrupt = is_interrupt(event);
        match event.kind {
            EventKind::IoPageFault if interrupt => Self::Interrupt,
            EventKind::IoPageFault => match event.flags.value() {
                Some(flags) if flags.reserved_bit() => Self::DeviceTable,
                _ => Self::PageFault,
            },
            EventKind::InvalidDeviceRequest if interrupt => Self::Interrupt,
            EventKind::InvalidDeviceRequest => Self::InvalidRequest,
            EventKind::IllegalDevTableEntry if interrupt => Self::Interrupt,
            EventKind::IllegalDevTableEntry => Self::DeviceTable,
            EventKind::DevTabHardwareError
            | EventKind::PageTabHardwareError
            | EventKind::CommandHardwareError
            | EventKind::RmpHardwareError => Self::Hardware,
            EventKind::IllegalCommandError => Self::Command,
            EventKind::IotlbInvTimeout => Self::Timeout,
            EventKind::InvalidPprRequest => Self::PageRequest,
            EventKind::RmpPageFault => Self::Ownership,
        }
    }

    /// What happened, as a clause.
    fn words(self, flags: Option<EventFlags>) -> String {
        match self {
            Self::PageFault => match flags {
                Some(flags) if flags.present() => {
                    "a request to a page that is mapped for the device, but not for that access".into()
                }
                Some(_) => "a request to a page that is not mapped for the device".into(),
                None => {
                    "a request to a page that is not mapped for the device, or not for that access".into()
                }
            },
            Self::Interrupt => "an interrupt that the unit was not told to let through".into(),
            Self::InvalidRequest => {
                let kind = flags.map(|flags| format!(" (type {})", flags.request_type())).unwrap_or_default();
                format!("a request of a kind that the device may not make{kind}")
            }
            Self::DeviceTable => {
                "the entry that software made for the device holds what the unit cannot use; a request that \
                 needed it was refused"
                    .into()
            }
            Self::Hardware => "the unit could not read one of its tables or commands from memory".into(),
            Self::Command => "the unit met a command that it cannot use, and stopped taking commands".into(),
            Self::Timeout => "the device did not answer when it was told to forget translations".into(),
            Self::PageRequest => "a page request that the device may not make".into(),
            Self::Ownership => {
                "a request to a page that belongs to a protected guest or to the hypervisor".into()
            }
        }
    }

    /// The usual causes and the next step.
    const fn advice(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::PageFault => (
                &[
                    "The driver released or reused the buffer while the device still worked on it (use after unmap).",
                    "The driver gave the device a wrong address, or one past the buffer's end.",
                    "Firmware or an earlier kernel left the device running, and it goes on before its driver has \
                     started or after resume.",
                    "The driver mapped the buffer for the other direction only.",
                    "Firmware uses memory for the device that its table (IVRS) does not declare.",
                ],
                "Update the device's driver and firmware; if it comes at boot or resume, update the machine's \
                 firmware; if it stays, report it with the lines around the first event.",
            ),
            Self::Interrupt => (
                &[
                    "The I/O APIC or HPET sends interrupts under an id that firmware's table (IVRS) does not \
                     name.",
                    "Interrupts were set up anew (boot, resume, a hypervisor's interrupt acceleration) while a \
                     device still sent the old ones.",
                    "The device sends malformed interrupt messages.",
                ],
                "A few at boot or resume are harmless. If they go on, update the machine's firmware and the \
                 kernel, and check the table with ivt audit.",
            ),
            Self::InvalidRequest => (
                &[
                    "Address translation services are on in the device but not in its entry.",
                    "The device's firmware sends requests that are not permitted.",
                    "The device is broken, or tries to get past the IOMMU.",
                ],
                "Update the device's firmware; unplug an external device that does this.",
            ),
            Self::DeviceTable => (
                &[
                    "A bug in the operating system's IOMMU code: reserved bits or a wrong table level in the \
                     device's entry or pages.",
                    "The kernel combines features that this unit does not support together, such as encryption, \
                     address translation services and pass-through.",
                    "The tables were lost or damaged over suspend, reset or a crash kernel's start.",
                    "Memory is faulty.",
                ],
                "Update the kernel and the machine's firmware; report it to the maintainers of the IOMMU code.",
            ),
            Self::Hardware => (
                &[
                    "Memory is faulty or was taken away.",
                    "The unit was given a wrong address for its tables.",
                ],
                "Test the memory and look for machine check messages; update the kernel.",
            ),
            Self::Command => (
                &["A bug in the operating system's IOMMU code.", "Something overwrote the command buffer."],
                "Update the kernel and report it to the maintainers of the IOMMU code.",
            ),
            Self::Timeout => (
                &[
                    "The device hangs, was reset or lost power.",
                    "The device says that it has a translation cache (ATS) but does not serve it.",
                ],
                "Look for messages of the device's driver at the same moment; switch ATS off for it (Linux: \
                 pci=noats).",
            ),
            Self::PageRequest => (
                &["The driver switched page requests on in the device without setting the unit up for them."],
                "Update kernel and driver together and report it to the driver's maintainers.",
            ),
            Self::Ownership => (
                &[
                    "A device of the host was pointed at memory that has been given to a protected guest.",
                    "A bug in the hypervisor: the page changed hands while a device still used it.",
                ],
                "Update the hypervisor and the machine's firmware, and report it.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(kind: EventKind, address: u64, flags: u16) -> String {
        let (address, flags) = (Reading::Value(address), Reading::Value(EventFlags(flags)));
        explain(&Event { address, flags, ..Event::blank(kind) }, &Context::default()).meaning
    }

    #[test]
    fn flags_and_address_tell_the_case() {
        let fault = |address, flags| meaning(EventKind::IoPageFault, address, flags);
        assert!(fault(0x1000, 0x70).contains("not for that access. It was a write"));
        assert!(fault(0x1000, 0x50).contains("It was a read"));
        assert!(fault(0x1000, 0).contains("not mapped for the device."));
        assert!(fault(0xffff_fffd_f800_0000, 8).contains("interrupt"));
        let request = meaning(EventKind::InvalidDeviceRequest, 0xfd_f800_0020, 0xa00);
        assert!(request.contains("range of interrupt messages"), "{request}");
        assert!(meaning(EventKind::InvalidDeviceRequest, 0x1000, 0x200).contains("(type 1)"));
        let timeout = meaning(EventKind::IotlbInvTimeout, 0x1_0021_47e0, 0);
        assert!(timeout.contains("no address that the device reached for"), "{timeout}");
    }
}
