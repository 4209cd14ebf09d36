//! An Intel 82574, a network card, that is faithful enough for a driver, and hostile in one thing.

mod card;
mod firmware;
mod malice;
mod registers;
mod released;
mod trick;

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use report::Check;
use vfio_device::Device;

use self::card::E1000eCard;
use self::firmware::Firmware;
use self::registers::Registers;
use self::trick::{TRICKS, Trick};
use super::Stage;
use super::arena::{Place, Setup};
use super::deeds::{Account, Deeds};
use super::faithful::{self, Faithful, Fate};
use super::finding::Findings;
use super::liar::{Liar, TRUTH};
use super::neighbour::{self, connect};
use crate::Error;

/// A card that is plugged in.
#[derive(Debug)]
struct NetworkCard {
    _device: Device,
    account: Account,
    _thread: JoinHandle<()>,
}

impl Faithful for NetworkCard {
    type Trick = Trick;
    const HONEST: Trick = Trick::None;
    const TRICKS: &'static [(Trick, &'static str)] = TRICKS;
    const AT_ONCE: usize = 12;

    fn tries_patience(trick: Trick) -> bool {
        trick.tries_patience()
    }

    fn plug(setup: &mut Setup<'_>, place: Place, trick: Trick) -> Result<Self, Error> {
        let (sender, news) = mpsc::channel();
        let registers = Arc::new(Mutex::new(Registers::new(trick)));
        let card = E1000eCard::new(Arc::clone(&registers), sender, trick);
        let device = setup.plug(place, Arc::new(Mutex::new(Liar::new(card, TRUTH))))?;
        let account = Account::default();
        let firmware = Firmware::new(device.port(), registers, news, trick, account.clone());
        let thread = std::thread::spawn(move || firmware.run());
        Ok(Self { _device: device, account, _thread: thread })
    }

    /// An address, a connection that is refused, the card as one that is told to overreach, and another connection: by
    /// then whoever sends nothing has been waited for long enough.
    fn uses(bdf: &str) -> Vec<String> {
        vec![connect(bdf), format!("attack {bdf} write"), connect(bdf)]
    }

    fn deeds(&self) -> Deeds {
        self.account.deeds()
    }

    fn fate(trick: Trick) -> Fate {
        trick.fate()
    }

    /// One connection is enough: the card may be at its worst during the other.
    const SERVICES: usize = 1;

    fn is_service(check: &Check<'_>, bdf: &str) -> bool {
        neighbour::has_answered(check, bdf)
    }
}

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    faithful::play::<NetworkCard>(stage, findings, released::play)
}
