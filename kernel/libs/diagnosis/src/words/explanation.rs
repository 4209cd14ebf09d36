//! Who, where, which way, why and when.

use core::fmt;

use dma_types::{Access, FaultKind};

use super::{Described, Named, Pages, attempted, interrupt, permitted};
use crate::diagnose::{Candidate, Diagnosis};
use crate::evidence::{Foreign, ForeignKind, Nearest, Owner};
use crate::world::{FirmwareMemory, WalkCheck};
use crate::{Position, Verdict};

/// Pages, 1 GiB in all, beyond which a distance tells nothing.
const FAR: u64 = 1 << 18;

/// The sentences that explain a fault, shown on one line.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'d>(pub(crate) &'d Diagnosis<'d>);

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnosis = self.0;
        write_who(f, diagnosis)?;
        write_what(f, diagnosis)?;
        if diagnosis.verdict == Verdict::Alias {
            write_alternatives(f, diagnosis)?;
        }
        // Behind a shared requester id: what would hold for the function whose books tell most.
        let verdict = diagnosis.suspect.map_or(diagnosis.verdict, |suspect| suspect.verdict);
        write_why(f, diagnosis, verdict)
    }
}

fn write_who(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let requester = diagnosis.fault.requester;
    match (&diagnosis.suspect, diagnosis.candidates.total()) {
        (Some(suspect), 1) if suspect.function.device.bdf == requester => {
            write!(f, "{}", Named(&suspect.function.device))
        }
        (Some(suspect), 1) => {
            write!(f, "{}, whose requests carry the id {requester},", Named(&suspect.function.device))
        }
        (Some(_), total) => write!(f, "One of {total} functions that share the requester id {requester}"),
        (None, _) if diagnosis.fault.is_anonymous() => f.write_str("Somebody"),
        (None, _) => write!(f, "A requester that calls itself {requester}"),
    }
}

fn write_what(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let fault = &diagnosis.fault;
    let access = fault.attempted();
    if access == Access::Interrupt {
        interrupt::write_what(f, diagnosis)?;
    } else {
        write!(f, " {}", attempted(access))?;
        match fault.address {
            Some(page) => write!(f, " the page at {page}")?,
            None => f.write_str(" memory at an unknown address")?,
        }
    }
    write!(f, " and was blocked (reason {}).", fault.reason)
}

fn write_alternatives(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    f.write_str(" The hardware cannot tell them apart:")?;
    for (position, Candidate { function, verdict }) in diagnosis.candidates.iter().enumerate() {
        let separator = if position == 0 { "" } else { ";" };
        write!(f, "{separator} if it was {}, the verdict is {verdict}", Named(&function.device))?;
    }
    let unlisted = diagnosis.candidates.total() - diagnosis.candidates.iter().count();
    if unlisted > 0 {
        write!(f, "; {unlisted} more are not listed")?;
    }
    f.write_str(".")?;
    match diagnosis.suspect {
        Some(suspect) => write!(f, " For {}:", suspect.function.device.bdf),
        None => Ok(()),
    }
}

fn write_why(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>, verdict: Verdict) -> fmt::Result {
    match verdict {
        Verdict::Interrupt => interrupt::write_why(f, diagnosis),
        Verdict::UnknownRequester => write_unknown(f, diagnosis),
        Verdict::Contained => f.write_str(
            " The device was contained after an earlier violation and may reach nothing until it is \
             released.",
        ),
        Verdict::TableCorruption => write_tables(f, diagnosis),
        Verdict::TranslatedRequest => f.write_str(
            " The request claimed that its address was translated already, which is granted to no device.",
        ),
        Verdict::BeyondWidth => write!(
            f,
            " The address does not fit into the {} bits that the unit translates, so no mapping can be there.",
            diagnosis.address_width
        ),
        Verdict::Unclaimed => write_unclaimed(f, diagnosis),
        Verdict::WrongDirection => write_direction(f, diagnosis),
        Verdict::Stale => write_stale(f, diagnosis),
        Verdict::Overrun => write_overrun(f, diagnosis),
        Verdict::Foreign => write_foreign(f, diagnosis),
        Verdict::NeverMapped | Verdict::Alias => write_never_mapped(f, diagnosis),
    }
}

fn write_unknown(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    f.write_str(
        " No function with this id was found on the buses, so there is no driver and no memory to compare it with.",
    )?;
    match diagnosis.port {
        Some(port) => write!(f, " Its bus lies behind {port}, so it counts for that port."),
        None => Ok(()),
    }
}

fn write_tables(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    match diagnosis.walk {
        WalkCheck::Differs => f.write_str(
            " The remapping tables in memory do not hold what the kernel wrote there: something has \
             changed them, or they were written wrongly.",
        ),
        WalkCheck::Agrees => {
            write!(f, " The remapping tables hold what the kernel wrote, but {}.", diagnosis.fault.meaning)
        }
    }
}

fn write_unclaimed(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(function) = diagnosis.suspect.map(|suspect| suspect.function) else { return Ok(()) };
    match (function.device.driver, function.firmware_memory) {
        (Some(_), _) => f.write_str(" The unit has no device entry for it: it is attached to no domain."),
        (None, FirmwareMemory::None) => {
            f.write_str(" No driver has claimed the device, so no memory is mapped for it.")
        }
        (None, FirmwareMemory::Reserved) => f.write_str(
            " No driver has claimed the device: it may reach only the regions that firmware reserved for \
             it, and this page is in none of them.",
        ),
    }
}

