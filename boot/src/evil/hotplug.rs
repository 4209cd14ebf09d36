//! Devices that come late, and devices that go without a word.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vfio_device::{Bar, ConfigSpace, Identity, PlainCard};

use super::arena::{Arena, Place, Setup};
use super::finding::Findings;
use super::power_on::tell_refused;
use super::sweep::{Reach, Sweep, pages, sweep};
use super::{Outcome, Stage, bdf};
use crate::Error;
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

/// A device of a class that the kernel has a driver for, so that it is tempted.
fn card() -> Arc<Mutex<PlainCard>> {
    let identity = Identity { vendor: 0x1b36, device: 0x0010, class: 0x01_0802 };
    let config = ConfigSpace::new(identity).express_endpoint();
    Arc::new(Mutex::new(PlainCard::new(config).with_bar(0, Bar::Memory64, 0x4000)))
}

fn setup(stage: &Stage) -> Result<Setup<'_>, Error> {
    Ok(stage.setup()?.without_default_devices().options("policy=log drill=off").root_port(PORT))
}

/// A device is plugged into a running machine.
pub(super) fn late_arrival(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let mut setup = setup(stage)?;
    let (device, words) = setup.offer(Place::RootPort(PORT), card())?;
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

/// Whether a moment has come.
type HasCome = fn(&Arena) -> bool;

/// Moments of a kernel's life at which a device goes.
const MOMENTS: [(&str, HasCome); 2] = [
    ("once it says `protected`", Arena::is_protected),
    ("at the prompt", |arena| arena.console().contains("ivt> ")),
];

/// A device goes, at one moment of the kernel's life after the other.
pub(super) fn surprise_removal(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    for (moment, has_come) in MOMENTS {
        let mut setup = setup(stage)?;
        let device = setup.plug(Place::RootPort(PORT), card())?;
        let mut arena = setup.start()?;
        arena.go()?;
        while arena.runs()? && !has_come(&arena) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let was_there = device.port().is_connected();
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
