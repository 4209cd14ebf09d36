//! What to do next.

use core::fmt;

use dma_types::{Access, FaultKind};

use super::{Briefly, Driver, interrupt};
use crate::diagnose::Diagnosis;
use crate::evidence::{ForeignKind, Nearest};
use crate::world::{FirmwareMemory, WalkCheck};
use crate::{Position, Verdict};

/// The advice that fits a fault, shown on one line.
#[derive(Clone, Copy, Debug)]
pub struct Advice<'d>(pub(crate) &'d Diagnosis<'d>);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnosis = self.0;
        match diagnosis.verdict {
            Verdict::Interrupt => interrupt::write_advice(f, diagnosis),
            Verdict::UnknownRequester => write_unknown(f, diagnosis),
            Verdict::Contained => write_contained(f, diagnosis),
            Verdict::TableCorruption => write_tables(f, diagnosis),
            Verdict::TranslatedRequest => f.write_str(
                "Switch off address translation services (ATS) in the device's settings or update its \
                 firmware; unplug an external device that does this.",
            ),
            Verdict::BeyondWidth => write!(
                f,
                "Check how {} computes this address: a sign extension, or two halves in the wrong order, gives \
                 such numbers.",
                Driver::of(diagnosis)
            ),
            Verdict::Unclaimed => write_unclaimed(f, diagnosis),
            Verdict::WrongDirection => write_direction(f, diagnosis),
            Verdict::Stale => write_stale(f, diagnosis),
            Verdict::Overrun => write_overrun(f, diagnosis),
            Verdict::Foreign => write_foreign(f, diagnosis),
            Verdict::NeverMapped => write_never_mapped(f, diagnosis),
            Verdict::Alias => f.write_str(
                "Move one of the devices to a slot that is not behind the same bridge, or take it out: if the \
                 fault stays, the other one sent it.",
            ),
        }
    }
}

fn write_unknown(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    f.write_str("Look")?;
    if let Some(port) = diagnosis.port {
        write!(f, " behind {port}")?;
    }
    f.write_str(
        " for a device that firmware hides or that was plugged in after the start: unplug what is external, and \
         update the machine's firmware.",
    )
}

fn write_contained(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let device = diagnosis.suspect.map_or(diagnosis.fault.requester, |suspect| suspect.function.device.bdf);
    write!(
        f,
        "Nothing is in danger. Look at the fault that led to the containment; once its cause is removed, \
         \"release {device}\" starts the device again."
    )
}

fn write_tables(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    f.write_str("The device is not to blame. ")?;
    match diagnosis.walk {
        WalkCheck::Differs => f.write_str(
            "Test the machine's memory; if it is sound, report this to the makers of the kernel together with \
             the entries shown.",
        ),
        WalkCheck::Agrees => f.write_str(
            "Update the machine's firmware; if that does not help, report this to the makers of the kernel \
             together with the entries shown.",
        ),
    }
}

fn write_unclaimed(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let function = diagnosis.suspect.map(|suspect| suspect.function);
    match function.map(|function| (function.device.driver, function.firmware_memory)) {
        Some((Some(driver), _)) => {
            write!(f, "The driver {driver} started the device before it was attached, or after it was detached.")
        }
        Some((None, FirmwareMemory::Reserved)) => f.write_str(
            "Firmware uses more memory for this device than its table declares: ask the machine's maker for a \
             firmware update that corrects the reserved regions (RMRR).",
        ),
        _ => f.write_str(
            "If firmware still uses the device, its table lacks a reserved region (RMRR): ask the machine's \
             maker for a firmware update. An external device that does this is best unplugged.",
        ),
    }
}

fn write_direction(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let needed = match diagnosis.fault.attempted() {
        Access::Read => "to-device or bidirectional",
        Access::Write => "from-device or bidirectional",
        _ => "bidirectional",
    };
    write!(f, "If the access is right, {} must map the buffer {needed}", Driver::of(diagnosis))?;
    if let Some(step) = diagnosis.nearest.and_then(|nearest| nearest.owner.mapped) {
        write!(f, " at {}", step.site)?;
    }
    f.write_str("; if not, it told the device to move the data the wrong way.")
}

fn write_stale(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Nearest { owner, .. }) = &diagnosis.nearest else { return Ok(()) };
    write!(f, "A bug in {}: it unmapped {}", Driver::of(diagnosis), Briefly(&owner.label))?;
    if let Some(step) = owner.released {
        write!(f, " at {}", step.site)?;
    }
    f.write_str(
        " while the device still used it. Wait there until the device has finished, or stop it first.",
    )
}

fn write_overrun(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Nearest { owner, position }) = &diagnosis.nearest else { return Ok(()) };
    let (what, limit) = match position {
        Position::Before(_) => ("starts in front of", "start"),
        _ => ("runs past the end of", "length"),
    };
    write!(
        f,
        "The transfer {what} {}. Compare the {limit} that {} gave to the device with the {} bytes from {}",
        Briefly(&owner.label),
        Driver::of(diagnosis),
        owner.length,
        owner.start
    )?;
    if let Some(step) = owner.mapped {
        write!(f, " mapped at {}", step.site)?;
    }
    f.write_str("; if they agree, the device itself is faulty.")
}

fn write_foreign(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(foreign) = &diagnosis.foreign else { return Ok(()) };
    match foreign.kind {
        ForeignKind::PhysicalAddress => write!(
            f,
            "Look in {} for a physical address given to the device in place of the one that mapping returned; \
             if there is none, the device reaches for memory of others: unplug it if it is external.",
            Driver::of(diagnosis)
        ),
        ForeignKind::DeviceAddress if diagnosis.is_suspect(&foreign.device) => write!(
            f,
            "Look in {} for an address that is older than the device's present address space.",
            Driver::of(diagnosis)
        ),
        ForeignKind::DeviceAddress => write!(
            f,
            "Look in {} for an address that was made for {}; addresses mean something only to the device \
             they were made for.",
            Driver::of(diagnosis),
            foreign.device.bdf
        ),
    }
}

fn write_never_mapped(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    if let FaultKind::ProcessRequest | FaultKind::NoProcessEntry = diagnosis.fault.kind {
        return write!(
            f,
            "Look in {} for what switches process address spaces (PASIDs) or page requests on in the device; if nothing \
             does, the device is faulty: unplug it if it is external.",
            Driver::of(diagnosis)
        );
    }
    if diagnosis.mapped_since.is_some() {
        return write!(
            f,
            "Look in {} for a command that reaches the device before its buffer is mapped.",
            Driver::of(diagnosis)
        );
    }
    let reserved =
        diagnosis.suspect.is_some_and(|suspect| suspect.function.firmware_memory == FirmwareMemory::Reserved);
    if reserved {
        f.write_str("Firmware reserved memory for this device; if it uses more than its table declares, only a firmware update helps. Otherwise look")?;
    } else {
        f.write_str("Look")?;
    }
    write!(
        f,
        " in {} for an address that mapping never returned, an uninitialised descriptor for example; if it is \
         right, the device is faulty: unplug it if it is external.",
        Driver::of(diagnosis)
    )
}
