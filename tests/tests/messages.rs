//! Interrupt messages that nobody asked for, as they arrive where no unit stands before them: from outside, past all units.
//!
//! Machine: the default one. A message is a write to 0xfee00000; it is made from outside, as a device would.

use std::sync::atomic::{AtomicBool, Ordering};

use boot::report::Report;
use report::DeviceState;
use tests::{Outside, Run, Running, config_space};

/// Where a message to the first processor is written.
const MESSAGE: u64 = 0xfee0_0000;
/// In its data: delivery as a non-maskable interrupt.
const NMI: u32 = 0x400;

/// Vectors of exceptions with and without an error code, the spurious one, and some that nobody has. Each is survived,
/// is told of, and leaves the kernel all its interrupts.
#[test]
fn a_forged_message_is_survived_whatever_its_vector() {
    const VECTORS: [u32; 9] = [0x10, 0x11, 0x13, 0x1e, 0x1f, 0x20, 0x50, 0xef, 0xff];
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=log drill=off").reached_by(&outside).start();
    for vector in VECTORS.repeat(3) {
        running.wait_for_prompt();
        outside.write32(MESSAGE, vector);
        let told = format!("unexpected interrupt at vector {vector:#x}");
        running.wait_for("word of it", |_, console| console.contains(&told));
    }
    running.run_command("attack 00:03.0 write");
    running.wait_for_events("drill", 1);
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    for vector in VECTORS {
        let told = format!("unexpected interrupt at vector {vector:#x};");
        assert_eq!(outcome.serial.matches(&told).count(), 1, "{}", outcome.serial);
    }
}

#[test]
fn a_non_maskable_interrupt_without_cause_is_not_blamed_on_the_kernel_alone() {
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=log drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    outside.write32(MESSAGE, NMI);
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(3);
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["p1"]), (&"0x7f".into(), &"0x2".into()));
    let detail = stop["detail"].as_str().unwrap();
    assert!(detail.contains("a device may have sent it") && detail.contains("0000:00:03.0"), "{detail}");
    assert!(outcome.serial.contains("those that master the bus"), "{}", outcome.serial);
}

/// Sends messages as fast as it can until it is dropped.
fn flood(outside: &mut Outside, vector: u32, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        outside.write32(MESSAGE, vector);
    }
}

/// Vectors that nobody has, without end: a fault is explained and the console answers all the same.
#[test]
fn forged_messages_without_end_keep_nothing_from_its_turn() {
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=log drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| flood(&mut outside, 0xe3, &over));
        let _ended = EndsWhenDropped(&over);
        for _ in 0..5 {
            running.run_command("attack 00:03.0 write");
            running.run_command("disk read 00:05.0 1 0 8");
        }
        running.wait_for_events("drill", 5);
    });
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    assert!(outcome.attacks("attack").iter().all(|attack| attack["result"] == "blocked"));
}

/// Ends a flood, also where the test fails in its midst.
struct EndsWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Registers of an Intel 82574 (datasheet "Interrupt Cause Read Register" and "Set Register").
const CAUSES: u64 = 0xc0;
const SET_CAUSES: u64 = 0xc8;

/// Messages of each function so far, by the console's table of vectors.
fn counted(running: &mut Running, devices: &[&str]) -> Vec<u64> {
    let mut counts = Vec::new();
    running.run_command("interrupts");
    running.wait_for("the table of vectors", |_, console| {
        let table = console.rsplit("ivt> interrupts").next().unwrap_or_default();
        let of = |bdf: &&str| {
            let line = table.lines().find(|line| line.contains(&format!("message 0 of 0000:{bdf}")))?;
            line.split_whitespace().nth(2)?.parse().ok()
        };
        counts = devices.iter().filter_map(of).collect();
        counts.len() == devices.len()
    });
    counts
}

