//! virtio disks and network cards that are faithful enough for a driver, and hostile in one thing.

mod card;
mod disk;
mod nic;
mod released;
mod ring;
mod trick;
mod worker;

use std::sync::{Arc, Mutex, mpsc};

use report::{Check, Outcome};
use vfio_device::Device;

use self::card::{Kind, VirtioCard};
pub(super) use self::trick::Trick;
use self::worker::{Function, Worker};
use super::Stage;
use super::arena::{Place, Setup};
use super::deeds::{Account, Deeds};
use super::faithful::{self, Faithful, Fate};
use super::finding::Findings;
use super::liar::{Liar, TRUTH};
use super::neighbour;
use crate::Error;

/// Hostile devices in one machine.
const AT_ONCE: usize = 12;

/// A device that is plugged in.
#[derive(Debug)]
struct Plugged {
    _device: Device,
    account: Account,
}

impl Plugged {
    fn new(
        setup: &mut Setup<'_>,
        place: Place,
        kind: Kind,
        function: Function,
        trick: Trick,
    ) -> Result<Self, Error> {
        let (sender, news) = mpsc::channel();
        let card = Arc::new(Mutex::new(Liar::new(VirtioCard::new(kind, sender, trick), TRUTH)));
        let device = setup.plug(place, Arc::clone(&card))?;
        let account = Account::default();
        let registers = Arc::downgrade(&card);
        let worker = Worker::new(device.port(), news, registers, function, trick, account.clone());
        std::thread::spawn(move || worker.run());
        Ok(Self { _device: device, account })
    }
}

/// Plays the scenario of disks.
pub(super) fn disks(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    faithful::play::<Disk>(stage, findings, released::play::<Disk>)
}

/// Plays the scenario of network cards.
pub(super) fn nics(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    faithful::play::<Nic>(stage, findings, released::play::<Nic>)
}

/// A disk that is plugged in.
#[derive(Debug)]
pub(super) struct Disk(Plugged);

impl Faithful for Disk {
    type Trick = Trick;
    const HONEST: Trick = Trick::None;
    const TRICKS: &'static [(Trick, &'static str)] = &trick::OF_DISKS;
    const AT_ONCE: usize = AT_ONCE;

    fn tries_patience(trick: Trick) -> bool {
        trick == Trick::Silence
    }

    fn plug(setup: &mut Setup<'_>, place: Place, trick: Trick) -> Result<Self, Error> {
        let function = Function::Disk(disk::Disk::new(trick));
        Plugged::new(setup, place, disk::Disk::kind(trick), function, trick).map(Self)
    }

    fn uses(bdf: &str) -> Vec<String> {
        vec![
            format!("disk read {bdf} 1 0 64"),
            format!("disk read {bdf} 1 64 8"),
            format!("attack {bdf} read kernel"),
        ]
    }

    fn fate(trick: Trick) -> Fate {
        trick.fate()
    }

    /// Both reads.
    const SERVICES: usize = 2;

    fn is_service(check: &Check<'_>, bdf: &str) -> bool {
        let is_read = check.name == "disk read" && check.result == Outcome::Pass;
        is_read && check.detail.as_deref().is_some_and(|detail| detail.starts_with(bdf))
    }

    fn deeds(&self) -> Deeds {
        self.0.account.deeds()
    }
}

/// A network card that is plugged in.
#[derive(Debug)]
pub(super) struct Nic(Plugged);

impl Faithful for Nic {
    type Trick = Trick;
    const HONEST: Trick = Trick::None;
    const TRICKS: &'static [(Trick, &'static str)] = &trick::OF_NICS;
    const AT_ONCE: usize = AT_ONCE;

    fn tries_patience(trick: Trick) -> bool {
        trick == Trick::Silence
    }

    fn plug(setup: &mut Setup<'_>, place: Place, trick: Trick) -> Result<Self, Error> {
        let function = Function::Nic(nic::Nic::new(trick));
        Plugged::new(setup, place, nic::Nic::kind(trick), function, trick).map(Self)
    }

    /// An address is asked for, and a connection that the neighbour refuses.
    fn uses(bdf: &str) -> Vec<String> {
        vec![neighbour::connect(bdf), format!("attack {bdf} read kernel")]
    }

    fn fate(trick: Trick) -> Fate {
        trick.fate()
    }

    const SERVICES: usize = 1;

    fn is_service(check: &Check<'_>, bdf: &str) -> bool {
        neighbour::has_answered(check, bdf)
    }

    fn deeds(&self) -> Deeds {
        self.0.account.deeds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_serves_where_its_own_read_is_good() {
        let serves = |name: &'static str, result, detail: Option<&'static str>| {
            let (name, detail) = (name.into(), detail.map(Into::into));
            Disk::is_service(&Check { t: 0, name, result, detail }, "0000:00:10.0")
        };
        assert!(serves("disk read", Outcome::Pass, Some("0000:00:10.0 1 0 64 crc32=0x1 first=00")));
        assert!(!serves("disk read", Outcome::Fail, Some("0000:00:10.0 1 0 64: timed out")));
        assert!(!serves("disk read", Outcome::Pass, Some("0000:00:11.0 1 0 64 crc32=0x1 first=00")));
        assert!(!serves("script", Outcome::Pass, None));
    }
}
