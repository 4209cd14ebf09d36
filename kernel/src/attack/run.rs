//! Running attacks: several devices side by side, and the commands made of that.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use ::attack::{Judgement, Others, Pause};
use ::verdict::{Cell, Matrix, Row};
use dma_types::{Access, Bdf};
use options::Target;
use report::{Drill, DrillCommand, DrillResult, Event, Function, Outcome};

use super::Notice;
use super::attempt::Attack;
use super::forging::Forging;
use super::order::{Order, Sabotage};
use super::step::{Advance, Attempt};
use super::tally;
use crate::devices::Overreach;
use crate::platform::cancel;
use crate::platform::clock::{self, Deadline};
use crate::text::Text;
use crate::{devices, journal};

/// Longest time for the attacks of one round.
const ROUND: Duration = Duration::from_secs(60);

/// Pause after a device strikes before the next may: where a unit has one fault record, it needs the time
/// to be drained. On a busy host that may not be long enough; then a device strikes again, with no other beside it.
const BETWEEN_STRIKES: Duration = Duration::from_millis(10);

/// How often devices are looked at.
const TICK: Duration = Duration::from_millis(1);

/// Every target of the command `drill`.
const TARGETS: [Target; 9] = [
    Target::Canary,
    Target::Kernel,
    Target::Tables,
    Target::Freed,
    Target::Foreign,
    Target::WrongDirection,
    Target::PastEnd,
    Target::Neighbour,
    Target::Interrupt,
];

/// Runs one attack on each device, side by side, and gives their judgements in order.
pub fn run(devices: &[&'static dyn Overreach], order: Order) -> Vec<Judgement> {
    let seed = clock::now_ns();
    let mut attempts: Vec<(Box<dyn Attempt>, _)> = devices
        .iter()
        .zip(1..)
        .map(|(device, number)| (attempt(*device, order, seed.wrapping_mul(number)), None))
        .collect();
    let deadline = Deadline::after(ROUND);
    let mut next_strike = Deadline::after(Duration::ZERO);
    while attempts.iter().any(|(_, judgement)| judgement.is_none()) {
        for turn in 0..attempts.len() {
            let under_way = attempts.iter().filter(|(_, judgement)| judgement.is_none());
            let mut others = Others::Quiet;
            for (attempt, _) in under_way {
                if attempt.is_striking_again() {
                    others = Others::StrikingAgain;
                } else if attempt.is_striking() && others == Others::Quiet {
                    others = Others::Striking;
                }
            }
            let pause = if next_strike.expired() { Pause::Over } else { Pause::Lasts };
            let Some((attempt, judgement @ None)) = attempts.get_mut(turn) else { continue };
            let may_go_on = attempt.waits_for().is_over(pause, others);
            let step = if may_go_on { attempt.advance() } else { Advance::Wait };
            match step {
                Advance::Wait => {}
                Advance::Struck => next_strike = Deadline::after(BETWEEN_STRIKES),
                Advance::Over(over) => *judgement = Some(over),
            }
            if deadline.expired() {
                *judgement = judgement.or(Some(Judgement::Broken));
            }
        }
        clock::sleep(TICK);
    }
    attempts
        .into_iter()
        .map(|(attempt, judgement)| {
            attempt.finish();
            judgement.unwrap_or(Judgement::Broken)
        })
        .collect()
}

/// One attack of one device.
fn attempt(device: &'static dyn Overreach, order: Order, seed: u64) -> Box<dyn Attempt> {
    match order.target {
        Target::Interrupt => Box::new(Forging::new(device, order)),
        _ => Box::new(Attack::new(device, order, seed)),
    }
}

/// Which attacks get a line for people.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Each.
    Each,
    /// Those that did not go as they should; the others stand in a table.
    Exceptions,
}

