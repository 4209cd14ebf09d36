//! A device goes without a word, at every stage of its driver's life: it answers nothing any more, while its slot still
//! says that something is there. QEMU 11.1 ends itself where the slot of such a device is switched off.

use std::time::Duration;

use super::memory::{Memory, Taken};
use super::slot::tempting_card;
use crate::Error;
use crate::evil::arena::{Arena, Place};
use crate::evil::finding::Findings;
use crate::evil::liar::TRUTH;
use crate::evil::nvme::{Controller, Step, Trick};
use crate::evil::{Outcome, Stage, bdf};

/// The slot of the honest controller, which stays; the ports of those that go follow.
const HONEST: u8 = 0x10;
const FIRST_PORT: u8 = 0x11;
/// Where nothing is ever mapped.
const NOWHERE: u64 = 0x7000_0000_0000;
/// How often a device is looked at until it has come to its stage.
const POLL: Duration = Duration::from_millis(2);
/// What a removal may cost, of each: nothing. A drill keeps the targets of its attacks until the power goes, for a look
/// from outside: those of two devices, eight each, and a line about each.
const NOTHING: Taken = Taken { frames: 0, heap_bytes: 0, mappings: 0 };
const TARGETS: Taken = Taken { frames: 16, heap_bytes: 4096, mappings: 0 };

/// A device that is to go.
struct Victim {
    name: String,
    controller: Controller,
}

/// A stage of a driver's life: in words, what the device does differently for it, and how it is brought there; that tells
/// whether it has come.
struct Life {
    stage: &'static str,
    trick: Trick,
    come: fn(&mut Arena, &Victim) -> Result<bool, Error>,
}

impl Life {
    const fn new(
        stage: &'static str,
        trick: Trick,
        come: fn(&mut Arena, &Victim) -> Result<bool, Error>,
    ) -> Self {
        Self { stage, trick, come }
    }
}

/// Stages at the kernel's start, in the order in which a driver passes them.
const AT_START: [Life; 3] = [
    Life::new("while it is reset, before it is claimed", Trick::StopsAt(Step::Reset), has_stopped),
    Life::new("while its queues are created", Trick::StopsAt(Step::QueueCreation), has_stopped),
    Life::new("while it is asked what it is", Trick::StopsAt(Step::Identify), has_stopped),
];

/// Stages of a driver at work, with the memory that may stay taken.
const AT_WORK: [(Life, Taken); 5] = [
    (Life::new("while nothing happens", Trick::None, |_, _| Ok(true)), NOTHING),
    (Life::new("with a read in flight", Trick::StopsAt(Step::Read), reads), NOTHING),
    (Life::new("when it has been contained", Trick::None, is_contained), NOTHING),
    (Life::new("when it has been released", Trick::None, is_released), NOTHING),
    (Life::new("during a drill", Trick::None, drills), TARGETS),
];

/// Plays the scenario.
pub(in crate::evil) fn surprise_removal(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    without_a_driver(stage, findings)?;
    while_drivers_start(stage, findings)?;
    at_work(stage, findings)?;
    super::rounds::plugs_and_pulls(stage, findings)
}

/// Waits for a moment; false if the machine ended before it came.
type Wait = fn(&mut Arena) -> Result<bool, Error>;

/// A device that no driver takes goes.
fn without_a_driver(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let moments: [(&str, Wait); 2] = [
        ("once the kernel says `protected`", |arena| {
            arena.wait_for(|report, _| report.protected().next().is_some())
        }),
        ("at the prompt", Arena::wait_for_prompt),
    ];
    for (moment, wait) in moments {
        let mut setup = stage.setup()?.without_default_devices().options(OPTIONS).root_port(FIRST_PORT);
        let device = setup.plug(Place::RootPort(FIRST_PORT), tempting_card())?;
        let mut arena = setup.start()?;
        arena.go()?;
        let was_there = wait(&mut arena)? && device.port().is_connected();
        drop(device);
        let life = arena.power_off()?;
        findings.add(
            format!("a device gone {moment}"),
            if was_there { life.to_string() } else { "it had never been there".to_owned() },
            "the kernel lives",
            Outcome::held_if(was_there && life.is_good()),
        );
    }
    Ok(())
}

/// Devices go one after the other while their drivers start; an honest one starts beside them.
fn while_drivers_start(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (mut arena, honest, victims) = machine(stage, AT_START.iter().map(|life| life.trick))?;
    arena.go()?;
    let mut gone = Vec::new();
    for (life, victim) in AT_START.iter().zip(victims) {
        let (name, came) = (victim.name.clone(), (life.come)(&mut arena, &victim)?);
        gone.push((life, came && take_out(&mut arena, victim)?, name));
    }
    let served = serves(&mut arena, &honest)?;
    for (life, left, name) in &gone {
        let reach = reach_of(&mut arena, name)?;
        findings.add(
            format!("a device gone {}", life.stage),
            format!("{}, it can reach {}", noticed(*left), reach.as_deref().unwrap_or("what nobody says")),
            "noticed, it can reach nothing",
            Outcome::held_if(*left && reach.as_deref() == Some("nothing")),
        );
    }
    tell_of_the_rest(findings, &mut arena, served)
}

