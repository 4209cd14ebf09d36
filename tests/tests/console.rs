//! A console that answers whatever else the machine and its user do.
//!
//! Machine: the default one.

use std::time::Duration;

use tests::{Outside, Run, config_space};

/// Where instructions drive the clock, the timer rings at the same points in each run, and at every one of them. A
/// kernel that sleeps for ever does not end by itself.
#[test]
fn a_rest_ends_however_soon_the_timer_rings() {
    for run in [Run::new().instruction_clock(), Run::new()] {
        let outcome = run.options("drill=off").script("selftest rest").limit(Duration::from_secs(120)).go();
        outcome.assert_status(0);
        assert_eq!(outcome.check("rest")["result"], "pass");
    }
}

/// More is written than pipe and kernel can keep, so the port stands still for seconds. Then the terminal goes on: it
/// is told that lines are missing, and has its console back.
#[test]
fn a_terminal_that_was_stopped_finds_the_console_working() {
    const LINES: usize = 120;
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    running.stop_reading();
    running.send_line(&["help"; LINES].join("\r"));
    std::thread::sleep(Duration::from_secs(8));
    running.read_on();
    running.wait_for("the gap", |_, console| console.contains("lines are missing here"));
    running.wait_for_prompt();
    running.send_line("memory");
    running.wait_for("an answer", |_, console| console.contains("heap: "));
    running.send_line("poweroff");
    running.wait_end();
    running.finish().assert_status(0);
}

/// What the kernel says unasked stands where the user was typing: the prompt comes back, and what was typed.
#[test]
fn the_prompt_comes_back_after_a_line_of_the_log() {
    const CONTROLLER: &str = "0000:00:1f.2";
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=log drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    running.wait_for("a prompt", |_, console| console.ends_with("ivt> "));
    // AHCI "Port x Command and Status": the order to receive frames has the controller ask for their memory.
    let config = config_space(0, 0x1f, 2);
    let registers = u64::from(outside.read32(config + 0x24) & !0xf);
    outside.write32(config + 0x04, 0b110);
    for value in [0, 1 << 4] {
        outside.write32(registers + 0x118, value);
    }
    running.wait_for_events("fault", 1);
    running.wait_for("the prompt again", |_, console| {
        console.rfind(CONTROLLER).is_some_and(|line| console[line..].ends_with("\nivt> "))
    });
    running.send_line("poweroff");
    running.wait_end();
    // For a fault that nobody asked for.
    running.finish().assert_status(1);
}

/// A controller that is given the bus again each time faults under `contain` without end; what does not change is not
/// said again.
#[test]
fn a_device_that_goes_on_faulting_does_not_fill_the_log() {
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=contain drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    let config = config_space(0, 0x1f, 2);
    let registers = u64::from(outside.read32(config + 0x24) & !0xf);
    for _ in 0..300 {
        outside.write32(config + 0x04, 0b110);
        outside.write32(registers + 0x118, 0);
        outside.write32(registers + 0x118, 1 << 4);
        std::thread::sleep(Duration::from_millis(2));
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    assert!(outcome.end()["faults"].as_u64().unwrap() > 16, "{:?}", outcome.end());
    for repeated in ["is quarantined", "lower bounds from here on"] {
        assert!(outcome.serial.matches(repeated).count() <= 1, "{}", outcome.serial);
    }
}

/// The lines of a report are in the order of their times, where faults come in between too.
#[test]
fn time_never_goes_back_in_a_report() {
    let outcome = Run::new().options("policy=log").script("attack 00:03.0 write; drill; memory; report").go();
    outcome.assert_status(0);
    let times: Vec<_> = outcome.report.lines().iter().map(|line| line.json["t"].as_u64().unwrap()).collect();
    assert!(times.len() > 50 && times.is_sorted(), "{times:?}");
    assert!(outcome.serial.contains("frames: ") && outcome.serial.contains("table pages"));
}
