//! Messages that a device forges: by writes of its own to the interrupt range, and by its own MSI-X programmed with what
//! was given to others.
//!
//! Nothing may arrive. Whether something did is told by the kernel's counts of each vector before and after, and whether
//! the unit refused, by what the device hears and by the kernel's report. QEMU's unit has two defects that stand in the
//! way, which are measured first and called by their name: a write by a device carries no requester, and then the unit
//! does not compare it with the entry's; and messages of the compatibility format pass whatever the unit was told. What
//! cannot be shown for them is shown on the unit made of software (`cargo test -p vtd interrupts`).

mod forger;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dma_types::{INTERRUPT_RANGE, InterruptIndex};
use serde_json::{Value, json};
use vfio_device::{Bar, ConfigSpace, Identity, MsixTable, PlainCard};
use vtd::spec::interrupt_request::InterruptRequest;

use self::forger::{Forger, Sent};
use super::arena::{Arena, Place, UNIT};
use super::finding::Findings;
use super::{Outcome, Stage, bdf};
use crate::Error;

const SLOT: u8 = 0x10;
/// How requests are called that carry no requester.
const NOBODY: &str = "0000:ff:1f.7";

/// The unit's register for its interrupt table (VT-d "Interrupt Remapping Table Address Register").
const TABLE_REGISTER: u64 = 0xb8;
/// Bytes of an entry.
const ENTRY: usize = 16;
/// In a message's address: its data is added to the index (SHV).
const ADDS_DATA: u64 = 1 << 3;
/// Delivery modes, as a message of the compatibility format has them (SDM "Message Data Register Format"): fixed, lowest,
/// SMI, reserved, NMI, INIT, reserved, ExtINT.
const MODES: u32 = 8;
/// In its address: the processor is named by its logical id.
const LOGICAL: u64 = 1 << 2;
/// A vector that no device has.
const FREE_VECTOR: u32 = 0xe3;
/// Vectors below are no interrupt's.
const FIRST_VECTOR: u32 = 16;
/// Indices beyond the table that are tried.
const BEYOND: [u16; 6] = [0, 1, 0x100, 0x1000, 0x7000, 0x8000];

/// The capability's id of the device's messages, and where its table of them lies (PCI "MSI-X Capability Structure").
const MSIX: u8 = 0x11;
const WINDOW: usize = 4096;
const PENDING: u32 = 0x800;

/// How often a message is repeated whose refusal is not told yet, and when the report is looked at.
const MOST_REPEATED: usize = 200;
const A_LOOK: Duration = Duration::from_millis(20);

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let mut setup = stage.setup()?.options("policy=log storm=off drill=off");
    let card = card();
    let device = setup.plug(Place::RootBus(SLOT), Arc::clone(&card))?;
    let mut arena = setup.start()?;
    arena.go()?;
    if !arena.wait_for_prompt()? {
        findings.add("the kernel", arena.life().to_string(), "comes to its prompt", Outcome::Failed);
        return Ok(());
    }
    arena.hold_bus_master(0, SLOT)?;
    let capability = card.lock().unwrap_or_else(PoisonError::into_inner).config.capability_offset(MSIX);
    let table = Table::read(&mut arena)?;
    let mut forger = Forger { device: &device, arena, capability: capability.unwrap_or_default() };

    let before = forger.counts()?;
    by_writes(&mut forger, &table, findings)?;
    let said = by_messages(&mut forger, &table, findings)?;
    let after = forger.counts()?;
    tell_counts(findings, &before, &after);
    tell_report(&mut forger.arena, findings, said)?;
    what_the_emulator_lets_through(&mut forger, &table, findings)?;
    let life = forger.arena.power_off()?;
    findings.add("the kernel", life.to_string(), "lives", Outcome::held_if(life.is_good()));
    Ok(())
}

/// A device with one message of its own, which nobody has a driver for.
fn card() -> Arc<Mutex<PlainCard>> {
    let table = MsixTable { vectors: 1, bar: 0, table: 0, pending: PENDING };
    let identity = Identity { vendor: 0x1234, device: 0xbad1, class: 0xff_0000 };
    let config = ConfigSpace::new(identity).express_endpoint().msix(table);
    let card = PlainCard::new(config).with_bar(0, Bar::Memory32, WINDOW).with_vectors(1);
    Arc::new(Mutex::new(card))
}

/// The unit's table, as it stands in memory.
struct Table {
    /// Indices whose entry is present.
    live: Vec<u16>,
    /// The others.
    free: Vec<u16>,
    /// Indices behind it.
    beyond: Vec<u16>,
}

