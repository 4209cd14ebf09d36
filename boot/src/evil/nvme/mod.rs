//! An NVMe controller that is faithful enough for a driver, and hostile in one thing.

mod card;
mod command;
mod firmware;
mod identity;
mod released;
mod trick;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use vfio_device::{Device, Port};

pub(super) use self::card::NvmeCard;
use self::firmware::Firmware;
use self::trick::TRICKS;
pub(super) use self::trick::{Step, Trick};
use super::Stage;
use super::arena::{Place, Setup};
use super::deeds::{Account, Deeds};
use super::faithful::{self, Faithful};
use super::finding::Findings;
use super::liar::{Liar, Lie, TRUTH};
use crate::Error;

/// A controller that is plugged in.
#[derive(Debug)]
pub(super) struct Controller {
    card: Arc<Mutex<Liar<NvmeCard>>>,
    device: Device,
    account: Account,
    stopped: Arc<AtomicBool>,
    _thread: JoinHandle<()>,
}

impl Controller {
    /// Plugs a controller in.
    pub(super) fn plug(setup: &mut Setup<'_>, place: Place, lie: Lie, trick: Trick) -> Result<Self, Error> {
        let (sender, news) = mpsc::channel();
        let card = Arc::new(Mutex::new(Liar::new(NvmeCard::new(sender, trick), lie)));
        let device = setup.plug(place, Arc::clone(&card))?;
        let (account, stopped) = (Account::default(), Arc::<AtomicBool>::default());
        let firmware = Firmware::new(device.port(), news, trick, account.clone(), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || firmware.run());
        Ok(Self { card, device, account, stopped, _thread: thread })
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

    /// Whether it has come to the step at which it falls silent.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// What it did so far.
    pub(super) fn deeds(&self) -> Deeds {
        self.account.deeds()
    }
}

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    faithful::play::<Controller>(stage, findings, released::play)
}

impl Faithful for Controller {
    type Trick = Trick;
    const HONEST: Trick = Trick::None;
    const TRICKS: &'static [(Trick, &'static str)] = TRICKS;
    const AT_ONCE: usize = 7;

    fn tries_patience(trick: Trick) -> bool {
        trick.tries_patience()
    }

    fn plug(setup: &mut Setup<'_>, place: Place, trick: Trick) -> Result<Self, Error> {
        Self::plug(setup, place, TRUTH, trick)
    }

    fn uses(bdf: &str) -> Vec<String> {
        vec![format!("disk read {bdf} 1 0 64")]
    }

    fn deeds(&self) -> Deeds {
        self.deeds()
    }
}
