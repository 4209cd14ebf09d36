//! Functions that leave and functions that come while the machine runs.
//!
//! What leaves loses everything at once, by the timer's interrupt, whatever the kernel does meanwhile: bus mastering,
//! with it the port above, then every id's entry, confirmed by the unit; its driver is told when the kernel next takes
//! care of drivers, and only then memory comes back. What comes, also in the same place, is somebody else: it is listed,
//! and stays blocked.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use dma_types::{Bdf, SourceId};
use pci::identity::{Answer, Identity, ask_again};
use pci::slot::News;
use pci::{BridgeKind, Names, Slot, Tie};
use spin::Once;

use super::{Admission, DeviceRecord, Facts, Path, Role, Trust, all, find, find_first};
use crate::dma;
use crate::irq::timer;
use crate::platform::clock::Deadline;
use crate::platform::pci::{self as bus, config};
use crate::sync::{IrqLock, Mutex, rank};

/// How often the timer's interrupt looks who is there.
const INTERVAL: Duration = Duration::from_millis(50);

/// Newcomers that are listed until the machine is started again; later ones are blocked like all, and have no name.
const LISTED: usize = 128;

/// Group numbers of newcomers begin here: each is alone.
const FIRST_GROUP: u32 = 1 << 16;

/// The slots that say who comes and leaves.
static SLOTS: Once<IrqLock<Vec<Slot>, rank::Slots>> = Once::new();
/// Who came, in the order of coming.
static NEWCOMERS: [Once<&'static DeviceRecord>; LISTED] = [const { Once::new() }; LISTED];
/// What answered at places where nobody is known, when it was looked at last.
static STRANGERS: Mutex<Vec<(Bdf, Identity)>, rank::Strangers> = Mutex::new(Vec::new());

/// Every function that came after the start, also those that have left again.
pub fn newcomers() -> impl Iterator<Item = &'static DeviceRecord> + Clone {
    NEWCOMERS.iter().map_while(Once::get).copied()
}

/// Watches from now on who leaves. To be called once, when the machine is protected.
pub fn watch() {
    if ports().next().is_none() {
        return;
    }
    let slots = ports().filter_map(|port| Slot::watch(config(), &port.pci)).collect();
    SLOTS.call_once(|| IrqLock::new(slots));
    if timer::is_available() {
        look();
    } else {
        log::warn!("no timer: a device that is exchanged is noticed between commands only");
    }
}

/// Looks who has left. Runs in the timer's interrupt; allocates nothing.
fn look() {
    find_out_who_left();
    timer::set_alarm(Deadline::after(INTERVAL), look);
}

fn find_out_who_left() {
    let Some(slots) = SLOTS.get() else { return };
    for slot in slots.lock().iter_mut() {
        if slot.look(config()) == News::Left {
            below(slot.port()).for_each(|record| lose(record, Answer::Absent));
        }
    }
    for record in present().filter(|record| record.pci.parent.is_some() && record.is_here()) {
        match ask_again(config(), &record.pci) {
            Answer::Same => {}
            other => lose(record, other),
        }
    }
}

/// The functions that are known and have not left.
pub fn present() -> impl Iterator<Item = &'static DeviceRecord> {
    all().iter().chain(newcomers()).filter(|record| !record.has_left())
}

/// Asks a function again who it is, before it is trusted with anything.
///
/// # Errors
/// If it has left, or something else answers in its place. It is cut off then.
pub fn confirm(record: &'static DeviceRecord) -> Result<(), dma::DmaError> {
    if !record.has_left() {
        match ask_again(config(), &record.pci) {
            Answer::Same => return Ok(()),
            other => lose(record, other),
        }
    }
    Err(dma::DmaError::Gone { device: record.bdf })
}

/// Takes everything from a function that has left, for good.
fn lose(record: &'static DeviceRecord, answer: Answer) {
    if !record.life_events().leave() {
        return;
    }
    let cut_off = dma::contain(record);
    match answer {
        Answer::Other(other) => log::warn!("{record} has left; {other} answers in its place, and is blocked"),
        Answer::Same | Answer::Absent => log::warn!("{record} has left, and is blocked"),
    }
    if let Err(error) = cut_off {
        log::error!("{record} has left, but its unit did not confirm that it forgot it: {error}");
    }
}

