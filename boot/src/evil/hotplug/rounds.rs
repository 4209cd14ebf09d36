//! Devices are plugged in and pulled out, one after the other, while all others are told to overreach. They are QEMU's
//! own: it ends itself where the slot of one made of software is switched off.

use serde_json::json;

use super::memory::{Memory, Taken};
use super::slot::{make_ready, pull};
use crate::Error;
use crate::evil::arena::Arena;
use crate::evil::finding::Findings;
use crate::evil::{Outcome, Stage, bdf};

/// The root port's slot on bus 0, and the bus below it.
const PORT: u8 = 0x10;
const BUS: u8 = 1;
/// Steps for one round, and the most rounds: the kernel lists no more than 128 newcomers.
const STEPS_A_ROUND: u64 = 625;
const MOST_ROUNDS: u64 = 120;
/// Bytes of the heap for the record of a newcomer, which stays listed until the machine is started again; and for all
/// the rest.
const RECORD: i64 = 2048;
const BESIDE: i64 = 8192;
/// Frames that may be taken beside, for tables that grow: less than one a round.
const FRAMES_BESIDE: i64 = 8;

/// Plays the scenario's last part.
pub(super) fn plugs_and_pulls(stage: &Stage, findings: &mut Findings<'_>) -> Result<(), Error> {
    let rounds = (stage.steps / STEPS_A_ROUND).clamp(1, MOST_ROUNDS) as usize;
    let mut arena = stage.setup()?.options("policy=log drill=off").root_port(PORT).start()?;
    arena.go()?;
    // The first drill takes what later ones use again; what one more costs is kept for a look from outside.
    arena.run_command("drill")?;
    let first = Memory::ask(&mut arena)?;
    arena.run_command("drill")?;
    let before = Memory::ask(&mut arena)?;
    let a_drill = taken(first, before);
    let mut drill = arena.type_line("drill")?;
    let (mut drills, mut done) = (0, 0);
    while done < rounds && plug_and_pull(&mut arena, done + 1)? {
        done += 1;
        if arena.has_answered(&drill) {
            drills += 1;
            drill = arena.type_line("drill")?;
        }
    }
    drills += usize::from(arena.wait_for_answer(&drill)?.is_some());
    let after = Memory::ask(&mut arena)?;
    let leaked = arena.report().of_kind("drill").filter(|drill| drill["result"] == "LEAKED").count();
    let life = arena.power_off()?;
    findings.add_with(
        format!("{rounds} plugs and pulls during drills"),
        format!("{done} noticed, {drills} drills, {leaked} leaks, {life}"),
        "all noticed, nothing leaks, the kernel lives",
        Outcome::held_if(done == rounds && drills > 0 && leaked == 0 && life.is_good()),
        json!({"rounds": done, "drills": drills}),
    );
    let (allowed, taken) = (allowed(a_drill, drills, done), taken(before, after));
    findings.add(
        "memory in use after them, against before",
        taken.map_or_else(|| "the kernel does not say".to_owned(), |taken| taken.to_string()),
        format!("{allowed} at most, for the drills' targets and {done} listed newcomers"),
        Outcome::held_if(a_drill.is_some() && taken.is_some_and(|taken| taken.is_within(allowed))),
    );
    Ok(())
}

fn taken(before: Option<Memory>, after: Option<Memory>) -> Option<Taken> {
    before.zip(after).map(|(before, after)| before.taken_until(after))
}

/// What drills and listed newcomers may take, by what one drill took.
fn allowed(a_drill: Option<Taken>, drills: usize, newcomers: usize) -> Taken {
    let (drills, newcomers) = (drills as i64, newcomers as i64);
    let [frames, heap_bytes] = a_drill.map_or([0; 2], |taken| [taken.frames, taken.heap_bytes]);
    Taken {
        frames: drills * frames.max(0) + FRAMES_BESIDE,
        heap_bytes: drills * heap_bytes.max(0) + newcomers * RECORD + BESIDE,
        mappings: 0,
    }
}

/// Plugs a device in and pulls it out again; tells whether the kernel has noticed both.
fn plug_and_pull(arena: &mut Arena, round: usize) -> Result<bool, Error> {
    make_ready(arena, PORT)?;
    let (id, bus) = (format!("newcomer{round}"), format!("port{PORT:02x}"));
    arena.command("device_add", json!({"driver": "edu", "bus": bus, "id": id, "dma_mask": u64::MAX}))?;
    let name = bdf(BUS, 0);
    let listed = arena.wait_for(|report, _| {
        let blocked = |line: &&serde_json::Value| line["bdf"] == name.as_str() && line["state"] == "blocked";
        report.of_kind("device").filter(blocked).count() >= round
    })?;
    pull(arena, PORT)?;
    let left = arena.wait_for(|_, console| console.matches("has left, and is blocked").count() >= round)?;
    Ok(listed && left)
}
