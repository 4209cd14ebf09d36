//! Everything at once, by chance.

use dma_types::INTERRUPT_RANGE;
use serde_json::json;
use vfio_device::{DmaError, Port};

use super::arena::{Arena, Place};
use super::faithful::is_assigned;
use super::finding::Findings;
use super::liar::TRUTH;
use super::nvme::{Controller, Trick};
use super::random::Random;
use super::sweep::PAGE;
use super::{Outcome, Stage, bdf};
use crate::Error;

const FIRST_SLOT: u8 = 0x10;
const HOSTILE: u8 = 4;
/// Steps between two commands of the kernel's, and between two changes of the hostile device.
const STEPS_A_COMMAND: u64 = 250;

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log storm=off drill=off");
    let honest = Controller::plug(&mut setup, Place::RootBus(FIRST_SLOT), TRUTH, Trick::None)?;
    let hostile: Vec<_> = (FIRST_SLOT + 1..=FIRST_SLOT + HOSTILE)
        .map(|slot| {
            Controller::plug(&mut setup, Place::RootBus(slot), TRUTH, Trick::Moody).map(|card| (slot, card))
        })
        .collect::<Result<_, _>>()?;
    let mut arena = setup.start()?;
    arena.go()?;
    arena.wait_for_prompt()?;
    let mut random = Random::new(stage.seed);
    let (mut tried, mut landed, mut steps) = (0, Vec::new(), 0);
    while steps < stage.steps && arena.runs()? && arena.report().bugcheck().is_none() {
        if steps % STEPS_A_COMMAND == 0 {
            command(&mut arena, &mut random)?;
            for (slot, _) in &hostile {
                arena.hold_bus_master(0, *slot)?;
            }
        }
        steps += 1;
        let (_, device) = &hostile[usize::try_from(random.below(HOSTILE.into())).unwrap_or(0)];
        match step(device, &device.port(), &mut random) {
            Step::Refused => tried += 1,
            Step::Landed(address) => {
                tried += 1;
                landed.push(format!("step {steps}: {address:#x}"));
            }
            Step::Other => (),
        }
    }
    let deeds: Vec<_> = hostile.iter().map(|(_, device)| device.deeds()).collect();
    let beside = deeds.iter().map(|deeds| deeds.landed.len()).sum::<usize>();
    tried += deeds.iter().map(|deeds| deeds.tried).sum::<usize>();
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    findings.add_with(
        format!("{steps} steps of chance"),
        format!("{} of {tried} landed, {life}", landed.len() + beside),
        "nothing lands, the kernel lives",
        Outcome::held_if(landed.is_empty() && beside == 0 && tried > 0 && enforces && life.is_good()),
        json!({"seed": stage.seed, "steps": steps, "tried": tried, "landed": landed}),
    );
    let served = honest.deeds().commands;
    findings.add(
        "an honest device beside them",
        format!("{served} commands"),
        "is served and serves",
        Outcome::held_if(is_assigned(&arena, FIRST_SLOT) && served > 4),
    );
    Ok(())
}

/// Has the kernel use one of the devices.
fn command(arena: &mut Arena, random: &mut Random) -> Result<(), Error> {
    let slot = FIRST_SLOT + random.below(u64::from(HOSTILE) + 1) as u8;
    let blocks = 1 + random.below(64);
    arena.run_command(&format!("disk read {} 1 {} {blocks}", bdf(0, slot), random.below(64))).map(|_| ())
}

enum Step {
    Refused,
    Landed(u64),
    Other,
}

fn step(device: &Controller, port: &Port, random: &mut Random) -> Step {
    match random.below(8) {
        0 => {
            // A vector that is not enabled raises nothing.
            let _ = port.raise(random.below(4) as u32);
            Step::Other
        }
        1 => {
            device.change_config(random.below(256) as usize, random.next() as u8);
            Step::Other
        }
        2 => {
            device.change_register(random.below(0x40) as usize, random.next() as u8);
            Step::Other
        }
        choice => reach(port, random, choice % 2 == 0),
    }
}

/// One access somewhere: near what is live, in memory, or anywhere.
fn reach(port: &Port, random: &mut Random, writes: bool) -> Step {
    let live: Vec<u64> = port.with_books(|books| books.live().map(|(first, ..)| first).collect());
    let near = live.get(random.below(live.len() as u64) as usize);
    let address = match (random.below(3), near) {
        (0, Some(start)) => start.wrapping_add(random.below(64) * PAGE).wrapping_sub(16 * PAGE),
        (1, _) => random.below(128 << 20),
        _ => random.next() >> random.below(40),
    } & !7;
    let may = || {
        port.with_books(|books| books.at(address))
            .is_some_and(|may| if writes { may.writes() } else { may.reads() })
    };
    if may() || INTERRUPT_RANGE.contains(&address) {
        return Step::Other;
    }
    let outcome = if writes { port.write(address, b"intruder") } else { port.read(address, 8).map(|_| ()) };
    match outcome {
        Ok(()) if !may() => Step::Landed(address),
        Err(DmaError::Refused(_)) => Step::Refused,
        Ok(()) | Err(_) => Step::Other,
    }
}