fn write_direction(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Nearest { owner, .. }) = &diagnosis.nearest else { return Ok(()) };
    write!(f, " The page belongs to {}", Described { owner, fault: &diagnosis.fault })?;
    match owner.direction {
        Some(direction) => write!(f, ", which the device may {}.", permitted(direction))?,
        None => f.write_str(".")?,
    }
    match diagnosis.fault.kind {
        FaultKind::NoPrivilege => write!(f, " The request asked for more: {}.", diagnosis.fault.meaning),
        _ => Ok(()),
    }
}

fn write_stale(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Nearest { owner, .. }) = &diagnosis.nearest else { return Ok(()) };
    let fault = &diagnosis.fault;
    write!(f, " The page belonged to {}", Described { owner, fault })?;
    if let Some(step) = owner.released {
        write!(f, " until it was unmapped at {}, {} before the fault", step.site, fault.at.since(step.at))?;
    }
    f.write_str(".")?;
    match (&diagnosis.mapped_since, &diagnosis.nearest_live) {
        (Some(owner), _) => write_mapped_since(f, diagnosis, owner),
        (None, Some(nearest)) => write_nearest(f, diagnosis, nearest),
        (None, None) => Ok(()),
    }
}

fn write_mapped_since(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>, owner: &Owner) -> fmt::Result {
    let described = Described { owner, fault: &diagnosis.fault };
    write!(f, " By the time the fault was recorded it was mapped as {described}; the request came earlier.")
}

fn write_overrun(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Nearest { owner, position }) = &diagnosis.nearest else { return Ok(()) };
    match position {
        Position::Behind(1) => f.write_str(" That is the first page behind")?,
        Position::Behind(pages) => write!(f, " That is page {pages} behind")?,
        Position::Before(_) => f.write_str(" That is the page directly in front of")?,
        Position::Inside => f.write_str(" That is")?,
    }
    write!(
        f,
        " {}; the gap around a mapping belongs to nobody.",
        Described { owner, fault: &diagnosis.fault }
    )
}

fn write_foreign(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    let Some(Foreign { device, owner, kind }) = &diagnosis.foreign else { return Ok(()) };
    let described = Described { owner, fault: &diagnosis.fault };
    let named = Named(device);
    match kind {
        ForeignKind::DeviceAddress if diagnosis.is_suspect(device) => write!(
            f,
            " The address is from the address space that it had before, where it belongs to {described}."
        ),
        ForeignKind::PhysicalAddress => write!(
            f,
            " No memory is mapped there for it; the number is the physical address of memory that {named} \
             uses as {described}."
        ),
        ForeignKind::DeviceAddress => write!(
            f,
            " The address is not one of its own; in the address space of {named} it belongs to {described}."
        ),
    }
}

fn write_never_mapped(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>) -> fmt::Result {
    if let FaultKind::ProcessRequest | FaultKind::NoProcessEntry = diagnosis.fault.kind {
        return write!(
            f,
            " The request is one of a process's address space, and no device has any here: {}.",
            diagnosis.fault.meaning
        );
    }
    if diagnosis.fault.address.is_none() {
        return f.write_str(" Without an address there is nothing to look up.");
    }
    if let Some(owner) = &diagnosis.mapped_since {
        f.write_str(" No earlier owner of the page is known.")?;
        return write_mapped_since(f, diagnosis, owner);
    }
    let had_before = diagnosis.fault.address.is_some_and(|page| diagnosis.had_before.contains(&page));
    match diagnosis.forgotten {
        0 if had_before => f.write_str(
            " Nothing was mapped there since it got its present address space; of the one that it had before, \
             nothing is known any more.",
        )?,
        0 => f.write_str(" Nothing was ever mapped there for it.")?,
        forgotten => write!(
            f,
            " No owner of the page is known; the books have let go of {forgotten} released ranges, so \
             whether it once had one cannot be said."
        )?,
    }
    if diagnosis.unsearched > 0 {
        f.write_str(
            " Whether the number is the physical address of memory of another device cannot be said: the same \
             memory was mapped too often to look through it all.",
        )?;
    }
    match &diagnosis.nearest {
        Some(nearest) => write_nearest(f, diagnosis, nearest),
        None if diagnosis.live > 0 => {
            write!(f, " None of the {} mappings that are live for it is near.", diagnosis.live)
        }
        None => f.write_str(" At present nothing at all is mapped for it."),
    }
}

fn write_nearest(f: &mut fmt::Formatter<'_>, diagnosis: &Diagnosis<'_>, nearest: &Nearest) -> fmt::Result {
    let Nearest { owner, position } = nearest;
    let described = Described { owner, fault: &diagnosis.fault };
    if position.pages() > FAR {
        return write!(f, " It is nowhere near a live mapping; the nearest is {described}.");
    }
    let side = if matches!(position, Position::Before(_)) { "in front of" } else { "behind" };
    write!(f, " It lies {} {side} the nearest live mapping, {described}.", Pages(position.pages()))
}