/// Runs an attack for a command on each device, and reports what the attacks themselves did not. Gives the judgements in
/// order.
fn run_reported(
    devices: &[&'static dyn Overreach],
    order: Order,
    command: DrillCommand,
    lines: Lines,
) -> Vec<Judgement> {
    let judgements = run(devices, order);
    for (device, judgement) in devices.iter().zip(&judgements) {
        tally::count(place(*device), *judgement);
        settle(*device, order, command, *judgement, lines);
    }
    judgements
}

/// The place of a device among those that can be told to overreach.
fn place(device: &dyn Overreach) -> usize {
    devices::capable().position(|other| other.record().bdf == device.record().bdf).unwrap_or(0)
}

/// Says what came of an attack, and fails the run where it must.
fn settle(
    device: &'static dyn Overreach,
    order: Order,
    command: DrillCommand,
    judgement: Judgement,
    lines: Lines,
) {
    let Order { access, target, .. } = order;
    let record = device.record();
    let fail = |detail: &str| {
        let name = Text::<64>::of(&format_args!("attack {} {access} {target}", record.bdf));
        journal::check(name.as_str(), Outcome::Fail, Some(detail));
    };
    match judgement {
        _ if lines == Lines::Exceptions && tally::cell(judgement) == Cell::Held => {}
        Judgement::Blocked { verdict, expected } if verdict == expected => {
            crate::println!("{} {access} {target}: blocked, {verdict}", record.bdf);
        }
        Judgement::Blocked { verdict, expected } => {
            crate::println!(
                "{} {access} {target}: blocked, but taken for {verdict} instead of {expected}",
                record.bdf
            );
        }
        Judgement::Harmless => {
            crate::println!("{} {access} {target}: not exposed, nothing of anyone's lies there", record.bdf);
        }
        Judgement::Unheard => {
            crate::println!("{} {access} {target}: it raised nothing, but no fault was recorded", record.bdf);
        }
        Judgement::Leaked => crate::println!("{} {access} {target}: LEAKED", record.bdf),
        Judgement::Silent | Judgement::DeadDevice | Judgement::Broken => {
            judgement.failure().into_iter().for_each(fail);
        }
        Judgement::NotPossible(why) => not_possible(command, Some((record.bdf, access, target)), why.text()),
    }
}

/// Reports an attack that could not be tried.
fn not_possible(command: DrillCommand, what: Option<(Bdf, Access, Target)>, why: &str) {
    let target = what.map(|(_, _, target)| Text::<32>::of(&target));
    match what {
        Some((bdf, access, target)) => crate::println!("{bdf} {access} {target}: not possible, {why}"),
        None => crate::println!("not possible: {why}"),
    }
    journal::emit(&Event::Drill(Drill {
        t: clock::now_ns(),
        command,
        bdf: what.map(|(bdf, _, _)| Function(bdf)),
        access: what.map(|(_, access, _)| access.into()),
        target: target.as_ref().map(|text| text.as_str().into()),
        iova: None,
        target_phys: None,
        length: None,
        before: None,
        after: None,
        expected_fault: None,
        result: DrillResult::NotPossible,
        verdict: None,
        detail: Some(why.into()),
    }));
}

/// An attack for a command.
fn order(command: DrillCommand, notice: Notice, access: Access, target: Target) -> Order {
    Order { command: Some(command), notice, access, target, sabotage: Sabotage::None }
}

/// Runs every capable device against every target, reading and writing, announced.
pub fn drill_all() {
    tally::begin();
    let devices: Vec<_> = devices::capable().collect();
    if devices.is_empty() {
        return not_possible(DrillCommand::Drill, None, NOTHING_TO_DRILL);
    }
    let mut cells = vec![[[Cell::NoSuch; 2]; TARGETS.len()]; devices.len()];
    for (column, target) in TARGETS.into_iter().enumerate() {
        for (side, access) in [Access::Read, Access::Write].into_iter().enumerate() {
            if cancel::is_requested() {
                crate::println!("{column} of {} targets were tried", TARGETS.len());
                return;
            }
            if (access, target) == (Access::Read, Target::Interrupt) {
                continue;
            }
            let command = DrillCommand::Drill;
            let order = order(command, Notice::Announced, access, target);
            let judgements = run_reported(&devices, order, command, Lines::Exceptions);
            for (row, judgement) in cells.iter_mut().zip(judgements) {
                row[column][side] = tally::cell(judgement);
            }
        }
    }
    show_matrix(&devices, &cells);
}

/// Shows what came of every device against every target.
fn show_matrix(devices: &[&'static dyn Overreach], cells: &[[[Cell; 2]; TARGETS.len()]]) {
    let targets = TARGETS.map(|target| match target {
        // Its name is too long for a screen.
        Target::WrongDirection => Text::<24>::of(&"direction"),
        _ => Text::<24>::of(&target),
    });
    let targets = targets.each_ref().map(Text::as_str);
    let names: Vec<Bdf> = devices.iter().map(|device| device.record().bdf).collect();
    let rows: Vec<_> = names.iter().zip(cells).map(|(device, cells)| Row { device, cells }).collect();
    crate::println!("{}", Matrix { targets: &targets, rows: &rows });
}

/// Runs one announced overreach on each capable device: the proof at every start that the units block.
pub fn drill_at_boot() {
    tally::begin();
    let devices: Vec<_> = devices::capable().collect();
    let command = DrillCommand::Drill;
    if devices.is_empty() {
        return not_possible(command, None, NOTHING_TO_DRILL);
    }
    let target = Target::Canary;
    let order = order(command, Notice::Announced, Access::Write, target);
    run_reported(&devices, order, command, Lines::Each);
}

const NOTHING_TO_DRILL: &str = "no device here can be told to overreach";

/// Lets one device overreach, not announced: the policy answers.
pub fn strike(bdf: Bdf, access: Access, target: Target) {
    overreach(bdf, access, target, DrillCommand::Attack);
}

/// The same for show, with the first device that can.
pub fn demo() {
    match devices::capable().next() {
        Some(device) => overreach(device.record().bdf, Access::Write, Target::Canary, DrillCommand::Demo),
        None => not_possible(DrillCommand::Demo, None, NOTHING_TO_DRILL),
    }
}

fn overreach(bdf: Bdf, access: Access, target: Target, command: DrillCommand) {
    let Some(device) = devices::capable().find(|device| device.record().bdf == bdf) else {
        let why = match devices::find(bdf) {
            Some(_) => "this device cannot be told to overreach",
            None => "there is no such device",
        };
        return not_possible(command, Some((bdf, access, target)), why);
    };
    let order = order(command, Notice::Silent, access, target);
    run_reported(&[device], order, command, Lines::Each);
}
