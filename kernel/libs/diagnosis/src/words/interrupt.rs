//! The words on refused interrupts.

use core::fmt;

use dma_types::FaultKind;

use super::{Driver, Named};
use crate::diagnose::Diagnosis;
use crate::interrupt::{Interrupt, InterruptEntry, InterruptKind};
use crate::time::Timestamp;
use crate::world::Standing;

/// What the sender did, as the rest of a sentence whose subject it is.
pub(super) fn write_what(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(interrupt) = &diagnosis.interrupt else { return f.write_str(" tried to send an interrupt") };
    match (interrupt.kind, interrupt.owner()) {
        (InterruptKind::Forged, Some(owner)) if !diagnosis.is_suspect(owner) => {
            write!(f, " tried to raise the interrupt of {}", Named(owner))?;
        }
        (InterruptKind::Withdrawn, Some(owner)) if diagnosis.is_suspect(owner) => {
            f.write_str(" raised its own interrupt after it was withdrawn")?;
        }
        (InterruptKind::Withdrawn, Some(owner)) => {
            write!(f, " tried to raise an interrupt that {} once had", Named(owner))?;
        }
        (InterruptKind::Compatibility, _) => f.write_str(" tried to send an interrupt of the old format")?,
        (InterruptKind::Reserved, _) if diagnosis.fault.kind == FaultKind::MalformedInterrupt => {
            f.write_str(" tried to send an interrupt that is malformed")?;
        }
        _ => f.write_str(" tried to send an interrupt")?,
    }
    match interrupt.index {
        Some(index) => write!(f, " (index {index})"),
        None => Ok(()),
    }
}

