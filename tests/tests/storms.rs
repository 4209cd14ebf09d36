//! Devices that fault as fast as they can, beside one that works, and beside a user.
//!
//! Machine: the default one under instruction counting, so that time is instructions; for the storms of the NVMe disk
//! with a second one at 00:10.0.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tests::{Outcome, Outside, Run, config_space, count};

const CULPRIT: &str = "0000:00:05.0";

/// Runs the storm; the kernel checks that fault handling took no more than a tenth of any 100 ms, that the console's
/// side came to work all along, and that the other disk's transfers ended with the right bytes.
fn storm(options: &str) -> Outcome {
    let mut image = tempfile::NamedTempFile::new().unwrap();
    image.write_all(&b"the bystander's blocks\n".repeat(64 << 10)).unwrap();
    let drive = format!("if=none,id=other,format=raw,file={}", image.path().display());
    Run::new()
        .instruction_clock()
        .device("nvme,serial=other,drive=other,addr=10.0")
        .qemu_arguments(&["-drive", &drive])
        .options(&format!("policy=log drill=off {options}"))
        .script(["selftest storm", "selftest storm-long"][count(0, 1)])
        .limit(Duration::from_secs([240, 3600][count(0, 1)]))
        .go()
}

/// Told last of the storm: how often, and whether that is all. A record that was under way when the disk was cut off
/// counts there, too, and has a verdict of its own.
fn told(outcome: &Outcome) -> (u64, bool) {
    let faults = outcome.events("fault");
    assert!(faults.iter().all(|fault| fault["bdf"] == CULPRIT), "{faults:?}");
    assert_eq!(faults[0]["verdict"], "never-mapped");
    let count = |fault: &Value| fault["count"].as_u64().unwrap();
    let last = faults.iter().max_by_key(|fault| count(fault)).unwrap();
    (count(last), last["at_least"].as_bool().unwrap())
}

#[test]
fn a_storm_that_is_let_pass_takes_a_tenth_of_the_time_at_most() {
    let outcome = storm("storm=off");
    outcome.assert_status(0);
    assert_eq!(outcome.check("storm")["result"], "pass");
    assert_eq!(outcome.device(CULPRIT)["state"], "assigned");
    // Most faults fall into the time in which their interrupt is masked, and are merged.
    assert_eq!(told(&outcome), (outcome.end()["faults"].as_u64().unwrap(), true));
    assert!(outcome.events("fault").len() < 64);
}

#[test]
fn a_storm_is_ended_by_containment() {
    let outcome = storm("");
    outcome.assert_status(0);
    assert_eq!(outcome.check("storm")["result"], "pass");
    assert_eq!(outcome.device(CULPRIT)["state"], "quarantined");
    // What the disk requested while it had the bus is judged by what held then, also where it is read later.
    let is_right = |fault: &&Value| fault["verdict"] == "never-mapped";
    assert!(outcome.events("fault").iter().all(is_right), "{:?}", outcome.events("fault"));
    let (count, at_least) = told(&outcome);
    assert!((1000..1100).contains(&count) && at_least, "{count}");
}

/// Ends a storm, also where the test fails in its midst.
struct EndsWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The chipset's disk controller is told from outside to write where it may not, over and over, while a user reads
/// blocks. The lines are typed ahead, so the time between two answers is what the kernel takes for one; a host that
/// holds the machine up lengthens a few of them, a console that has to wait for faults would lengthen them all.
#[test]
fn the_console_answers_within_a_second_in_a_storm() {
    const CONTROLLER: &str = "0000:00:1f.2";
    const LINES: usize = 20;
    const SECOND: u64 = 1_000_000_000;
    let mut outside = Outside::new();
    let machine = Run::new().instruction_clock().options("policy=log storm=off drill=off");
    let mut running = machine.reached_by(&outside).start();
    running.wait_for_prompt();
    let config = config_space(0, 0x1f, 2);
    let registers = u64::from(outside.read32(config + 0x24) & !0xf);
    outside.write32(config + 0x04, 0b110);
    // AHCI "Port x Command and Status": each order to receive frames has the controller ask for their memory.
    let (order, receive) = (registers + 0x118, 1 << 4);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for value in [0, receive] {
                    outside.write32(order, value);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let _ended = EndsWhenDropped(&over);
        let counted = |least: u64| {
            move |report: &boot::report::Report, _: &str| report.faults().any(|fault| fault.count >= least)
        };
        running.wait_for("a storm", counted(256));
        running.send_line(&["disk read 00:05.0 1 0 8"; LINES].join("\r"));
        running.wait_for_events("check", LINES);
        running.wait_for("more of it", counted(1024));
    });
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    // For faults that nobody asked for.
    outcome.assert_status(1);
    assert_eq!(outcome.end()["failed"], 0);
    let faults = outcome.events("fault");
    assert!(
        faults.iter().all(|fault| fault["bdf"] == CONTROLLER && fault["verdict"] == "unclaimed"),
        "{faults:?}"
    );
    assert!(faults.iter().all(|fault| fault["at_least"] == true), "{faults:?}");
    let answers: Vec<_> = outcome.events("check").iter().map(|check| check["t"].as_u64().unwrap()).collect();
    let mut gaps: Vec<_> = answers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    assert!(gaps[gaps.len() / 2] < SECOND, "{gaps:?}");
}
