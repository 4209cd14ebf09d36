//! A console that can be used by people: at a terminal on the serial line, and at keyboard and screen.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0, a PS/2 keyboard).

use std::time::{Duration, Instant};

use tests::Run;

/// Lines are mended in their middle and completed, a terminal that speaks ANSI gets colours and no other does, and a
/// command that would take long ends when its user wants it to.
#[test]
fn a_terminal_edits_completes_and_ends_commands() {
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    running.send_line("ping 10.0.2.99 x");
    running.wait_for("a mistake", |_, console| console.contains("ping: "));
    running.wait_for_prompt();
    running.send_line("mappings 00:03\t");
    running.wait_for("the device's mappings", |_, console| console.contains("of late, newest first:"));
    running.wait_for_prompt();
    running.send_line("uns\x1b[Dit\x01\x05 \x08");
    running.wait_for("units", |_, console| console.contains("unit 0 at 0x"));
    running.wait_for_prompt();
    // Several words fit: they are shown, and the line stands there again.
    running.send_line("selftest storm\t\x15");
    running
        .wait_for("the choice", |_, console| console.contains("storm  storm-long  \r\nivt> selftest storm"));

    // Nobody has that address, and the kernel would wait for it for five seconds.
    running.wait_for_prompt();
    running.send_line("ping 10.0.2.99");
    std::thread::sleep(Duration::from_millis(1500));
    let asked = Instant::now();
    running.send_line("\x03");
    running
        .wait_for("the command's end", |_, console| console.contains("ended by Ctrl-C before it was done"));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    // The same without it is a failed check, whose line is coloured by now.
    running.wait_for_prompt();
    running.send_line("ping 10.0.2.99");
    running.wait_for("a line in red", |_, console| {
        console.contains("\x1b[31m[") && console.contains("check ping")
    });
    running.wait_for_prompt();
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(1);
    let pings: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "ping 10.0.2.99").collect();
    assert_eq!(pings.iter().map(|check| &check["result"]).collect::<Vec<_>>(), ["skip", "fail"]);
    let colour = outcome.serial.find("\x1b[3").unwrap();
    assert!(outcome.serial[..colour].contains("WARN"), "no line was coloured before the terminal spoke ANSI");
}

/// A drill is ended between two targets, in order: every device works on.
#[test]
fn a_drill_can_be_ended() {
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    running.send_line("drill");
    running.wait_for_events("drill", 8);
    running.send_line("\x03");
    running.wait_for("the drill's end", |_, console| console.contains("ended by Ctrl-C before it was done"));
    running.wait_for_prompt();
    running.send_line("attack 00:03.0 write foreign");
    running.wait_for_events("bugcheck", 1);
    running.wait_end();
    let outcome = running.finish();
    assert_eq!(outcome.attacks("attack").len(), 1);
    assert!(outcome.attacks("drill").len() < 100, "the drill went on");
}

/// The keys beside the screen: an answer is gone back to, and what was shown comes again.
#[test]
fn the_screen_goes_back_to_what_has_passed() {
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    for answers in 1..=3 {
        running.press(&["h", "e", "l", "p", "x", "left", "delete", "ret"]);
        running.wait_for("an answer", |_, console| {
            console.matches("list the remapping units").count() == answers
        });
    }
    running.wait_for_prompt();
    // The screen is drawn while nobody waits for it.
    let mut settled = || {
        std::thread::sleep(Duration::from_secs(2));
        running.picture()
    };
    let now = settled();
    running.press(&["pgup"]);
    std::thread::sleep(Duration::from_secs(2));
    let before = running.picture();
    assert_ne!(before, now);
    running.press(&["pgdn"]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running.picture(), now);
    running.press(&["pgup", "p", "o", "w", "tab", "ret"]);
    running.wait_end();
    running.finish().assert_status(0);
}
