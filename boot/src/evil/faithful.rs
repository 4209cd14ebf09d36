//! Devices that are faithful enough for a driver, and hostile in one thing each: several in a machine, an honest one of
//! the same kind among them.

use std::time::{Duration, Instant};

use report::Check;
use serde_json::{Value, json};

use super::arena::{Arena, Place, Setup};
use super::deeds::Deeds;
use super::finding::Findings;
use super::{Stage, bdf};
use crate::Error;
use crate::report::Report;

/// The slot of the honest device; the others follow.
const FIRST_SLOT: u8 = 0x10;
/// How long after a command's end the report may still be without what came of it.
const LAG: Duration = Duration::from_secs(60);

/// What becomes of a device, besides the harm that it does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// No driver takes it.
    Refused,
    /// Its driver uses it, and it serves.
    Served,
    /// Its driver has it, and finds that it does not serve.
    Unserved,
    /// It is cut off.
    CutOff,
    /// One of these, as chance has it.
    Any,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Served => "served",
            Self::Unserved => "found not to serve",
            Self::CutOff => "cut off",
            Self::Any => "any",
        }
    }

    /// What became of the device at a slot.
    fn of(arena: &Arena, slot: u8, served: bool) -> Self {
        match (arena.state(&bdf(0, slot)), served) {
            (Some("assigned"), true) => Self::Served,
            (Some("assigned"), false) => Self::Unserved,
            (Some("quarantined"), _) => Self::CutOff,
            _ => Self::Refused,
        }
    }

    /// Whether the kernel has said so of the device at a slot, to whoever reads its console. One that is cut off for a
    /// storm of faults may be told by those of its faults that were told, each with what was asked for.
    fn is_told(self, arena: &Arena, slot: u8) -> bool {
        let words: &[&str] = match self {
            Self::Refused => &["has no driver", "gets no driver"],
            Self::CutOff => &["cut off", "is masked", "contained"],
            Self::Served | Self::Unserved | Self::Any => return true,
        };
        let name = bdf(0, slot);
        let console = arena.console();
        let mut of_it = console.lines().filter(|line| line.contains(&name));
        let faulted = || arena.report().of_kind("fault").any(|fault| fault["bdf"] == name.as_str());
        of_it.any(|line| words.iter().any(|word| line.contains(word))) || (self == Self::CutOff && faulted())
    }
}

/// A device that a driver of the kernel's claims, once it is plugged in.
pub(super) trait Faithful: Sized {
    /// What a hostile device does that an honest one does not.
    type Trick: Copy + Send + Sync + 'static;
    /// No misbehaviour at all.
    const HONEST: Self::Trick;
    /// Every misbehaviour, with its words.
    const TRICKS: &'static [(Self::Trick, &'static str)];
    /// Hostile devices in one machine.
    const AT_ONCE: usize;

    /// Whether a driver has to wait for the end of its patience, so that the machine stands idle for long.
    fn tries_patience(trick: Self::Trick) -> bool;

    /// Plugs a device in.
    ///
    /// # Errors
    /// If it cannot be offered to the machine.
    fn plug(setup: &mut Setup<'_>, place: Place, trick: Self::Trick) -> Result<Self, Error>;

    /// What is typed so that the driver uses the device of that name.
    fn uses(bdf: &str) -> Vec<String>;

    /// What the device did so far.
    fn deeds(&self) -> Deeds;

    /// What has to become of a device.
    fn fate(_: Self::Trick) -> Fate {
        Fate::Any
    }

    /// How many of the commands that use the device a served one has a good check of; none if that is not looked at.
    const SERVICES: usize = 0;

    /// Whether a check of the report says that the device of that name served a command.
    fn is_service(_check: &Check<'_>, _bdf: &str) -> bool {
        false
    }
}

/// What was found of each device in a machine.
pub(super) type Found = Vec<(String, String, bool, Value)>;