impl Table {
    fn read(arena: &mut Arena) -> Result<Self, Error> {
        let register = [TABLE_REGISTER, TABLE_REGISTER + 4];
        let [low, high] = register.map(|offset| arena.outside.read32(UNIT + offset));
        let register = u64::from(high?) << 32 | u64::from(low?);
        let entries = 2usize << (register & 0xf);
        let bytes = arena.memory_at(register & !0xfff, entries * ENTRY)?;
        let indices = || (0..=u16::MAX).zip(bytes.chunks(ENTRY));
        let is_present = |entry: &[u8]| entry.first().is_some_and(|byte| byte & 1 != 0);
        let behind = |step: u16| u16::try_from(entries).ok()?.checked_add(step);
        Ok(Self {
            live: indices().filter(|(_, entry)| is_present(entry)).map(|(index, _)| index).collect(),
            free: indices().filter(|(_, entry)| !is_present(entry)).map(|(index, _)| index).collect(),
            beyond: BEYOND.into_iter().filter_map(behind).collect(),
        })
    }
}

/// Address and data of a message that names an entry. Where data is not added, it is a vector for whoever reads it so.
fn message(index: u16) -> (u64, u32) {
    let message = InterruptRequest::remappable(InterruptIndex(index)).message();
    (message.address, message.data)
}

/// Writes to the interrupt range.
fn by_writes(forger: &mut Forger<'_>, table: &Table, findings: &mut Findings<'_>) -> Result<(), Error> {
    let free = || table.free.iter().copied();
    let added = free().map(message);
    tell_refused(findings, "DMA: every free index, SHV", &forger.write(added)?);
    let shared = free().map(|index| (message(0).0, u32::from(index)));
    tell_refused(findings, "DMA: every free index as sub-handle, SHV", &forger.write(shared)?);
    let modes = free().flat_map(|index| {
        (0..MODES).map(move |mode| (message(index).0 & !ADDS_DATA, mode << 8 | u32::from(index) & 0xff))
    });
    let sent = forger.write(modes)?;
    tell_refused(findings, "DMA: every free index, every mode and vector, no SHV", &sent);
    let beyond = table.beyond.iter().copied().map(message);
    tell_refused(findings, "DMA: indices beyond the table", &forger.write(beyond)?);
    let reserved = free().map(|index| (message(index).0, 1 << 16));
    tell_refused(findings, "DMA: reserved bits of the data set, SHV", &forger.write(reserved)?);
    Ok(())
}

fn tell_refused(findings: &mut Findings<'_>, tried: &str, sent: &Sent) {
    findings.add_with(
        tried,
        format!("{} of {} refused", sent.refused, sent.tried()),
        "all refused",
        Outcome::held_if(sent.refused == sent.tried() && sent.refused > 0),
        json!({"tried": sent.tried(), "unmade": sent.unmade, "taken": spelled(&sent.taken)}),
    );
}

fn spelled(messages: &[(u64, u32)]) -> Vec<String> {
    messages.iter().map(|(address, data)| format!("{address:#x}: {data:#x}")).collect()
}

/// The device's own MSI-X, programmed with what is not its own. What it sends that way carries its id, so that each
/// reason must be told of it by name. Gives those reasons.
fn by_messages(
    forger: &mut Forger<'_>,
    table: &Table,
    findings: &mut Findings<'_>,
) -> Result<BTreeSet<&'static str>, Error> {
    let mut reasons = BTreeSet::new();
    for (indices, tried, reason) in [
        (&table.live, "MSI-X: every entry of others", "0x26"),
        (&table.free, "MSI-X: every free index", "0x22"),
        (&table.beyond, "MSI-X: indices beyond the table", "0x21"),
    ] {
        let mut sent = 0;
        for index in indices {
            sent += usize::from(forger.send_own(message(*index))?);
        }
        // A record may have been in the way of another.
        for index in indices.iter().cycle().take(MOST_REPEATED) {
            if is_told(&mut forger.arena, reason)? {
                break;
            }
            std::thread::sleep(A_LOOK);
            forger.send_own(message(*index))?;
        }
        let came = format!("{sent} of {} sent", indices.len());
        findings.add(tried, came, "all sent", Outcome::held_if(sent == indices.len() && sent > 0));
        reasons.insert(reason);
    }
    Ok(reasons)
}

/// Whether the report has the device's interrupt refused for a reason.
fn is_told(arena: &mut Arena, reason: &str) -> Result<bool, Error> {
    arena.runs()?;
    let name = bdf(0, SLOT);
    let its = |fault: &Value| fault["requester"] == name.as_str() && fault["reason"] == reason;
    Ok(arena.report().of_kind("fault").any(its))
}

/// No device's vector, and none that is nobody's, was raised. The kernel's own timer and the units raise theirs all the
/// while.
fn tell_counts(
    findings: &mut Findings<'_>,
    before: &BTreeMap<u32, (u64, String)>,
    after: &BTreeMap<u32, (u64, String)>,
) {
    let own = |owner: &str| owner.contains("timer") || owner.contains("remapping units");
    let others = |counts: &BTreeMap<u32, (u64, String)>| {
        counts
            .iter()
            .filter(|(_, (count, owner))| *count > 0 && !own(owner))
            .map(|(vector, (count, _))| (*vector, *count))
            .collect::<BTreeMap<u32, u64>>()
    };
    let (before, after) = (others(before), others(after));
    let raised: Vec<u32> = after
        .iter()
        .filter(|(vector, count)| before.get(vector) != Some(count))
        .map(|(vector, _)| *vector)
        .collect();
    findings.add_with(
        "counts of every vector, before and after",
        format!("{} raised, {} that devices had raised", raised.len(), before.len()),
        "none raised but by the timer and the units",
        Outcome::held_if(raised.is_empty() && !before.is_empty()),
        json!({"before": before, "after": after}),
    );
}