/// Why it was refused.
pub(super) fn write_why(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    write!(f, " Interrupt remapping refused it: {}.", diagnosis.fault.meaning)?;
    if diagnosis.fault.is_anonymous() {
        write!(
            f,
            " Its record carries the id {}, which is no sender's: nobody can tell who it was, and nobody is held \
             responsible.",
            diagnosis.fault.requester
        )?;
    }
    let Some(interrupt) = &diagnosis.interrupt else { return write_rule(f) };
    match interrupt.kind {
        InterruptKind::Forged => write_forged(f, diagnosis, interrupt),
        InterruptKind::Withdrawn => write_withdrawn(f, diagnosis, interrupt),
        InterruptKind::NeverGiven => match interrupt.entry {
            Some(InterruptEntry::Live { owner }) => write!(
                f,
                " The index is that of {} now: it was given out only after the message came, or the table has lost \
                 the entry.",
                Named(&owner)
            ),
            _ => write_rule(f),
        },
        InterruptKind::OutOfRange => write_rule(f),
        InterruptKind::Compatibility => f.write_str(
            " A message of the old format does not say whose interrupt it means, so none passes while interrupts are \
             remapped.",
        ),
        InterruptKind::Reserved if diagnosis.fault.kind == FaultKind::MalformedInterrupt => write_rule(f),
        InterruptKind::Reserved | InterruptKind::Table => {
            f.write_str(" That is for the table in memory to answer, not for the device.")?;
            match interrupt.owner() {
                Some(owner) => write!(f, " The index was given to {}.", Named(owner)),
                None => Ok(()),
            }
        }
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(" A device may send only the interrupts that the kernel gave it.")
}

fn write_forged(
    f: &mut fmt::Formatter<'_>,
    diagnosis: &Diagnosis<'_>,
    interrupt: &Interrupt<'_>,
) -> fmt::Result {
    match interrupt.entry {
        Some(InterruptEntry::Live { owner }) if diagnosis.is_suspect(&owner) => write!(
            f,
            " The index was given to it, but for messages that carry another id than {}.",
            diagnosis.fault.requester
        ),
        Some(InterruptEntry::Live { owner }) => {
            write!(f, " Only messages of {} may name that index.", owner.bdf)
        }
        Some(InterruptEntry::Withdrawn { at, .. }) => {
            f.write_str(" The index was taken back from its owner")?;
            write_when(f, diagnosis, at)?;
            f.write_str(".")
        }
        Some(InterruptEntry::NeverGiven | InterruptEntry::OutOfRange) | None => f.write_str(
            " By the kernel's books the index is nobody's, so the entry that the unit found is not the kernel's.",
        ),
    }
}

fn write_withdrawn(
    f: &mut fmt::Formatter<'_>,
    diagnosis: &Diagnosis<'_>,
    interrupt: &Interrupt<'_>,
) -> fmt::Result {
    let Some(InterruptEntry::Withdrawn { owner, at }) = &interrupt.entry else { return Ok(()) };
    f.write_str(" The interrupt was withdrawn")?;
    write_when(f, diagnosis, *at)?;
    let suspect = diagnosis.suspect.filter(|suspect| suspect.function.device.bdf == owner.bdf);
    match suspect.map(|suspect| suspect.function.standing) {
        Some(Standing::Quarantined) => f.write_str(": the device was contained.")?,
        Some(Standing::Enabled) if owner.driver.is_none() => f.write_str(": its driver was released.")?,
        _ => f.write_str(".")?,
    }
    match suspect {
        Some(_) => Ok(()),
        None => write_rule(f),
    }
}

/// How long before the fault; the record may have waited, so the message itself came no later.
fn write_when(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>, at: Timestamp) -> fmt::Result {
    if at < diagnosis.fault.at {
        write!(f, " {} before", diagnosis.fault.at.since(at))
    } else {
        f.write_str(" at the same time")
    }
}

/// What to do next.
pub(super) fn write_advice(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let kind = diagnosis.interrupt.map(|interrupt| interrupt.kind);
    match kind {
        Some(InterruptKind::Table) => return write_table_advice(f),
        Some(InterruptKind::Reserved) if diagnosis.fault.kind != FaultKind::MalformedInterrupt => {
            return write_table_advice(f);
        }
        _ => {}
    }
    if diagnosis.fault.is_anonymous() {
        return f.write_str(
            "Unplug what is external, one device after the other: the one without which it stays away sends it. On a \
             real machine, update the firmware.",
        );
    }
    match kind {
        Some(InterruptKind::Forged) => write_forged_advice(f, diagnosis),
        Some(InterruptKind::Withdrawn) => write_withdrawn_advice(f, diagnosis),
        Some(InterruptKind::Compatibility) => f.write_str(
            "Look for firmware or a driver that writes interrupt messages into the device by itself; update both, and \
             unplug the device if it is external.",
        ),
        _ => f.write_str(
            "If the device is external, unplug it; otherwise update its firmware and its driver: it sends \
             interrupts that it was not given.",
        ),
    }
}

fn write_table_advice(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(
        "Test the machine's memory; if it is sound, report this to the makers of the kernel: something has changed the \
         table of interrupts, or it was written wrongly.",
    )
}

fn write_forged_advice(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    match diagnosis.interrupt.as_ref().and_then(Interrupt::owner) {
        Some(owner) if diagnosis.is_suspect(owner) => f.write_str(
            "Report this to the makers of the kernel together with the output of \"devices\": the interrupts of the \
             device arrive under an id that its entry does not name.",
        ),
        Some(_) => write!(
            f,
            "If the device is external, unplug it. Otherwise look whether the index was its own before: then {} let go \
             of the interrupt while the device could still send it.",
            Driver::of(diagnosis)
        ),
        None => write_table_advice(f),
    }
}

fn write_withdrawn_advice(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let own = diagnosis
        .interrupt
        .as_ref()
        .and_then(Interrupt::owner)
        .is_some_and(|owner| diagnosis.is_suspect(owner));
    if own {
        write!(
            f,
            "Once, as a driver stops, it is harmless. If it goes on, {} lets go of the interrupt before the device was \
             told to send no more.",
            Driver::of(diagnosis)
        )
    } else {
        f.write_str(
            "If the device is external, unplug it; otherwise update its firmware and its driver: it sends \
             interrupts that it was not given.",
        )
    }
}
