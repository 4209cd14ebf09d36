//! A device that is plugged into a running machine.

use std::time::Duration;

use super::slot::tempting_card;
use crate::Error;
use crate::evil::arena::{Arena, Place};
use crate::evil::finding::Findings;
use crate::evil::power_on::tell_refused;
use crate::evil::sweep::{Reach, Sweep, pages, sweep};
use crate::evil::{Outcome, Stage, bdf};
use crate::qemu::config_space;

/// The root port's slot on bus 0, and the bus below it.
const PORT: u8 = 0x10;
const BUS: u8 = 1;
/// A function's command register and its bit for bus mastering.
const COMMAND: u64 = 4;
const BUS_MASTER: u32 = 1 << 2;
/// How long the kernel may take to notice.
const NOTICE: Duration = Duration::from_secs(2);
/// Requests between two looks at the machine.
const BATCH: usize = 256;
/// Of so many pages one is tried.
const STRIDE: usize = 16;

/// Plays the scenario.
pub(in crate::evil) fn late_arrival(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log drill=off").root_port(PORT);
    let (device, words) = setup.offer(Place::RootPort(PORT), tempting_card())?;
    let mut arena = setup.start()?;
    arena.go()?;
    arena.wait_for_prompt()?;
    arena.command("device_add", words)?;
    let port = device.port();
    let came = port.wait_connected(NOTICE);
    arena.hold_bus_master(BUS, 0)?;
    findings.add(
        "a device plugged in at the prompt",
        if came { "connected" } else { "not connected" },
        "the machine has it",
        Outcome::held_if(came),
    );
    let mut total = Sweep::default();
    for reach in [Reach::Read, Reach::Write] {
        let mut places = pages(arena.memory).step_by(STRIDE).peekable();
        while places.peek().is_some() {
            arena.hold_bus_master(BUS, 0)?;
            let found = sweep(&port, reach, places.by_ref().take(BATCH));
            total.add(found.map_err(|error| Error::Control(error.to_string()))?);
        }
    }
    tell_refused(findings, "its reads and writes all over memory", &total);
    tell_blocked(findings, &mut arena)?;
    let life = arena.power_off()?;
    findings.add("the kernel", life.to_string(), "lives", Outcome::held_if(life.is_good()));
    Ok(())
}

fn tell_blocked(findings: &mut Findings<'_>, arena: &mut Arena) -> Result<(), Error> {
    let name = bdf(BUS, 0);
    let told = arena.report().of_kind("fault").any(|fault| fault["requester"] == name.as_str());
    let closed = arena.outside.read32(config_space(0, PORT, 0) + COMMAND)? & BUS_MASTER == 0;
    findings.add(
        "what stopped its requests",
        match (told, closed) {
            (true, _) => "the unit, and the report names it",
            (false, true) => "its port, which is closed",
            (false, false) => "nobody says",
        },
        "the unit with a report, or its port",
        Outcome::held_if(told || closed),
    );
    let assigned = arena
        .report()
        .of_kind("device")
        .any(|line| line["bdf"] == name.as_str() && line["state"] == "assigned");
    findings.add(
        "the newcomer's state",
        if assigned { "it has a driver" } else { "never assigned" },
        "never assigned",
        Outcome::held_if(!assigned),
    );
    Ok(())
}
