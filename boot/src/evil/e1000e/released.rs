//! A card that is cut off, released, good for ten seconds, and then hostile again.

use std::time::Duration;

use serde_json::{Value, json};

use super::NetworkCard;
use super::trick::Trick;
use crate::Error;
use crate::evil::arena::{Arena, Place};
use crate::evil::faithful::{Faithful, Found, is_served};
use crate::evil::neighbour::connect;
use crate::evil::{Stage, bdf};

/// The slots of the honest card and of the other.
const HONEST: u8 = 0x10;
const HOSTILE: u8 = 0x11;
/// Longer than the card is good.
const WAIT: Duration = Duration::from_secs(12);

/// Plays it, under the policy by which a device is cut off at its first fault.
pub(super) fn play(stage: &Stage) -> Result<Found, Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=contain drill=off");
    let honest = NetworkCard::plug(&mut setup, Place::RootBus(HONEST), Trick::None)?;
    let hostile = NetworkCard::plug(&mut setup, Place::RootBus(HOSTILE), Trick::AfterRelease)?;
    let mut arena = setup.start()?;
    arena.go()?;
    let use_card = |arena: &mut Arena, slot| is_served::<NetworkCard>(arena, slot, &[connect(&bdf(0, slot))]);
    arena.run_command(&connect(&bdf(0, HOSTILE)))?;
    let is_cut_off = |arena: &Arena| arena.state(&bdf(0, HOSTILE)) == Some("quarantined");
    let cut_off = is_cut_off(&arena);
    let before = hostile.deeds();
    arena.run_command(&format!("release {}", bdf(0, HOSTILE)))?;
    let served_again = use_card(&mut arena, HOSTILE)?;
    std::thread::sleep(WAIT);
    let honest_served = use_card(&mut arena, HONEST)?;
    let cut_off_again = is_cut_off(&arena);
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    let after = hostile.deeds();
    let held = life.is_good() && enforces && after.landed.is_empty();
    let figures = json!({"landed": after.landed.len(), "tried": after.tried});
    Ok(vec![
        (
            "is cut off at its first write that it may not make".to_owned(),
            format!("{} of {} landed, {}", before.landed.len(), before.tried, word(cut_off)),
            cut_off && before.tried > 0,
            Value::Null,
        ),
        (
            "works again once it is released".to_owned(),
            if served_again { "served" } else { "not served" }.to_owned(),
            served_again,
            Value::Null,
        ),
        (
            "writes what it had ten seconds after its release".to_owned(),
            format!("{} of {} landed, {}, {life}", after.landed.len(), after.tried, word(cut_off_again)),
            held && cut_off_again && after.tried > before.tried,
            figures,
        ),
        (
            "an honest card beside it".to_owned(),
            format!("{} frames", honest.deeds().commands),
            honest_served,
            Value::Null,
        ),
    ])
}

fn word(cut_off: bool) -> &'static str {
    if cut_off { "cut off" } else { "not cut off" }
}
