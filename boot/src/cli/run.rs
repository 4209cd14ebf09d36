//! The commands that boot: check the host, build, run, judge.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bench_table;
use super::plan::{CommandLine, Plan};
use crate::judge::{self, Ending, Evidence, Purpose};
use crate::kernel::{self, Messages};
use crate::machine::Firmware;
use crate::qemu::{ConsoleMode, Launch, Moment, Outcome, Qemu, Session, find_uefi};
use crate::{Error, image};
use printed::Colours;

/// Exit status after Ctrl-C or a request to terminate.
pub(super) const INTERRUPTED: u8 = 130;

/// Does a run and returns the exit status.
pub(super) fn run(plan: &Plan) -> Result<u8, Error> {
    let qemu = check_host(plan)?;
    let kernel = kernel::build(plan.profile, Messages::Shown)?;
    let image = image::cached(&kernel, plan.machine.firmware.layout())?;
    let stop = stop_on_signals()?;
    let outcome = boot(
        plan,
        Launch {
            options: plan.options.clone(),
            console: plan.console,
            report_copy: plan.report.clone(),
            show: (plan.command_line == CommandLine::Shown).then_some(|line| eprintln!("{line}")),
            stop: Arc::clone(&stop),
            ..Launch::new(qemu, plan.machine.clone(), image)
        },
    )?;
    if stop.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    Ok(conclude(plan, &outcome))
}

/// Looks for everything that the run needs before anything is built.
fn check_host(plan: &Plan) -> Result<Qemu, Error> {
    let qemu = Qemu::find(plan.qemu.as_deref())?;
    if plan.machine.firmware == Firmware::Uefi {
        find_uefi()?;
    }
    kernel::check_compiler()?;
    plan.dmar.as_deref().map_or(Ok(()), check_table)?;
    qemu.check(&plan.machine)?;
    plan.report.iter().chain(&plan.screenshot).try_for_each(|path| check_writable(path))?;
    Ok(qemu)
}

/// Tells whether a file is a table that the kernel can be given.
fn check_table(path: &Path) -> Result<(), Error> {
    let bytes = fs::read(path).map_err(Error::file(path))?;
    if bytes.starts_with(b"DMAR") { Ok(()) } else { Err(Error::NoTable { path: path.to_owned() }) }
}

/// Tells in advance whether a file can be written, and leaves things as they are.
pub(super) fn check_writable(path: &Path) -> Result<(), Error> {
    let existed = path.exists();
    OpenOptions::new().append(true).create(true).open(path).map_err(Error::file(path))?;
    if existed { Ok(()) } else { fs::remove_file(path).map_err(Error::file(path)) }
}

/// A flag that Ctrl-C and requests to terminate set, so that QEMU and its files go in order.
pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>, Error> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::system("signals"))?;
    }
    Ok(stop)
}

fn boot(plan: &Plan, launch: Launch) -> Result<Outcome, Error> {
    let mut session = Session::start(launch)?;
    let mut moment = session.wait_end(plan.limit)?;
    if moment == Moment::Stopped && plan.console == ConsoleMode::Terminal {
        take_screenshot(plan, &mut session)?;
        moment = session.wait_power_off(plan.limit)?;
    } else if !matches!(moment, Moment::Over(Ending::Left | Ending::Died)) {
        take_screenshot(plan, &mut session)?;
    }
    // Whoever asks QEMU to stay wants to look at the memory of a machine that is over.
    if plan.machine.arguments.iter().any(|argument| argument == "-no-shutdown") {
        session.wait_gone(plan.limit);
    }
    session.finish(match moment {
        Moment::Over(ending) => ending,
        Moment::Stopped | Moment::Reached => Ending::Ended,
    })
}

fn take_screenshot(plan: &Plan, session: &mut Session) -> Result<(), Error> {
    plan.screenshot.as_deref().map_or(Ok(()), |path| session.screenshot(path))
}

/// Prints what there is to say about a run and returns the exit status.
fn conclude(plan: &Plan, outcome: &Outcome) -> u8 {
    let findings = judge::findings(&Evidence {
        purpose: plan.purpose,
        report: &outcome.report,
        ending: outcome.ending,
        self_test: plan.self_test,
    });
    if plan.purpose == Purpose::Bench {
        printed::show(&bench_table::render(outcome.report.benches()));
    }
    if outcome.ending == Ending::Died {
        outcome.messages.lines().for_each(|line| eprintln!("{line}"));
    }
    // Who left has read the console, and figures are about something else.
    if plan.purpose != Purpose::Bench
        && outcome.ending != Ending::Left
        && let Some(verdict) = outcome.report.verdict()
    {
        eprint!("{}", offline::answer::render(verdict, Colours::for_stream(&io::stderr())));
    }
    findings.iter().for_each(|finding| eprintln!("ivt: {finding}"));
    judge::exit_status(&findings)
}
