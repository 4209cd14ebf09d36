//! Devices that lie in their configuration space.

use std::time::Duration;

use dma_types::INTERRUPT_RANGE;
use serde_json::json;

use super::arena::{Arena, Place};
use super::faithful::is_assigned;
use super::finding::Findings;
use super::liar::Forced::{Neighbour, Value};
use super::liar::{Forced, Lie, Shown, TRUTH, overlay};
use super::nvme::{Controller, Trick};
use super::sweep::{Reach, Sweep, pages, sweep};
use super::{Outcome, Stage, bdf};
use crate::Error;
use crate::qemu::config_space;

/// The slot of the honest device; the others follow.
const FIRST_SLOT: u8 = 0x10;
/// Liars in one machine: as many as there are free slots.
const AT_ONCE: usize = 14;
/// Of so many pages one is tried, so many in a batch.
const STRIDE: usize = 64;
const BATCH: usize = 64;
/// How long a fault may take from the unit to the report, and batches that are tried again for one.
const DRAIN: Duration = Duration::from_millis(20);
const TRIES: usize = 50;

/// Where the capabilities of these devices stand: PCI Express, power management, MSI-X.
const EXPRESS: usize = 0x40;
const POWER: usize = 0x7c;
const MSIX: usize = 0x84;

/// A lie about the capability list, which is wholly the device's.
const fn list(name: &'static str, tell: fn(u64, usize, &mut [u8])) -> Lie {
    Lie { name, shown: Shown::Nothing, tell, forced: &[] }
}

/// A lie of a device whose interrupts work.
const fn plain(name: &'static str, tell: fn(u64, usize, &mut [u8])) -> Lie {
    Lie { name, shown: Shown::Capabilities, tell, forced: &[] }
}

/// A window somewhere that is not the device's.
const fn window(name: &'static str, forced: &'static [(u64, Forced)]) -> Lie {
    Lie { name, shown: Shown::Capabilities, tell: |_, _, _| (), forced }
}

/// A bridge, with the numbers of its buses where QEMU keeps the third window.
const fn bridge(name: &'static str, forced: &'static [(u64, Forced)]) -> Lie {
    Lie { name, shown: Shown::Nothing, tell: |_, at, data| overlay(at, data, 0x0e, &[1]), forced }
}

/// Where the display has its registers.
const DISPLAY_REGISTERS: Forced = Neighbour { slot: 1, register: 0x18 };

/// An MSI-X capability that says this of its table, while the unused window lies over the unit's registers.
const MSIX_OVER_THE_UNIT: Lie = Lie {
    name: "MSI-X table over the unit's registers",
    shown: Shown::Nothing,
    tell: |_, at, data| overlay(at, data, MSIX + 4, &[0x14, 0, 0, 0]),
    forced: &[(0x20, Value(0xfed9_0000))],
};

