//! A controller that was contained and released, and still tries the addresses that it knew before.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use vfio_device::{Change, Port};

use super::{Controller, Trick};
use crate::Error;
use crate::evil::arena::{Arena, Place};
use crate::evil::faithful::Found;
use crate::evil::liar::TRUTH;
use crate::evil::sweep::{Reach, Sweep, sweep};
use crate::evil::{Stage, bdf};

const SLOT: u8 = 0x10;
/// Where nothing is ever mapped.
const NOWHERE: u64 = 0x7000_0000_0000;
/// How long the controller lies in wait.
const LATER: Duration = Duration::from_secs(10);

/// Has a controller contained and released, and lets it try its old addresses in between, at once, and later.
pub(super) fn play(stage: &Stage) -> Result<Found, Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log drill=off");
    let controller = Controller::plug(&mut setup, Place::RootBus(SLOT), TRUTH, Trick::None)?;
    let (port, name) = (controller.port(), bdf(0, SLOT));
    let mut arena = setup.start()?;
    arena.go()?;
    let read = |arena: &mut Arena| {
        let before = controller.deeds().commands;
        arena.run_command(&format!("disk read {name} 1 0 64"))?;
        Ok::<_, Error>(controller.deeds().commands > before)
    };
    let mut tried = Vec::new();

    let served = read(&mut arena)?;
    let known = known(&port);
    arena.run_command(&format!("policy {name} contain"))?;
    // Refused, as it should be.
    let _ = port.write(NOWHERE, b"intruder");
    let contained = arena.wait_for_state(&name, "quarantined")?;
    // From here on what it tries is to be refused by the unit, and not to end in quarantine again.
    arena.run_command(&format!("policy {name} log"))?;
    tried.push(("while it is contained", try_again(&mut arena, &port, &known)?));

    arena.run_command(&format!("release {name}"))?;
    let released = arena.wait_for_state(&name, "assigned")?;
    tried.push(("once it is released", try_again(&mut arena, &port, &known)?));
    let served_again = read(&mut arena)?;
    std::thread::sleep(LATER);
    tried.push(("ten seconds after `release`", try_again(&mut arena, &port, &known)?));

    let served_at_last = read(&mut arena)?;
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    let mut found: Found = tried
        .into_iter()
        .map(|(when, sweep)| {
            (
                format!("tries its old addresses {when}"),
                format!("{} of {} landed, {life}", sweep.landed.len(), sweep.tried),
                sweep.landed.is_empty() && sweep.tried > 0 && contained && enforces && life.is_good(),
                json!({"tried": sweep.tried, "landed": sweep.landed}),
            )
        })
        .collect();
    found.push((
        "the same, at work before and after".to_owned(),
        format!("{} commands", controller.deeds().commands),
        served && released && served_again && served_at_last,
        json!({"contained": contained, "released": released}),
    ));
    Ok(found)
}

/// Every address that it was given so far.
fn known(port: &Port) -> BTreeSet<u64> {
    let books = port.books();
    let mapped = books.changes(0).iter().filter_map(|(_, change)| match change {
        Change::Mapped { start, .. } => Some(*start),
        Change::Unmapped { .. } => None,
    });
    mapped.collect()
}

/// Reads and writes where it knew its way and nothing is live for it now, as a device that ignores its bus-master bit.
fn try_again(arena: &mut Arena, port: &Port, known: &BTreeSet<u64>) -> Result<Sweep, Error> {
    let mut total = Sweep::default();
    for reach in [Reach::Read, Reach::Write] {
        arena.hold_bus_master(0, SLOT)?;
        let old: Vec<u64> =
            port.with_books(|books| known.iter().copied().filter(|at| books.at(*at).is_none()).collect());
        let found = sweep(port, reach, old);
        total.add(found.map_err(|error| Error::Control(error.to_string()))?);
    }
    Ok(total)
}