/// Devices go one after the other while drivers work with them. Each costs no memory that stays taken.
fn at_work(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (mut arena, honest, victims) = machine(stage, AT_WORK.iter().map(|(life, _)| life.trick))?;
    arena.go()?;
    arena.wait_for_prompt()?;
    for ((life, cost), victim) in AT_WORK.iter().zip(victims) {
        let before = Memory::ask(&mut arena)?;
        let (name, came) = (victim.name.clone(), (life.come)(&mut arena, &victim)?);
        let left = came && take_out(&mut arena, victim)?;
        // The prompt may come late: what was under way ends first.
        let after = Memory::ask(&mut arena)?;
        let taken = before.zip(after).map(|(before, after)| before.taken_until(after));
        let reach = reach_of(&mut arena, &name)?;
        let words = taken.map_or_else(|| "the kernel does not say".to_owned(), |taken| taken.to_string());
        let kept = taken.is_some_and(|taken| taken.is_within(*cost));
        findings.add(
            format!("a device gone {}", life.stage),
            format!("{}, {words}", noticed(left)),
            format!("noticed, {cost} at most"),
            Outcome::held_if(left && kept && reach.is_some()),
        );
    }
    let served = serves(&mut arena, &honest)?;
    tell_of_the_rest(findings, &mut arena, served)
}

const OPTIONS: &str = "policy=log drill=off";

/// A machine with an honest controller, and one for each stage below a root port of its own.
fn machine(
    stage: &Stage,
    tricks: impl Iterator<Item = Trick>,
) -> Result<(Arena, Controller, Vec<Victim>), Error> {
    let mut setup = stage.setup()?.without_default_devices().options(OPTIONS);
    let honest = Controller::plug(&mut setup, Place::RootBus(HONEST), TRUTH, Trick::None)?;
    let mut victims = Vec::new();
    for ((port, bus), trick) in (FIRST_PORT..).zip(1..).zip(tricks) {
        setup = setup.root_port(port);
        let controller = Controller::plug(&mut setup, Place::RootPort(port), TRUTH, trick)?;
        victims.push(Victim { name: bdf(bus, 0), controller });
    }
    Ok((setup.start()?, honest, victims))
}

/// Lets a device go, and waits until the kernel has noticed.
fn take_out(arena: &mut Arena, victim: Victim) -> Result<bool, Error> {
    drop(victim.controller);
    let name = victim.name.trim_start_matches("0000:");
    arena.wait_for(|_, console| {
        console.lines().any(|line| line.contains(name) && line.contains("has left, and is blocked"))
    })
}

fn noticed(left: bool) -> &'static str {
    if left { "noticed" } else { "not noticed" }
}

/// What the kernel says that a device can reach: "nothing", or the mappings; `None` if it does not answer.
fn reach_of(arena: &mut Arena, name: &str) -> Result<Option<String>, Error> {
    let said = arena.run_command(&format!("mappings {name}"))?;
    Ok(said.map(|said| {
        if said.contains("can reach nothing") {
            "nothing".to_owned()
        } else {
            said.lines().count().to_string()
        }
    }))
}

/// Whether the honest controller still serves.
fn serves(arena: &mut Arena, honest: &Controller) -> Result<bool, Error> {
    let before = honest.deeds().commands;
    arena.run_command(&format!("disk read {} 1 0 8", bdf(0, HONEST)))?;
    Ok(honest.deeds().commands > before)
}

fn tell_of_the_rest(findings: &mut Findings<'_>, arena: &mut Arena, served: bool) -> Result<(), Error> {
    let life = arena.power_off()?;
    let serving = if served { "serves" } else { "does not serve" };
    findings.add(
        "an honest device beside them",
        format!("{serving}, {life}"),
        "serves, the kernel lives",
        Outcome::held_if(served && life.is_good()),
    );
    Ok(())
}

/// Waits until a device has come to the step at which it falls silent.
fn has_stopped(arena: &mut Arena, victim: &Victim) -> Result<bool, Error> {
    while !victim.controller.has_stopped() && arena.runs()? {
        std::thread::sleep(POLL);
    }
    Ok(victim.controller.has_stopped())
}

fn reads(arena: &mut Arena, victim: &Victim) -> Result<bool, Error> {
    arena.type_line(&format!("disk read {} 1 0 64", victim.name))?;
    has_stopped(arena, victim)
}

/// Has a device contained for one request to nowhere.
fn is_contained(arena: &mut Arena, victim: &Victim) -> Result<bool, Error> {
    arena.run_command(&format!("policy {} contain", victim.name))?;
    let refused = victim.controller.port().write(NOWHERE, b"intruder").is_err();
    Ok(refused && arena.wait_for_state(&victim.name, "quarantined")?)
}

fn is_released(arena: &mut Arena, victim: &Victim) -> Result<bool, Error> {
    if !is_contained(arena, victim)? {
        return Ok(false);
    }
    arena.run_command(&format!("release {}", victim.name))?;
    arena.wait_for_state(&victim.name, "assigned")
}

/// Starts a drill, and waits for the first that it says of the device.
fn drills(arena: &mut Arena, victim: &Victim) -> Result<bool, Error> {
    arena.type_line("drill")?;
    arena.wait_for(|report, _| report.of_kind("drill").any(|drill| drill["bdf"] == victim.name.as_str()))
}