/// Plays every misbehaviour of a kind of device, and beside them what is found of one that is cut off and released.
pub(super) fn play<D: Faithful>(
    stage: &Stage,
    findings: &mut Findings<'_>,
    released: fn(&Stage) -> Result<Found, Error>,
) -> Result<(), Error> {
    let found = std::thread::scope(|scope| {
        let released = scope.spawn(|| released(stage));
        play_tricks::<D>(stage, findings)?;
        released.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    findings.extend(found);
    Ok(())
}

/// Plays them in machines of several. Those that try a driver's patience get a machine each, all at a time: such machines
/// stand idle.
fn play_tricks<D: Faithful>(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (slow, quick): (Vec<_>, Vec<_>) = D::TRICKS.iter().partition(|(trick, _)| D::tries_patience(*trick));
    for tricks in quick.chunks(D::AT_ONCE) {
        findings.extend(together::<D>(stage, tricks)?);
    }
    let played = std::thread::scope(|scope| {
        let running: Vec<_> = slow
            .iter()
            .map(|trick| scope.spawn(|| together::<D>(stage, std::slice::from_ref(trick))))
            .collect();
        running.into_iter().map(|machine| machine.join()).collect::<Vec<_>>()
    });
    for machine in played {
        findings.extend(machine.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(())
}

fn together<D: Faithful>(stage: &Stage, tricks: &[(D::Trick, &str)]) -> Result<Found, Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log drill=off");
    let honest = D::plug(&mut setup, Place::RootBus(FIRST_SLOT), D::HONEST)?;
    let hostile: Vec<_> = (FIRST_SLOT + 1..)
        .zip(tricks)
        .map(|(slot, (trick, words))| {
            D::plug(&mut setup, Place::RootBus(slot), *trick).map(|device| (slot, *trick, *words, device))
        })
        .collect::<Result<_, _>>()?;
    let mut arena = setup.start()?;
    arena.go()?;
    use_device::<D>(&mut arena, FIRST_SLOT)?;
    let mut uses = Vec::new();
    for (slot, ..) in &hostile {
        uses.push(use_device::<D>(&mut arena, *slot)?);
    }
    // It still works after all that.
    let before = honest.deeds().commands;
    let last = use_device::<D>(&mut arena, FIRST_SLOT)?;
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    let commands = honest.deeds().commands;
    // The whole report is there now.
    let served = |slot, uses| services::<D>(arena.report(), slot) >= uses * D::SERVICES;
    let honest_served = served(FIRST_SLOT, 2);
    let mut found = vec![(
        "an honest device beside them".to_owned(),
        format!("{commands} commands, {}, {life}", Fate::of(&arena, FIRST_SLOT, honest_served).word()),
        is_assigned(&arena, FIRST_SLOT) && honest_served && before > 0 && commands > before,
        json!({"seconds": last.time.as_secs(), "said": last.said}),
    )];
    for ((slot, trick, words, device), used) in hostile.iter().zip(uses) {
        let deeds = device.deeds();
        let (fate, wanted) = (Fate::of(&arena, *slot, served(*slot, 1)), D::fate(*trick));
        let unharmed = life.is_good() && enforces && deeds.landed.is_empty();
        let good = unharmed && fate.is_told(&arena, *slot) && [fate, Fate::Any].contains(&wanted);
        let (landed, tried) = (deeds.landed.len(), deeds.tried);
        let came =
            format!("{landed} of {tried} landed, {} commands, {}, {life}", deeds.commands, fate.word());
        let figures = json!({
            "bdf": bdf(0, *slot),
            "landed": deeds.landed.iter().map(|at| format!("{at:#x}")).collect::<Vec<_>>(),
            "tried": deeds.tried,
            "commands": deeds.commands,
            "fate": fate.word(),
            "wanted": wanted.word(),
            "seconds": used.time.as_secs(),
            "said": used.said,
        });
        found.push(((*words).to_owned(), came, good, figures));
    }
    Ok(found)
}

/// What came of using a device.
struct Use {
    time: Duration,
    said: String,
}

/// Has the driver use the device at a slot.
fn use_device<D: Faithful>(arena: &mut Arena, slot: u8) -> Result<Use, Error> {
    arena.wait_for_prompt()?;
    let start = Instant::now();
    let mut said = String::new();
    for line in D::uses(&bdf(0, slot)) {
        said.extend(arena.run_command(&line)?);
    }
    Ok(Use { time: start.elapsed(), said })
}

/// How often a device has served, as the report has it.
fn services<D: Faithful>(report: &Report, slot: u8) -> usize {
    let name = bdf(0, slot);
    report.checks().filter(|check| D::is_service(check, &name)).count()
}

/// Types commands that use the device at a slot, and says whether it served.
pub(super) fn is_served<D: Faithful>(arena: &mut Arena, slot: u8, uses: &[String]) -> Result<bool, Error> {
    let wanted = services::<D>(arena.report(), slot) + D::SERVICES;
    for line in uses {
        arena.run_command(line)?;
    }
    let deadline = Instant::now() + LAG;
    let mut served = false;
    arena.wait_for(|report, _| {
        served = services::<D>(report, slot) >= wanted;
        served || report.bugcheck().is_some() || Instant::now() > deadline
    })?;
    Ok(served)
}

/// Whether the kernel's driver has the function at a slot.
pub(super) fn is_assigned(arena: &Arena, slot: u8) -> bool {
    arena.state(&bdf(0, slot)) == Some("assigned")
}
