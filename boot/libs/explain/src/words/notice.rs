//! Messages about a unit, its commands, its tables and its interrupts.

use super::super::context::Context;
use super::super::notice::{Notice, NoticeKind};
use super::{Cause, Explanation};

/// Explains a notice.
pub(super) fn explain(notice: &Notice, context: &Context) -> Explanation {
    let mut causes: Vec<Cause> = causes(notice.kind).iter().map(|cause| (*cause).into()).collect();
    if is_unreadable(notice) {
        causes.insert(0, "The unit's registers read as all ones: it is off, was unplugged, or lies behind a bridge whose window was set wrongly.".into());
    }
    let look = notice.device.map_or(String::new(), |device| match context.driver_of(device) {
        Some(driver) => format!("Its driver is {driver}. "),
        None => format!("Find the device and its driver: lspci -nnk -s {device}. "),
    });
    Explanation { meaning: meaning(notice), causes, next: format!("{look}{}", next(notice.kind)) }
}

/// Tells whether the numbers are those that a register without a unit gives.
fn is_unreadable(notice: &Notice) -> bool {
    match notice.kind {
        NoticeKind::CommandRefused => notice.number == Some(0xf),
        NoticeKind::CommandTimeout | NoticeKind::CommandAnswer => notice.number == Some(0xffff),
        _ => false,
    }
}

fn meaning(notice: &Notice) -> String {
    let who = notice
        .device
        .map_or("a device that the message does not name".into(), |device| format!("device {device}"));
    let place = notice.place.map_or(String::new(), |place| format!(" at {place:#x}"));
    match notice.kind {
        NoticeKind::CommandRefused => {
            "The unit stopped at a command in its invalidation queue that it cannot use.".into()
        }
        NoticeKind::CommandTimeout => format!(
            "A command to forget translations timed out: {who} did not answer. Until it does, memory that was unmapped \
             must not be used again."
        ),
        NoticeKind::CommandAnswer => {
            format!("A command to forget translations was answered wrongly, by {who}.")
        }
        NoticeKind::CommandAtHead => {
            format!("The command that the unit waits for tells {who} to empty its translation cache (ATS).")
        }
        NoticeKind::CompletionWait => {
            "The AMD-Vi unit did not finish its commands in time: it waits for a device to forget translations, or is dead."
                .into()
        }
        NoticeKind::DeadUnit => format!(
            "Firmware's table (DMAR) names a unit{place}, but its registers read as all ones or its address is zero: no \
             unit answers there."
        ),
        NoticeKind::BadRegion => {
            let end = notice.end.map_or(String::new(), |end| format!(" to {end:#x}"));
            format!(
                "Firmware's table (DMAR) declares a reserved region{place}{end} that firmware's own memory map does not \
                 reserve. The operating system may use that memory while a device still does."
            )
        }
        NoticeKind::BrokenFirmware => "Firmware's table (DMAR) contradicts itself or the machine.".into(),
        NoticeKind::UncoveredIoApic => {
            let which = notice.number.map_or("An I/O APIC".into(), |number| format!("I/O APIC {number}"));
            format!(
                "{which} is not in firmware's table of IOMMUs, so its interrupts cannot be remapped, and interrupt \
                 remapping stays off for the whole machine: any device can forge interrupts."
            )
        }
        NoticeKind::Ineligible => {
            let who = notice.device.map_or("A device".into(), |device| format!("Device {device}"));
            format!(
                "{who} cannot be passed through to a guest: firmware reserved memory for it (RMRR), which it uses behind \
                 the operating system's back."
            )
        }
        NoticeKind::InterruptsPlain => {
            "Interrupts are not remapped: any device can send any interrupt, also into the kernel and into guests.".into()
        }
        NoticeKind::X2apicOptOut => {
            "Firmware asks the operating system not to use x2APIC, so interrupts are remapped in the older mode.".into()
        }
        NoticeKind::InterruptsRemapped => "Interrupts are remapped. That is as it should be; no fault.".into(),
    }
}