/// The report names the device for what carries its id, and calls nobody what carries none.
fn tell_report(
    arena: &mut Arena,
    findings: &mut Findings<'_>,
    mut own: BTreeSet<&'static str>,
) -> Result<(), Error> {
    let name = bdf(0, SLOT);
    let told = |arena: &Arena, requester: &str| -> BTreeMap<String, Value> {
        let faults = arena.report().of_kind("fault");
        let its = faults.filter(|fault| fault["requester"] == requester && fault["access"] == "interrupt");
        its.map(|fault| (fault["reason"].as_str().unwrap_or_default().to_owned(), fault.clone())).collect()
    };
    arena.run_command("faults")?;
    let by_name = told(arena, &name);
    own.retain(|reason| !by_name.contains_key(*reason));
    let is_forged = by_name.get("0x26").is_some_and(|fault| {
        fault["interrupt"]["kind"] == "forged" && fault["interrupt"]["owner"].is_string()
    });
    findings.add(
        "the report of what its MSI-X sent",
        format!("{} reasons, {} missing", by_name.len(), own.len()),
        "each is told of it, with the entry's owner",
        Outcome::held_if(own.is_empty() && is_forged),
    );
    let nobodys: Vec<String> = told(arena, NOBODY).into_keys().collect();
    findings.add(
        "the report of its DMA to the interrupt range",
        format!("{} of nobody: QEMU gives no requester", nobodys.join(" ")),
        "each reason is told, attributable or not",
        Outcome::held_if(["0x21", "0x22"].iter().all(|reason| nobodys.iter().any(|told| told == reason))),
    );
    Ok(())
}

/// What QEMU's unit lets pass although it must not. Where a later one refuses it, all of it is tried.
fn what_the_emulator_lets_through(
    forger: &mut Forger<'_>,
    table: &Table,
    findings: &mut Findings<'_>,
) -> Result<(), Error> {
    let live = forger.write(table.live.iter().copied().map(message))?;
    tell_defect(
        findings,
        &format!("DMA: entries of others, {} of them live", table.live.len()),
        &live,
        "QEMU's defect: without requester, no check",
    );
    let plain = |mode: u32, vector: u32| (INTERRUPT_RANGE.start, mode << 8 | vector);
    let one = forger.write([plain(0, FREE_VECTOR)])?;
    if one.taken.is_empty() {
        let all = (0..MODES).flat_map(|mode| (0..=0xff).map(move |vector| plain(mode, vector)));
        let logical = all.clone().map(|(address, data)| (address | LOGICAL, data));
        let sent = forger.write(all.chain(logical))?;
        tell_refused(findings, "DMA: compatibility format, every mode and vector", &sent);
        return Ok(());
    }
    let fixed = forger.write((FIRST_VECTOR..FREE_VECTOR).map(|vector| plain(0, vector)))?;
    tell_defect(
        findings,
        "DMA: compatibility format, fixed",
        &fixed,
        "QEMU's defect: passes whatever CFI says",
    );
    findings.add(
        "DMA: compatibility format, SMI, NMI, INIT, ExtINT",
        "not sent: they would arrive as well",
        "see `cargo test -p vtd interrupts`: 0x25",
        Outcome::Measured,
    );
    Ok(())
}

/// A measurement of what the emulator lets pass; if it passes nothing, that is as it should be.
fn tell_defect(findings: &mut Findings<'_>, tried: &str, sent: &Sent, defect: &str) {
    let came = format!("{} of {} passed", sent.taken.len(), sent.tried());
    let outcome = if sent.taken.is_empty() { Outcome::Held } else { Outcome::Measured };
    let figures = json!({"tried": sent.tried(), "passed": sent.taken.len()});
    findings.add_with(tried, came, defect, outcome, figures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_table_is_read() {
        let said = "local APIC 0 in xAPIC mode\n\
                    vector 0x31: 12 message 0 of 0000:00:05.0, to processor 0, open\n\
                    vector 0xf0: 99 the APIC's timer\n";
        let counts = forger::counts(said);
        assert_eq!(counts.len(), 2);
        assert_eq!(counts[&0x31].0, 12);
        assert_eq!(counts[&0xf0].1, "the APIC's timer");
    }

    #[test]
    fn messages_name_their_entry_by_address_or_by_data() {
        assert_eq!(message(0), (0xfee0_0018, 0));
        assert_eq!(message(0x8001), (0xfee0_003c, 0));
        assert_eq!(message(1).0 & !ADDS_DATA, 0xfee0_0030);
    }
}
