//! DMA from the first instruction on, everywhere.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use vfio_device::{Bar, ConfigSpace, Device, DmaError, Identity, PlainCard, Port};

use super::arena::{Arena, Place};
use super::finding::Findings;
use super::sweep::{ELSEWHERE, PAGE, Reach, Sweep, pages, sweep};
use super::{Outcome, Stage, Subject, bdf};
use crate::Error;

/// Where the device sits on bus 0.
const SLOT: u8 = 0x10;
/// A place in memory that firmware does not use while it starts.
const QUIET: u64 = 0x400_0000;
/// Requests between two looks at the machine.
const BATCH: usize = 256;
/// How finely time is told.
const SLICE: Duration = Duration::from_millis(100);

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    match stage.subject {
        Subject::Ours => {
            through_protection(stage, findings)?;
            through_a_stop(stage, findings)
        }
        Subject::Any => watch(stage, findings),
    }
}

/// A device that nobody has a driver for.
fn card() -> Arc<Mutex<PlainCard>> {
    let identity = Identity { vendor: 0x1234, device: 0xbad0, class: 0xff_0000 };
    let config = ConfigSpace::new(identity).express_endpoint();
    Arc::new(Mutex::new(PlainCard::new(config).with_bar(0, Bar::Memory32, 4096)))
}

/// Starts a machine whose device masters the bus before the processor's first instruction.
fn start(stage: &Stage, options: &str) -> Result<(Device, Arena), Error> {
    let mut setup = stage.setup()?.options(options);
    let device = setup.plug(Place::RootBus(SLOT), card())?;
    let mut arena = setup.start()?;
    arena.outside.write_config_by_ports(u16::from(SLOT) << 3, 4, 0x6)?;
    Ok((device, arena))
}

fn through_protection(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (device, mut arena) = start(stage, "policy=log drill=off")?;
    let port = device.port();
    let early = port.write(QUIET, b"intruder").is_ok() && arena.memory_at(QUIET, 8)? == b"intruder";
    findings.add(
        "a write before the first instruction",
        if early { "landed" } else { "did not land" },
        "lands: the device is alive",
        Outcome::held_if(early),
    );
    arena.go()?;
    let window = Window::watch(&mut arena, &port, Arena::is_protected)?;
    window.tell(
        findings,
        "read until the kernel says `protected`",
        Outcome::held_if(!window.pages.is_empty()),
    );

    let after = everywhere(&mut arena, &port)?;
    tell_refused(findings, "read and write every page after `protected`", &after);
    let name = bdf(0, SLOT);
    let told = arena.report().of_kind("fault").any(|fault| fault["bdf"] == name.as_str());
    findings.add(
        "the kernel's report",
        if told { "names the device" } else { "does not name the device" },
        "the device is named",
        Outcome::held_if(told),
    );
    let life = arena.power_off()?;
    findings.add("the kernel", life.to_string(), "lives", Outcome::held_if(life.is_good()));
    let off = everywhere(&mut arena, &port)?;
    tell_refused(findings, "read and write every page after power-off", &off);
    Ok(())
}

fn through_a_stop(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (device, mut arena) = start(stage, "policy=bugcheck drill=off")?;
    let port = device.port();
    arena.go()?;
    let ready = arena.wait_for_prompt()?;
    arena.hold_bus_master(0, SLOT)?;
    let refused = port.write(QUIET, b"intruder").is_err();
    let stopped = ready && arena.wait_stopped()?;
    let code = arena.report().bugcheck().map(|stop| format!("{:#x}", stop.code.0));
    findings.add(
        "one write while a fault stops the kernel",
        code.as_deref().map_or_else(|| "no stop".to_owned(), |code| format!("stopped with {code}")),
        "refused, and a stop 0xe6",
        Outcome::held_if(refused && stopped && code.as_deref() == Some("0xe6")),
    );
    let after = everywhere(&mut arena, &port)?;
    tell_refused(findings, "read and write every page after the stop", &after);
    Ok(())
}

/// Watches a system that nothing is known about.
fn watch(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let (device, mut arena) = start(stage, "")?;
    let port = device.port();
    arena.go()?;
    let window = Window::watch(&mut arena, &port, |arena| arena.elapsed() > stage.watch)?;
    window.tell(findings, &format!("read for {} s", stage.watch.as_secs()), Outcome::Measured);
    tell_console(findings, &arena.console());
    Ok(())
}

/// How far the watched system came, in its own words: a window of one that never started says nothing about it.
fn tell_console(findings: &mut Findings<'_>, console: &str) {
    let last = console.lines().map(str::trim).rfind(|line| !line.is_empty());
    findings.add_with(
        "the last line on its serial console",
        last.unwrap_or("none: it may never have started, or writes elsewhere"),
        "no expectation",
        Outcome::Measured,
        json!({"console": console}),
    );
}

