//! Kinds of faults in words, put together by what usually causes them.

use dma_types::FaultKind;

/// Kinds of faults with the same usual causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The page is not mapped, or not for this access.
    Permission,
    /// The device has no domain.
    NoDomain,
    /// The address is wider than the domain.
    Width,
    /// A table cannot be read or holds what it must not.
    Tables,
    /// A device-TLB request that the device may not make.
    Translated,
    /// A PASID or page request that the device may not make.
    Process,
    /// The device's own entry for requests without a PASID is missing or stale.
    OwnEntry,
    /// The unit's record reads as all ones.
    Unreadable,
    /// A privileged or executing request that the tables do not permit.
    Privilege,
    /// The translation leads into the interrupt range.
    InterruptRange,
    /// An interrupt that was not remappable.
    CompatibilityInterrupt,
    /// An interrupt whose entry is not there.
    NoInterruptEntry,
    /// An interrupt whose entry belongs to another device.
    ForeignInterrupt,
    /// An interrupt message that no device should send.
    MalformedInterrupt,
    /// The interrupt table cannot be read or holds what it must not.
    InterruptTables,
    /// Another interrupt fault.
    Interrupt,
    /// No document names it.
    Unknown,
}

impl Class {
    /// The class of a kind of faults.
    pub(super) const fn of(kind: FaultKind) -> Self {
        match kind {
            FaultKind::NoReadPermission | FaultKind::NoWritePermission | FaultKind::NoPermission => {
                Self::Permission
            }
            FaultKind::NoDeviceTable | FaultKind::NoDeviceEntry => Self::NoDomain,
            FaultKind::BeyondWidth => Self::Width,
            FaultKind::DeviceEntryInvalid
            | FaultKind::DeviceTableUnreadable
            | FaultKind::DeviceTableReserved
            | FaultKind::PageTableUnreadable
            | FaultKind::PageTableReserved
            | FaultKind::PageTableInvalid => Self::Tables,
            FaultKind::TranslatedRequest => Self::Translated,
            FaultKind::ProcessRequest | FaultKind::NoProcessEntry => Self::Process,
            FaultKind::NoPrivilege => Self::Privilege,
            FaultKind::IntoInterruptRange => Self::InterruptRange,
            FaultKind::CompatibilityInterrupt => Self::CompatibilityInterrupt,
            FaultKind::NoInterruptEntry | FaultKind::InterruptBeyondTable => Self::NoInterruptEntry,
            FaultKind::ForeignInterrupt => Self::ForeignInterrupt,
            FaultKind::MalformedInterrupt => Self::MalformedInterrupt,
            FaultKind::InterruptTableUnreadable | FaultKind::InterruptTableReserved => Self::InterruptTables,
            FaultKind::Interrupt => Self::Interrupt,
            FaultKind::Unknown => Self::Unknown,
        }
    }