const fn causes(kind: NoticeKind) -> &'static [&'static str] {
    match kind {
        NoticeKind::CommandRefused => &[
            "A bug in the operating system's IOMMU code: it queued a command with reserved bits set, or one that this \
             unit does not know.",
            "The queue's memory was overwritten.",
        ],
        NoticeKind::CommandTimeout | NoticeKind::CommandAnswer | NoticeKind::CommandAtHead => &[
            "The device was reset, unplugged or lost power just before, and does not answer.",
            "The device says that it has a translation cache (ATS) but does not serve it.",
            "The unit itself hangs or cannot be read.",
        ],
        NoticeKind::CompletionWait => &[
            "A device hangs, was reset or lost power, and does not answer a command to forget translations (ATS).",
            "The unit lost power or its registers cannot be reached, often after suspend.",
        ],
        NoticeKind::DeadUnit => &[
            "A defect of the machine's firmware: the table names a unit that the processor lacks or that is switched off.",
            "The unit's address is hidden by something else.",
        ],
        NoticeKind::BadRegion | NoticeKind::BrokenFirmware => &["A defect of the machine's firmware."],
        NoticeKind::UncoveredIoApic => &[
            "A defect of the machine's firmware: the I/O APIC is missing in the table (DMAR or IVRS), or has another number \
             there.",
        ],
        NoticeKind::Ineligible => &[
            "Firmware talks to the device by itself: management of servers (iLO, iDRAC) or USB and graphics at start-up.",
        ],
        NoticeKind::InterruptsPlain => &[
            "Firmware's table lacks what interrupt remapping needs; a line before says what.",
            "Interrupt remapping is switched off in firmware's settings or on the kernel's command line.",
        ],
        NoticeKind::X2apicOptOut => &["Firmware sets the flag X2APIC_OPT_OUT in its table (DMAR)."],
        NoticeKind::InterruptsRemapped => &["The operating system set the units up."],
    }
}

const fn next(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::CommandRefused => "Update the kernel and report it to the maintainers of the IOMMU code.",
        NoticeKind::CommandTimeout | NoticeKind::CommandAnswer | NoticeKind::CommandAtHead => {
            "Look which device was reset, removed or hung at that moment, and switch ATS off for it (Linux: pci=noats)."
        }
        NoticeKind::CompletionWait => {
            "Look for IOTLB_INV_TIMEOUT and for messages of a device that hangs or was reset at the same moment; update its \
             firmware and the machine's."
        }
        NoticeKind::DeadUnit => {
            "Update the machine's firmware; check its table with ivt audit. What that unit should guard is not protected."
        }
        NoticeKind::BadRegion | NoticeKind::BrokenFirmware => {
            "Update the machine's firmware and report it to its maker; check the table with ivt audit."
        }
        NoticeKind::UncoveredIoApic => {
            "Update the machine's firmware and report it to its maker. On AMD machines the kernel option ivrs_ioapic can \
             name the I/O APIC by hand."
        }
        NoticeKind::Ineligible => {
            "Look for a setting of the machine's firmware or of the device that gives the memory up; else pass another \
             device through."
        }
        NoticeKind::InterruptsPlain => "Update the machine's firmware; check its table with ivt audit.",
        NoticeKind::X2apicOptOut => {
            "Look for a setting in firmware; Linux does otherwise with intremap=no_x2apic_optout."
        }
        NoticeKind::InterruptsRemapped => "Nothing needs to be done.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [NoticeKind; 13] = [
        NoticeKind::CommandRefused,
        NoticeKind::CommandTimeout,
        NoticeKind::CommandAnswer,
        NoticeKind::CommandAtHead,
        NoticeKind::CompletionWait,
        NoticeKind::DeadUnit,
        NoticeKind::BadRegion,
        NoticeKind::BrokenFirmware,
        NoticeKind::UncoveredIoApic,
        NoticeKind::Ineligible,
        NoticeKind::InterruptsPlain,
        NoticeKind::X2apicOptOut,
        NoticeKind::InterruptsRemapped,
    ];

    #[test]
    fn every_notice_has_meaning_causes_and_a_next_step() {
        for kind in ALL {
            let Explanation { meaning, causes, next } = explain(&Notice::of(kind), &Context::default());
            assert!(
                meaning.ends_with('.') && next.ends_with('.') && !causes.is_empty(),
                "{kind:?}: {meaning} / {next}"
            );
        }
    }

    #[test]
    fn a_register_that_cannot_be_read_is_no_command() {
        let gone = Notice { number: Some(0xf), ..Notice::of(NoticeKind::CommandRefused) };
        assert!(explain(&gone, &Context::default()).causes[0].contains("all ones"));
    }
}