pub(super) fn tell_refused(findings: &mut Findings<'_>, tried: &str, result: &Sweep) {
    findings.add_with(
        tried,
        format!("{} of {} landed", result.landed.len(), result.tried),
        "nothing lands",
        Outcome::held_if(result.landed.is_empty() && result.tried > 0),
        json!({"tried": result.tried, "landed": result.landed.iter().map(|at| format!("{at:#x}")).collect::<Vec<_>>()}),
    );
}

/// Reads and writes every page and every strange place, as a device that ignores its bus-master bit.
fn everywhere(arena: &mut Arena, port: &Port) -> Result<Sweep, Error> {
    let mut total = Sweep::default();
    for reach in [Reach::Read, Reach::Write] {
        let mut places = ELSEWHERE.into_iter().chain(pages(arena.memory)).peekable();
        while places.peek().is_some() {
            arena.hold_bus_master(0, SLOT)?;
            total.add(sweep(port, reach, places.by_ref().take(BATCH)).map_err(gone)?);
            arena.runs()?;
        }
    }
    Ok(total)
}

fn gone(error: DmaError) -> Error {
    Error::Control(format!("the device's connection: {error}"))
}

/// What landed while memory was open, by time and page.
#[derive(Debug, Default)]
struct Window {
    tried: usize,
    pages: BTreeSet<u64>,
    first: Option<Duration>,
    last: Option<Duration>,
    length: Duration,
    /// Requests that landed and that were refused, for each slice of time.
    slices: Vec<(usize, usize)>,
}

impl Window {
    /// Reads all of memory again and again until the moment has come or the machine ends.
    fn watch(arena: &mut Arena, port: &Port, over: impl Fn(&Arena) -> bool) -> Result<Self, Error> {
        let mut window = Self::default();
        let memory: Vec<u64> = pages(arena.memory).collect();
        // A stride that meets every page, far apart from one to the next.
        let stride = 4099;
        let mut next = 0;
        while arena.runs()? && !over(arena) {
            arena.hold_bus_master(0, SLOT)?;
            let batch =
                (0..BATCH).filter_map(|step| memory.get((next + step * stride) % memory.len()).copied());
            let found = sweep(port, Reach::Read, batch).map_err(gone)?;
            next = (next + BATCH * stride) % memory.len();
            // What was under way while the kernel said so may have landed before: it counts for the time until now.
            window.note(arena.elapsed(), found);
        }
        window.length = arena.elapsed();
        Ok(window)
    }

    fn note(&mut self, at: Duration, found: Sweep) {
        let slice = usize::try_from(at.as_millis() / SLICE.as_millis()).unwrap_or(usize::MAX).min(36_000);
        if self.slices.len() <= slice {
            self.slices.resize(slice + 1, (0, 0));
        }
        self.slices[slice].0 += found.landed.len();
        self.slices[slice].1 += found.tried - found.landed.len();
        self.tried += found.tried;
        if !found.landed.is_empty() {
            self.first = self.first.or(Some(at));
            self.last = Some(at);
        }
        self.pages.extend(found.landed);
    }

    fn tell(&self, findings: &mut Findings<'_>, tried: &str, outcome: Outcome) {
        let seconds = |moment: Option<Duration>| moment.map_or(0.0, |moment| moment.as_secs_f64());
        let came = format!(
            "{} pages of {} KiB landed, from {:.2} s to {:.2} s of {:.2} s",
            self.pages.len(),
            PAGE / 1024,
            seconds(self.first),
            seconds(self.last),
            self.length.as_secs_f64(),
        );
        let expected = match outcome {
            Outcome::Measured => "no expectation",
            Outcome::Held | Outcome::Failed => "lands while nobody has taken the unit",
        };
        findings.add_with(tried, came, expected, outcome, self.figures());
    }

    fn figures(&self) -> Value {
        let slices: Vec<_> = self
            .slices
            .iter()
            .enumerate()
            .filter(|(_, counts)| **counts != (0, 0))
            .map(|(index, (landed, refused))| {
                json!({"ms": index as u64 * 100, "landed": landed, "refused": refused})
            })
            .collect();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for page in &self.pages {
            match ranges.last_mut() {
                Some((_, end)) if *end == *page => *end += PAGE,
                _ => ranges.push((*page, page + PAGE)),
            }
        }
        let ranges: Vec<_> = ranges.iter().map(|(start, end)| format!("{start:#x}-{:#x}", end - 1)).collect();
        json!({"tried": self.tried, "slices": slices, "landed": ranges})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_knows_when_and_where() {
        let mut window = Window::default();
        window.note(Duration::from_millis(50), Sweep { tried: 4, landed: vec![0x1000, 0x2000, 0x5000] });
        window.note(Duration::from_millis(250), Sweep { tried: 2, landed: vec![] });
        let figures = window.figures();
        assert_eq!(figures["landed"], json!(["0x1000-0x2fff", "0x5000-0x5fff"]));
        assert_eq!(figures["slices"][1], json!({"ms": 200, "landed": 0, "refused": 2}));
        assert_eq!(
            (window.first, window.last),
            (Some(Duration::from_millis(50)), Some(Duration::from_millis(50)))
        );
    }
}