/// All lies.
const LIES: &[Lie] = &[
    list("a capability that points to itself", |_, at, data| overlay(at, data, EXPRESS + 1, &[0x40])),
    list("two capabilities that point to each other", |_, at, data| overlay(at, data, MSIX + 1, &[0x40])),
    list("a list that begins in the header", |_, at, data| overlay(at, data, 0x34, &[0x04])),
    list("a list that begins at the last byte", |_, at, data| overlay(at, data, 0x34, &[0xff])),
    list("a pointer that is not aligned", |_, at, data| overlay(at, data, 0x34, &[0x43])),
    list("a list of ones", |_, at, data| overlay(at, data, EXPRESS, &[0xff; 0x80])),
    list("every capability MSI-X", |_, at, data| {
        for place in [EXPRESS, POWER] {
            overlay(at, data, place, &[0x11]);
        }
    }),
    list("an extended list that points to itself", |_, at, data| overlay(at, data, 0x100, &[1, 0, 1, 0x10])),
    list("an extended list into the header", |_, at, data| overlay(at, data, 0x100, &[1, 0, 1, 0x04])),
    list("an extended list of ones", |_, at, data| overlay(at, data, 0x100, &[0xff; 64])),
    list("an extended list that changes at each look", |looks, at, data| {
        overlay(at, data, 0x100, &[1, 0, 1, (looks as u8) << 4 | 1]);
    }),
    list("MSI-X in a window that cannot be", |_, at, data| overlay(at, data, MSIX + 4, &[0x07])),
    list("MSI-X in a window that is not there", |_, at, data| overlay(at, data, MSIX + 4, &[0x05])),
    list("MSI-X far outside its window", |_, at, data| {
        overlay(at, data, MSIX + 4, &[0xf8, 0xff, 0xff, 0xff]);
    }),
    list("MSI-X of 2,048 vectors in a small window", |_, at, data| {
        overlay(at, data, MSIX + 2, &[0xff, 0x07])
    }),
    list("MSI-X table over the device's own doorbells", |_, at, data| {
        overlay(at, data, MSIX + 4, &[0, 0x10, 0, 0]);
    }),
    list("pending bits outside their window", |_, at, data| {
        overlay(at, data, MSIX + 8, &[0xf8, 0xff, 0xff, 0x7f]);
    }),
    list("MSI-X that moves at each look", |looks, at, data| {
        overlay(at, data, MSIX + 4, &[0, (looks as u8) << 4, 0, 0]);
    }),
    MSIX_OVER_THE_UNIT,
    list("an endpoint that calls itself a root port", |_, at, data| overlay(at, data, EXPRESS + 2, &[0x42])),
    list("an endpoint that calls itself a bridge to PCI", |_, at, data| {
        overlay(at, data, EXPRESS + 2, &[0x72]);
    }),
    list("a PCI Express version that cannot be", |_, at, data| overlay(at, data, EXPRESS + 2, &[0xff, 0xff])),
    list("power state D3 that sticks", |_, at, data| overlay(at, data, POWER + 4, &[0x03])),
    list("a reset that never ends", |_, at, data| overlay(at, data, EXPRESS + 10, &[0x20])),
    plain("header type 0x7f", |_, at, data| overlay(at, data, 0x0e, &[0x7f])),
    plain("the header of a card bus", |_, at, data| overlay(at, data, 0x0e, &[0x02])),
    plain("a header that changes at each look", |looks, at, data| {
        overlay(at, data, 0x0e, &[(looks & 1) as u8]);
    }),
    bridge("a bridge to all buses", &[(0x18, Value(0x00ff_0100))]),
    bridge("a bridge to bus 0", &[(0x18, Value(0x0000_0000))]),
    bridge("a bridge whose buses are upside down", &[(0x18, Value(0x0002_0500))]),
    bridge("a bridge to the last bus", &[(0x18, Value(0x00ff_ff00))]),
    plain("ids that change at each look", |looks, at, data| overlay(at, data, 0, &looks.to_le_bytes()[..4])),
    plain("no vendor", |_, at, data| overlay(at, data, 0, &[0xff; 4])),
    plain("ones, after forty looks", |looks, _, data| {
        if looks > 40 {
            data.fill(0xff);
        }
    }),
    plain("ones everywhere", |_, _, data| data.fill(0xff)),
    plain("zeros everywhere", |_, _, data| data.fill(0)),
    plain("\"ask again later\" for ever", |_, at, data| overlay(at, data, 0, &[1, 0, 0xff, 0xff])),
    plain("another class at each look", |looks, at, data| overlay(at, data, 0x09, &looks.to_le_bytes()[..3])),
    plain("something else everywhere at each look", |looks, at, data| {
        let noise = (looks ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        data.iter_mut().zip(noise).for_each(|(byte, noise)| *byte = noise);
    }),
    plain("bus mastering that cannot be switched off", |_, at, data| overlay(at, data, 4, &[0x06])),
    plain("bus mastering that cannot be switched on", |_, at, data| overlay(at, data, 4, &[0x02])),
    plain("memory that cannot be switched on", |_, at, data| overlay(at, data, 4, &[0x04])),
    plain("every error at once", |_, at, data| overlay(at, data, 6, &[0xff, 0xff])),
    window("a window over the unit's registers", &[(0x20, Value(0xfed9_0000))]),
    window("a window over configuration space", &[(0x20, Value(0xb000_0000))]),
    window("a window over the local APIC", &[(0x20, Value(INTERRUPT_RANGE.start as u32))]),
    window("a window over the I/O APIC", &[(0x20, Value(0xfec0_0000))]),
    window("a window over the HPET", &[(0x20, Value(0xfed0_0000))]),
    window("a window over the TPM", &[(0x20, Value(0xfed4_0000))]),
    window("a window over memory", &[(0x20, Value(0x0010_0000))]),
    window("a window over the firmware", &[(0x20, Value(0xffff_f000))]),
    window("a window over the display's registers", &[(0x20, DISPLAY_REGISTERS)]),
    window("its registers over the unit's", &[(0x10, Value(0xfed9_0000)), (0x14, Value(0))]),
    window("its registers in memory", &[(0x10, Value(0x0020_0000)), (0x14, Value(0))]),
    window("its registers nowhere", &[(0x10, Value(0)), (0x14, Value(0))]),
    window(
        "its registers at the end of all addresses",
        &[(0x10, Value(0xffff_c000)), (0x14, Value(0xffff_ffff))],
    ),
];

/// Plays the scenario: many liars in each machine, an honest device among them.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    LIES.chunks(AT_ONCE).try_for_each(|lies| together(stage, findings, lies))
}

