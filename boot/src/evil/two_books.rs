//! The device's books beside the kernel's: what the unit lets the device reach is what the kernel says it may.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use vfio_device::{Books, Change};

use super::arena::Place;
use super::finding::Findings;
use super::liar::TRUTH;
use super::nvme::{Controller, Trick};
use super::random::Random;
use super::sweep::PAGE;
use super::{Outcome, Stage, bdf};
use crate::Error;

const SLOT: u8 = 0x10;
/// Steps for one command of the kernel's: each costs a round of its console.
const STEPS_A_COMMAND: u64 = 50;
/// Time for a step, on a busy host.
const A_STEP: Duration = Duration::from_millis(5);
/// Commands between two comparisons.
const COMMANDS_A_BARRIER: u64 = 10;

/// Whether a page may be written as well as reached: the message to the device has no word for "written only".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    Read,
    Write,
}

impl Rights {
    fn of(writes: bool) -> Self {
        if writes { Self::Write } else { Self::Read }
    }
}

/// Plays the scenario.
pub(super) fn run(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let more = A_STEP.saturating_mul(u32::try_from(stage.steps).unwrap_or(u32::MAX));
    let setup = stage.setup()?.with_more_time(more);
    let mut setup = setup.without_default_devices().options("policy=log drill=off");
    let controller = Controller::plug(&mut setup, Place::RootBus(SLOT), TRUTH, Trick::None)?;
    let mut arena = setup.start()?;
    arena.go()?;
    let name = bdf(0, SLOT);
    let mut random = Random::new(stage.seed);
    let (mut barriers, mut differences) = (0, Vec::new());
    for command in 0..stage.steps / STEPS_A_COMMAND {
        let (block, blocks) = (random.below(1024), 1 + random.below(256));
        if arena.run_command(&format!("disk read {name} 1 {block} {blocks}"))?.is_none() {
            break;
        }
        if command % COMMANDS_A_BARRIER == 0 {
            let Some(said) = arena.run_command(&format!("mappings {name}"))? else { break };
            let (ours, theirs) = (kernels(&said), devices(&controller));
            barriers += 1;
            differences.extend(difference(&ours, &theirs));
        }
    }
    let books = controller.port().books();
    let changes = books.change_count();
    findings.add_with(
        format!("the kernel's books and the device's, {barriers} times"),
        format!("{} differences, {changes} changes", differences.len()),
        "no difference",
        Outcome::held_if(differences.is_empty() && barriers > 0 && changes > barriers),
        json!({"barriers": barriers, "changes": changes, "differences": differences}),
    );
    let reused = reused(&books);
    findings.add(
        "addresses mapped again before they were unmapped",
        format!("{reused} of {changes}"),
        "none",
        Outcome::held_if(reused == 0 && changes > 0),
    );
    let commands = controller.deeds().commands;
    let life = arena.power_off()?;
    let came = format!("{commands} commands, {life}");
    findings.add(
        "the device at work",
        came,
        "serves, the kernel lives",
        Outcome::held_if(life.is_good() && commands > 4),
    );
    Ok(())
}

/// The pages that the kernel says the device may reach, from what its console says.
fn kernels(said: &str) -> BTreeMap<u64, Rights> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let mut pages = BTreeMap::new();
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [start, bytes, "bytes", direction, ..] = words.as_slice() else { continue };
        let (Some(start), Some(bytes)) = (number(start), number(bytes)) else { continue };
        let rights = Rights::of(*direction != "to-device");
        pages.extend((start / PAGE..(start + bytes).div_ceil(PAGE)).map(|page| (page, rights)));
    }
    pages
}

/// The pages that the unit lets the device reach.
fn devices(controller: &Controller) -> BTreeMap<u64, Rights> {
    controller.port().with_books(|books| {
        books
            .live()
            .flat_map(|(first, last, may)| {
                (first / PAGE..=last / PAGE).map(move |page| (page, Rights::of(may.writes())))
            })
            .collect()
    })
}

/// What stands in one of the books alone, or otherwise.
fn difference(ours: &BTreeMap<u64, Rights>, theirs: &BTreeMap<u64, Rights>) -> Vec<String> {
    let all = ours.keys().chain(theirs.keys().filter(|page| !ours.contains_key(page)));
    all.filter(|page| ours.get(page) != theirs.get(page))
        .map(|page| format!("{:#x}: kernel {:?}, device {:?}", page * PAGE, ours.get(page), theirs.get(page)))
        .collect()
}

/// How often something was mapped where something was live.
fn reused(books: &Books) -> usize {
    let mut live = BTreeMap::new();
    let mut count = 0;
    for (_, change) in books.changes(0) {
        match *change {
            Change::Mapped { start, bytes, .. } => {
                let overlaps =
                    live.range(..start + (bytes - 1)).next_back().is_some_and(|(_, last)| *last >= start);
                count += usize::from(overlaps);
                live.insert(start, start + (bytes - 1));
            }
            Change::Unmapped { start, bytes } => {
                let end = start.saturating_add(bytes - 1);
                live.retain(|first, last| *first > end || *last < start);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consoles_lines_are_read() {
        let said = "mappings 00:10.0\n0x140000000000 0x2000 bytes to-device \"a\" mapped by x.rs:1\n\
                    0x140000004000 0x10 bytes from-device \"b\" mapped by y.rs:2\nof late, newest first:\n\
                    0.874 s unmap 0x140000042000 0x1000 bytes \"c\" by z.rs:3\n";
        let pages = kernels(said);
        assert_eq!(pages.len(), 3);
        assert_eq!(pages[&0x1_4000_0001], Rights::Read);
        assert_eq!(pages[&0x1_4000_0004], Rights::Write);
    }

    #[test]
    fn differences_are_found_on_both_sides() {
        let ours = BTreeMap::from([(1, Rights::Read), (2, Rights::Write)]);
        let theirs = BTreeMap::from([(2, Rights::Read), (3, Rights::Write)]);
        assert_eq!(difference(&ours, &theirs).len(), 3);
        assert!(difference(&ours, &ours).is_empty());
    }
}