    /// What follows from the reason, as a sentence.
    pub(super) const fn consequence(self) -> &'static str {
        match self {
            Self::Permission => {
                "That page is not mapped for the device, or only for the other direction; the reason does not \
                 tell which."
            }
            Self::NoDomain => "At that moment nobody had given the device any memory at all.",
            Self::Width => "No page of that number can be mapped for the device.",
            Self::Tables => {
                "The fault lies in the tables that software made, not in what the device asked for."
            }
            Self::Translated => {
                "The device keeps translations of its own (ATS), which it may not do, or not with this address."
            }
            Self::Process => "The device made a request of a kind that it was not set up for.",
            Self::OwnEntry => {
                "The request named no process (PASID), so the unit looked up the device's own entry, which software makes \
                 when it gives the device a domain: it is missing, stale or not flushed."
            }
            Self::Unreadable => {
                "All of the record is ones: the unit could not be read, and whether there was a request is not known."
            }
            Self::Privilege => "The page is mapped, but not for requests of that privilege.",
            Self::InterruptRange => {
                "A page is mapped to 0xFEE00000-0xFEEFFFFF, where writes are interrupts and not memory."
            }
            Self::CompatibilityInterrupt => {
                "Interrupts of the old format pass no check of their sender, so they are refused while \
                 interrupts are remapped."
            }
            Self::NoInterruptEntry => "The device sent an interrupt that nobody has set up, or no longer.",
            Self::ForeignInterrupt => "The device sent an interrupt that was set up for another one.",
            Self::MalformedInterrupt => "The device sent an interrupt message that nobody can have set up.",
            Self::InterruptTables => {
                "The fault lies in the interrupt remapping table that software made, not in what the device sent."
            }
            Self::Interrupt => "The interrupt remapping table does not permit the interrupt.",
            Self::Unknown => "No public document names this reason.",
        }
    }

    /// The usual causes, the most likely first.
    pub(super) const fn causes(self) -> &'static [&'static str] {
        match self {
            Self::Permission => &[
                "The driver released or reused the buffer while the device still worked on it (use after unmap).",
                "The driver gave the device a wrong address: a physical address instead of the mapped one, or \
                 one past the buffer's end.",
                "The driver mapped the buffer for the other direction only.",
                "Firmware still uses the device and its table declares no reserved region (RMRR) for that memory.",
            ],
            Self::NoDomain => &[
                "Firmware or the previous kernel (kexec, crash kernel) left the device running, and it goes on \
                 before its driver has started.",
                "The requests carry the id of a function that does not exist, which the device uses beside its \
                 own; the operating system needs an alias quirk for it.",
                "The device is hidden from the operating system, as management engines and sensors are.",
                "The driver started the device before it was attached to a domain, or after it was detached.",
            ],
            Self::Width => &[
                "The driver put the address together wrongly: sign extension, or halves in the wrong order.",
                "The domain is narrower than the address mask that the driver set, often in a virtual machine.",
                "The device ran past the end of a ring or list and took other data for an address.",
            ],
            Self::Tables => &[
                "A bug in the operating system's or hypervisor's IOMMU code: entries were freed, reused or not \
                 flushed while the unit still read them.",
                "Entries use something that this unit does not support, such as large pages, snooping or a \
                 deeper table.",
                "The crash kernel took the tables of the crashed one over and found them damaged.",
                "Memory is faulty, or something overwrote the tables.",
            ],
            Self::Translated => &[
                "ATS was switched on in the device but not in the unit's entry for it.",
                "The device or its firmware uses stale or made-up translations.",
                "The device tries to get past the IOMMU.",
            ],
            Self::Process => &[
                "The driver enabled PASIDs or page requests in the device without setting the unit up for them.",
                "The process has ended and its address space was taken away while the device still worked on it.",
                "A reset of the device or unit lost the set-up.",
            ],
            Self::OwnEntry => &[
                "A bug in the operating system's IOMMU code: the entry was not written back to memory or not flushed from \
                 the unit's caches before the device was let loose.",
                "A crash kernel or kexec: tables of the kernel before were taken over in part while the device went on.",
                "Firmware or an earlier kernel left the device running before it had a domain.",
            ],
            Self::Unreadable => &[
                "The unit lost power or was switched off, often over suspend and resume.",
                "A bridge's window was set wrongly and hides the unit's registers.",
            ],
            Self::Privilege => &[
                "The driver binds the device to a process but sends privileged requests.",
                "The driver mapped memory for data, and the device fetches instructions from it.",
            ],
            Self::InterruptRange => &[
                "A hypervisor or driver mapped the interrupt range into the device's address space.",
                "An address was computed wrongly and fell into that range by chance.",
            ],
            Self::CompatibilityInterrupt => &[
                "Firmware or an earlier kernel programmed the interrupt and it was not set up again, typically \
                 over suspend and resume or for an I/O APIC or HPET.",
                "A virtual function, or a device behind VMD or another bridge, got its message from a place that \
                 does not know of interrupt remapping.",
                "The device invents interrupt messages by plain writes to 0xFEEx_xxxx.",
            ],
            Self::NoInterruptEntry => &[
                "The driver released the interrupt while the device could still send it.",
                "The interrupt was moved or released, and the message in the device was not changed in time.",
                "The device was reset and sends the message that it was set up with before.",
            ],
            Self::ForeignInterrupt => &[
                "The device sits behind a bridge or uses a second id, so that its interrupts arrive under an id \
                 that the entry does not name.",
                "Firmware's table gives the I/O APIC or HPET a wrong id.",
                "The device forges interrupts of another one.",
            ],
            Self::MalformedInterrupt => &[
                "The device, or its driver, puts the interrupt message together by itself.",
                "The message in the device was changed after it was set up, or was lost by a reset.",
                "The device invents interrupt messages by plain writes to 0xFEEx_xxxx.",
            ],
            Self::InterruptTables => &[
                "A bug in the operating system's interrupt remapping code: the table was freed, moved or torn while \
                 the unit still read it.",
                "Memory is faulty, or something overwrote the table.",
                "The crash kernel took the table of the crashed one over and found it damaged.",
            ],
            Self::Interrupt => &[
                "A bug in the operating system's interrupt remapping code.",
                "The device sends malformed interrupt messages.",
                "Memory is faulty, or something overwrote the table.",
            ],
            Self::Unknown => &[
                "The message was mistyped, or its reason is in another base than it seems.",
                "The unit is newer than the documents.",
            ],
        }
    }

    /// The next step.
    pub(super) const fn next(self) -> &'static str {
        match self {
            Self::Permission => {
                "Update the driver and the firmware of the device; if the fault came right at boot, update the machine's firmware; if it stays, report it with the lines around the first \
                 fault. Do not switch the IOMMU off: it keeps the device from damaging memory."
            }
            Self::NoDomain => {
                "Look whether the function exists: if so, whether the fault came before its driver was \
                 loaded; if not, report it as a missing alias quirk. Update the machine's firmware."
            }
            Self::Width => {
                "Report the address to the driver's maintainers, with the address mask that it sets."
            }
            Self::Tables => {
                "Update the kernel or hypervisor and the machine's firmware and test the memory; then report the \
                 fault to the maintainers of the IOMMU code, not of the device's driver."
            }
            Self::Translated => {
                "Update the device's firmware and driver, or switch ATS off for it (Linux: pci=noats); unplug an \
                 external device that does this."
            }
            Self::Process => {
                "Update kernel and driver together; report the fault to the driver's maintainers."
            }
            Self::OwnEntry => {
                "Update the kernel; if it stays, report it to the maintainers of the IOMMU code, not of the device's driver."
            }
            Self::Unreadable => {
                "Look what was suspended, reset or reconfigured just before; update the machine's firmware and the kernel."
            }
            Self::Privilege => "Update the driver and report the fault to its maintainers.",
            Self::InterruptRange => {
                "Update the hypervisor or driver and report the address to its maintainers."
            }
            Self::CompatibilityInterrupt => {
                "Note whether it comes with boot, with resume or with a certain device; update the machine's \
                 firmware and the kernel, and unplug an external device that does this."
            }
            Self::NoInterruptEntry => {
                "If it comes once when a driver stops or the device is reset, it is harmless; if it comes again \
                 and again, update the driver and report it."
            }
            Self::ForeignInterrupt => {
                "Compare the id with lspci -t: behind a bridge, report a missing quirk; for the I/O APIC or HPET, \
                 update the machine's firmware and check its table with ivt audit."
            }
            Self::MalformedInterrupt => {
                "Update the driver and the firmware of the device, and unplug an external device that does this."
            }
            Self::InterruptTables => {
                "Test the memory and update the kernel; then report the fault to the maintainers of the interrupt \
                 remapping code, not of the device's driver."
            }
            Self::Interrupt => {
                "Update the kernel and the machine's firmware, test the memory, and report the fault."
            }
            Self::Unknown => {
                "Compare the message with the original log; note processor and chipset and report it."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vtd::spec::fault_reason::FaultReason;

    use super::*;

    #[test]
    fn what_is_about_an_interrupt_says_so() {
        for reason in (0..=u8::MAX).map(FaultReason).filter(|reason| reason.is_interrupt()) {
            let class = Class::of(reason.kind());
            assert!(class.consequence().contains("nterrupt"), "{:#x}", reason.0);
        }
        assert_eq!(Class::of(FaultReason(0x17).kind()), Class::Unknown);
    }
}