/// Lists who came since the last call, still blocked. Not to be called from interrupts.
pub fn welcome() {
    if !timer::is_available() {
        find_out_who_left();
    }
    let mut strangers = STRANGERS.lock();
    for port in ports() {
        for place in places_below(port) {
            let known = find(place).is_some_and(|record| !record.has_left());
            let now = Identity::ask(config(), place).filter(|_| !known);
            let before = strangers.iter().position(|(stranger, _)| *stranger == place);
            let before = before.map(|position| strangers.swap_remove(position).1);
            match now {
                // Seen twice, so it does not change under the eyes.
                Some(identity) if before == now => admit(place, port, identity),
                Some(identity) => strangers.push((place, identity)),
                None => {}
            }
        }
    }
}

/// Makes the record of a newcomer, and reports it.
fn admit(place: Bdf, port: &'static DeviceRecord, identity: Identity) {
    let Some(slot) = NEWCOMERS.iter().position(|slot| slot.get().is_none()) else { return };
    let Some(function) = pci::slot::newcomer(config(), place, port.bdf) else { return };
    bus::set_bus_master(place, pci::control::BusMaster::Off);
    let facts = Facts {
        bdf: place,
        id: (function.vendor, function.device),
        class: pci::names::class(function.class)
            .unwrap_or_else(|| alloc::format!("class {}", function.class)),
        name: Names::new().describe(&function),
        role: Role::Endpoint,
        unit: port.unit,
        group: FIRST_GROUP + slot as u32,
        requester: place,
        aliases: alloc::vec![place.source],
        turned: Vec::new(),
        tie: Box::leak(Box::new(Tie { members: alloc::vec![place], ids: alloc::vec![place.source] })),
        path: Path::Translated,
        bus_master_at_boot: false,
        trust: Trust::Untrusted,
        admission: Admission::Barred,
        pci: function,
    };
    let record: &'static DeviceRecord = Box::leak(Box::new(DeviceRecord::new(facts)));
    if let Some(slot) = NEWCOMERS.get(slot) {
        slot.call_once(|| record);
    }
    log::warn!("{record} ({identity}) came after the start and stays blocked");
    record.report();
}

/// The ports of links, each of which leads to one device.
fn ports() -> impl Iterator<Item = &'static DeviceRecord> {
    let leads_to_a_device = |record: &&DeviceRecord| {
        matches!(record.pci.bridge_kind(), Some(BridgeKind::RootPort | BridgeKind::DownstreamPort))
    };
    all().iter().filter(leads_to_a_device)
}

/// Where the functions of the device below a port answer, as far as there can be more than the first.
fn places_below(port: &DeviceRecord) -> impl Iterator<Item = Bdf> + use<> {
    let (segment, bus) = (port.bdf.segment, port.pci.leads_to.map(|buses| buses.first));
    let at = move |function| Some(Bdf::new(segment, SourceId::new(bus?, 0, function)?));
    let multi = at(0)
        .and_then(|first| pci::header_type(config(), first))
        .is_some_and(|header| header.is_multi_function());
    (0..if multi { 8 } else { 1 }).filter_map(at)
}

/// The functions that are known and stand below a bridge, those that have left not among them. Allocates nothing.
pub fn below(bridge: Bdf) -> impl Iterator<Item = &'static DeviceRecord> {
    present().filter(move |record| is_below(record, bridge))
}

/// The bridges above a function, from the nearest on.
pub fn above(record: &DeviceRecord) -> impl Iterator<Item = &'static DeviceRecord> + use<> {
    let nearest = record.pci.parent.and_then(find_first);
    core::iter::successors(nearest, |bridge| bridge.pci.parent.and_then(find_first))
        .take(usize::from(u8::MAX))
}

/// Tells whether a function stands below a bridge.
fn is_below(record: &DeviceRecord, bridge: Bdf) -> bool {
    above(record).any(|parent| parent.bdf == bridge)
}
