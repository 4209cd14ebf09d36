//! An NVMe controller that is faithful enough for a driver, and hostile in one thing.

mod card;
mod firmware;
mod trick;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use vfio_device::{Device, Port};

pub(super) use self::card::NvmeCard;
pub(super) use self::firmware::Deeds;
use self::firmware::Firmware;
use self::trick::TRICKS;
pub(super) use self::trick::Trick;
use super::arena::{Arena, Place, Setup};
use super::finding::Findings;
use super::liar::{Liar, Lie, TRUTH};
use super::{Stage, bdf};
use crate::Error;

/// The slot of the honest controller; the others follow.
const FIRST_SLOT: u8 = 0x10;
/// Hostile controllers in one machine.
const AT_ONCE: usize = 7;

/// A controller that is plugged in.
#[derive(Debug)]
pub(super) struct Controller {
    card: Arc<Mutex<Liar<NvmeCard>>>,
    device: Device,
    deeds: Arc<Mutex<Deeds>>,
    _thread: JoinHandle<()>,
}

impl Controller {
    /// Plugs a controller in.
    pub(super) fn plug(setup: &mut Setup<'_>, place: Place, lie: Lie, trick: Trick) -> Result<Self, Error> {
        let (sender, news) = mpsc::channel();
        let card = Arc::new(Mutex::new(Liar::new(NvmeCard::new(sender, trick), lie)));
        let device = setup.plug(place, Arc::clone(&card))?;
        let deeds = Arc::<Mutex<Deeds>>::default();
        let firmware = Firmware::new(device.port(), news, trick, Arc::clone(&deeds));
        let thread = std::thread::spawn(move || firmware.run());
        Ok(Self { card, device, deeds, _thread: thread })
    }

    /// Its way into the machine.
    pub(super) fn port(&self) -> Port {
        self.device.port()
    }

    /// Whether firmware has placed it.
    pub(super) fn is_placed(&self) -> bool {
        self.card().is_placed()
    }

    /// Changes a byte of its configuration space, whatever may be written there.
    pub(super) fn change_config(&self, offset: usize, byte: u8) {
        self.card().inner.plain.config.set(offset, &[byte]);
    }

    /// Changes a byte of its registers.
    pub(super) fn change_register(&self, offset: usize, byte: u8) {
        if let Some(place) = self.card().inner.plain.bar(0).get_mut(offset) {
            *place = byte;
        }
    }

    fn card(&self) -> MutexGuard<'_, Liar<NvmeCard>> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it did so far.
    pub(super) fn deeds(&self) -> Deeds {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Plays the scenario: several controllers in each machine, an honest one among them. Those that try a driver's patience
/// get a machine each, all at a time: such machines stand idle.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (slow, quick): (Vec<_>, Vec<_>) = TRICKS.iter().partition(|(trick, _)| trick.tries_patience());
    for tricks in quick.chunks(AT_ONCE) {
        findings.extend(together(stage, tricks)?);
    }
    let played = std::thread::scope(|scope| {
        let running: Vec<_> =
            slow.iter().map(|trick| scope.spawn(|| together(stage, std::slice::from_ref(trick)))).collect();
        running.into_iter().map(|machine| machine.join()).collect::<Vec<_>>()
    });
    for machine in played {
        findings.extend(machine.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(())
}

/// What was found of each controller in a machine.
type Found = Vec<(String, String, bool, Value)>;

fn together(stage: &Stage, tricks: &[(Trick, &str)]) -> Result<Found, Error> {
    let mut setup = stage.setup()?.without_default_devices().options("policy=log drill=off");
    let honest = Controller::plug(&mut setup, Place::RootBus(FIRST_SLOT), TRUTH, Trick::None)?;
    let slots = FIRST_SLOT + 1..;
    let hostile: Vec<_> = slots
        .zip(tricks)
        .map(|(slot, (trick, words))| {
            Controller::plug(&mut setup, Place::RootBus(slot), TRUTH, *trick).map(|card| (slot, *words, card))
        })
        .collect::<Result<_, _>>()?;
    let mut arena = setup.start()?;
    arena.go()?;
    for slot in std::iter::once(FIRST_SLOT).chain(hostile.iter().map(|(slot, ..)| *slot)) {
        arena.run_command(&format!("disk read {} 1 0 64", bdf(0, slot)))?;
    }
    arena.run_command(&format!("disk read {} 1 8 64", bdf(0, FIRST_SLOT)))?;
    let enforces = arena.enforces()?;
    let life = arena.power_off()?;
    let served = honest.deeds().commands;
    let mut found = vec![(
        "an honest controller beside them".to_owned(),
        format!("{served} commands"),
        is_assigned(&arena, FIRST_SLOT) && served > 4,
        Value::Null,
    )];
    for (slot, words, controller) in &hostile {
        let deeds = controller.deeds();
        let good = life.is_good() && enforces && deeds.landed.is_empty();
        let came =
            format!("{} of {} landed, {} commands, {life}", deeds.landed.len(), deeds.tried, deeds.commands);
        let figures = json!({
            "bdf": bdf(0, *slot),
            "landed": deeds.landed.iter().map(|at| format!("{at:#x}")).collect::<Vec<_>>(),
            "tried": deeds.tried,
            "commands": deeds.commands,
        });
        found.push(((*words).to_owned(), came, good, figures));
    }
    Ok(found)
}

/// Whether the kernel's driver has the function at a slot.
pub(super) fn is_assigned(arena: &Arena, slot: u8) -> bool {
    let name = bdf(0, slot);
    let last = arena.report().of_kind("device").filter(|line| line["bdf"] == name.as_str()).last();
    last.is_some_and(|line| line["state"] == "assigned")
}