/// Work with a known number of messages: each request of a disk has one, and each attack by interrupt its twin, the device's
/// own. Every one must be counted, and no more but of a network card: at first, after each device was contained, reset and let back,
/// after a second time, and after one was masked for a storm.
#[test]
fn as_many_messages_arrive_as_are_sent_before_and_after_containment_and_storms() {
    const DEVICES: [&str; 6] = ["00:03.0", "00:04.0", "00:05.0", "00:06.0", "00:07.0", "00:08.0"];
    const DISKS: [&str; 2] = ["00:05.0", "00:07.0"];
    const ROUNDS: u64 = 3;
    let mut outside = Outside::new();
    let machine = Run::new().options("policy=log storm=100 drill=off");
    let mut running = machine.reached_by(&outside).start();
    running.wait_for_prompt();
    let none_lost = |running: &mut Running, when: &str| {
        let before = counted(running, &DEVICES);
        for _ in 0..ROUNDS {
            DISKS.iter().for_each(|disk| running.run_command(&format!("disk read {disk} 1 0 8")));
            DEVICES.iter().for_each(|bdf| running.run_command(&format!("attack {bdf} write interrupt")));
        }
        let sent = DEVICES.map(|bdf| ROUNDS * (1 + u64::from(DISKS.contains(&bdf))));
        let after = counted(running, &DEVICES);
        let arrived: Vec<_> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
        // The last one, a network card, has causes of its own besides.
        let (last, others) = (DEVICES.len() - 1, ..DEVICES.len() - 1);
        assert_eq!(arrived[others], sent[others], "{when}: {DEVICES:?}");
        assert!(arrived[last] >= sent[last], "{when}: {arrived:?}");
    };
    none_lost(&mut running, "at first");
    for round in 1..=2 {
        for bdf in DEVICES {
            running.run_command(&format!("policy {bdf} contain"));
            running.run_command(&format!("attack {bdf} write"));
            running.run_command(&format!("release {bdf}"));
            running.run_command(&format!("policy {bdf} log"));
        }
        none_lost(&mut running, &format!("after release {round}"));
    }
    let registers = u64::from(outside.read32(config_space(0, 3, 0) + 0x10) & !0xf);
    let contained =
        |report: &Report| report.device("0000:00:03.0").is_some_and(|edu| edu["state"] == "quarantined");
    for _ in 0..20_000 {
        outside.write32(registers + 0x60, 1);
        outside.write32(registers + 0x64, 1);
        if contained(running.report()) {
            break;
        }
    }
    running.run_command("release 00:03.0");
    none_lost(&mut running, "after a storm");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    assert!(outcome.serial.contains("interrupts without end"), "{}", outcome.serial);
    assert!(outcome.events("bugcheck").is_empty());
}

/// A network card that repeats its own message is contained; `storm=off` lets it. Others fault, and are explained.
#[test]
fn a_device_that_interrupts_without_end_is_contained() {
    const CARD: &str = "0000:00:08.0";
    for (storm, state) in [("1", "quarantined"), ("off", "assigned")] {
        let mut outside = Outside::new();
        let machine = Run::new().options(&format!("policy=log storm={storm} drill=off"));
        let mut running = machine.reached_by(&outside).start();
        running.wait_for_prompt();
        let registers = u64::from(outside.read32(config_space(0, 8, 0) + 0x10) & !0xf);
        // A host under load makes slow storms: some window will see enough.
        let contained =
            |report: &Report| report.devices().any(|device| device.state == DeviceState::Quarantined);
        for _ in 0..20_000 {
            outside.write32(registers + CAUSES, u32::MAX);
            outside.write32(registers + SET_CAUSES, 1 << 2 | 1 << 20 | 1 << 22 | 1 << 24);
            if contained(running.report()) {
                break;
            }
        }
        running.run_command("attack 00:03.0 write");
        running.wait_for_events("drill", 1);
        running.send_line("poweroff");
        running.wait_end();
        let outcome = running.finish();
        assert_eq!(outcome.device(CARD)["state"], state, "{}", outcome.serial);
        let words = outcome.serial.matches("interrupts without end").count();
        assert_eq!(words, usize::from(state == "quarantined"), "{}", outcome.serial);
        // Nobody asked for it.
        outcome.assert_status(if state == "quarantined" { 1 } else { 0 });
        assert_eq!(outcome.attacks("attack")[0]["result"], "blocked");
    }
}