fn together(stage: &Stage, findings: &mut Findings<'_>, lies: &[Lie]) -> Result<(), Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log drill=off");
    let honest = Controller::plug(&mut setup, Place::RootBus(FIRST_SLOT), TRUTH, Trick::None)?;
    let liars: Vec<_> = (FIRST_SLOT + 1..)
        .zip(lies)
        .map(|(slot, lie)| {
            Controller::plug(&mut setup, Place::RootBus(slot), *lie, Trick::None)
                .map(|card| (slot, *lie, card))
        })
        .collect::<Result<_, _>>()?;
    let mut arena = setup.start()?;
    arena.go()?;
    force(&mut arena, &liars)?;
    arena.run_command(&format!("disk read {} 1 0 64", bdf(0, FIRST_SLOT)))?;
    let mut reached = Vec::new();
    for (slot, lie, liar) in &liars {
        reached.push((*slot, *lie, reach(&mut arena, *slot, liar)?));
    }
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    if (!life.is_good() || !enforces) && lies.len() > 1 {
        // Somebody among them did it: each gets a machine of its own.
        return lies.iter().try_for_each(|lie| together(stage, findings, std::slice::from_ref(lie)));
    }
    let served = honest.deeds().commands;
    findings.add(
        "an honest device beside them",
        format!("{served} commands"),
        "is served and serves",
        Outcome::held_if(is_assigned(&arena, FIRST_SLOT) && served > 4),
    );
    for (slot, lie, Reached { sweep: Sweep { tried, landed }, faults }) in reached {
        let name = bdf(0, slot);
        let has_driver = is_assigned(&arena, slot);
        let state = if has_driver { "has a driver" } else { "has none" };
        let enforcing = if enforces { "" } else { ", the unit is off" };
        let came = format!("{} of {tried} landed, {faults} faults, {state}, {life}{enforcing}", landed.len());
        // What is refused with bus mastering on, the unit refuses, and says so. Who lies about windows is never served.
        let refused = landed.is_empty() && (tried == 0 || faults > 0) && enforces;
        let kept_out = lie.forced.is_empty() || !has_driver;
        let good = refused && kept_out && life.is_good();
        let landed: Vec<_> = landed.iter().map(|at| format!("{at:#x}")).collect();
        let figures = json!({"bdf": name, "tried": tried, "landed": landed, "faults": faults});
        findings.add_with(lie.name, came, "nothing lands, the kernel lives", Outcome::held_if(good), figures);
    }
    Ok(())
}

/// Puts what QEMU answers for into its registers, once firmware has placed the devices and before the kernel looks.
fn force(arena: &mut Arena, liars: &[(u8, Lie, Controller)]) -> Result<(), Error> {
    while arena.runs()? && !liars.iter().all(|(.., liar)| liar.is_placed()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    for (slot, lie, _) in liars {
        for (register, value) in lie.forced {
            let value = match *value {
                Value(value) => value,
                Neighbour { slot, register } => arena.outside.read32(config_space(0, slot, 0) + register)?,
            };
            arena.outside.write32(config_space(0, *slot, 0) + register, value)?;
        }
    }
    Ok(())
}

/// What a liar reached, and how many faults were told of it.
struct Reached {
    sweep: Sweep,
    faults: usize,
}

/// Lets a liar write all over memory, where nothing is live for it, with its bus-master bit set again before every batch:
/// what is refused then, the unit refuses. A fault may be lost beside another device's, so the liar goes on until one was
/// told of it, or it has had its tries.
fn reach(arena: &mut Arena, slot: u8, liar: &Controller) -> Result<Reached, Error> {
    let (port, name) = (liar.port(), bdf(0, slot));
    let strange: Vec<u64> = port.with_books(|books| {
        pages(arena.memory).step_by(STRIDE).filter(|page| books.at(*page).is_none()).collect()
    });
    let (all, more) = (strange.chunks(BATCH), strange.chunks(BATCH).cycle().take(TRIES));
    let mut reached = Reached { sweep: Sweep::default(), faults: 0 };
    for (batch, number) in all.chain(more).zip(1..) {
        if !port.is_connected() || (reached.faults > 0 && number > strange.len().div_ceil(BATCH)) {
            break;
        }
        arena.hold_bus_master(0, slot)?;
        let found = sweep(&port, Reach::Write, batch.iter().copied());
        reached.sweep.add(found.map_err(|error| Error::Control(error.to_string()))?);
        std::thread::sleep(DRAIN);
        arena.runs()?;
        let faults = arena.report().of_kind("fault");
        reached.faults = faults.filter(|fault| fault["requester"] == name.as_str()).count();
    }
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_forty_lies_and_more_each_with_a_name_of_its_own() {
        assert!(LIES.len() >= 40);
        for (index, lie) in LIES.iter().enumerate() {
            assert!(LIES[..index].iter().all(|other| other.name != lie.name), "{}", lie.name);
        }
    }

    #[test]
    fn capabilities_stand_where_the_lies_expect_them() {
        let (sender, _news) = std::sync::mpsc::channel();
        let card = super::super::nvme::NvmeCard::new(sender, Trick::None);
        let places = [0x10, 0x01, 0x11].map(|id| card.plain.config.capability_offset(id));
        assert_eq!(places, [Some(EXPRESS), Some(POWER), Some(MSIX)]);
    }
}
