//! A device that writes on, whatever becomes of it: while it is cut off, and for ten seconds after its release.

use std::time::Duration;

use serde_json::json;

use super::Trick;
use crate::Error;
use crate::evil::arena::Place;
use crate::evil::faithful::{Faithful, Found, is_served};
use crate::evil::{Stage, bdf};

const SLOT: u8 = 0x10;
/// How long it writes on after its release.
const LATER: Duration = Duration::from_secs(10);

/// Has a device cut off for what it writes, and released.
pub(super) fn play<D: Faithful<Trick = Trick>>(stage: &Stage) -> Result<Found, Error> {
    // A storm would cut it off again.
    let mut setup = stage.setup()?.without_default_devices().options("policy=log storm=off drill=off");
    let device = D::plug(&mut setup, Place::RootBus(SLOT), Trick::WritesOn)?;
    let name = bdf(0, SLOT);
    let mut arena = setup.start()?;
    arena.go()?;
    let served = is_served::<D>(&mut arena, SLOT, &D::uses(&name))?;
    arena.run_command(&format!("policy {name} contain"))?;
    let cut_off = arena.wait_for_state(&name, "quarantined")?;
    arena.run_command(&format!("policy {name} log"))?;
    let before = device.deeds().tried;
    arena.run_command(&format!("release {name}"))?;
    let released = arena.wait_for_state(&name, "assigned")?;
    let served_again = is_served::<D>(&mut arena, SLOT, &D::uses(&name))?;
    std::thread::sleep(LATER);
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    let deeds = device.deeds();
    let after = deeds.tried - before;
    // Whether its requests come through among all those faults is not judged.
    let steps = [served, cut_off, released];
    let good = steps == [true; 3] && after > 0 && deeds.landed.is_empty() && enforces && life.is_good();
    let figures = json!({
        "landed": deeds.landed.iter().map(|at| format!("{at:#x}")).collect::<Vec<_>>(),
        "before": before,
        "after": after,
        "served, cut off, released": steps,
        "served again": served_again,
    });
    let came = format!("{} of {} landed, {after} after its release, {life}", deeds.landed.len(), deeds.tried);
    Ok(vec![("writes on, cut off, and ten seconds after its release".to_owned(), came, good, figures)])
}
