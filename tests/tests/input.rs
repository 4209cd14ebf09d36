//! Mistakes in kernel options and on the console: told, survived, counted.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0).

use serde_json::Value;
use tests::{Outcome, Run};

/// The details of all checks with a name and a result.
fn details<'a>(outcome: &'a Outcome, name: &str, result: &str) -> Vec<&'a str> {
    let its = |check: &&Value| check["name"] == name && check["result"] == result;
    outcome.report.of_kind("check").filter(its).filter_map(|check| check["detail"].as_str()).collect()
}

/// Unknown options are skipped, bad values replaced by the default; the rest of the options counts.
#[test]
fn mistakes_in_options_are_told_and_the_default_holds() {
    let options =
        "polcy=log policy=stop storm=many colour verifier=maybe loglevel=loud\n# policy=log\ndrill=off";
    let outcome = Run::new().options(options).script("attack 00:03.0 write").go();
    outcome.assert_status(1);
    for (option, said) in
        [("policy", "bugcheck|contain|log"), ("storm", "many"), ("verifier", "on"), ("loglevel", "debug")]
    {
        let name = format!("option {option}");
        let details = details(&outcome, &name, "fail");
        assert!(details.len() == 1 && details[0].contains(said), "{name}: {details:?}");
    }
    assert!(details(&outcome, "option polcy", "skip")[0].contains("policy"));
    assert_eq!(details(&outcome, "option colour", "skip").len(), 1);
    assert_eq!((&outcome.end()["failed"], &outcome.end()["skipped"]), (&4.into(), &2.into()));
    assert!(outcome.attacks("drill").is_empty(), "drill=off stands behind the mistakes");
    // The policy that holds is the default.
    assert_eq!(outcome.event("bugcheck")["code"], "0xe6");
}

/// Too long, or not text: all of it is ignored. Without a script the kernel waits at its prompt.
#[test]
fn options_that_cannot_be_read_are_ignored_as_a_whole() {
    let long = format!("policy=log script=units {}", "#".repeat(4096)).into_bytes();
    let garbled = b"policy=log script=units \xff\xfe".to_vec();
    for (text, said) in [(long, "4096"), (garbled, "UTF-8")] {
        let mut running = Run::new().fw_cfg("opt/ivt/cmdline", text).start();
        running.run_command("units");
        running.send_line("poweroff");
        running.wait_end();
        let outcome = running.finish();
        outcome.assert_status(1);
        let details = details(&outcome, "options", "fail");
        assert!(details.len() == 1 && details[0].contains(said), "{details:?}");
        assert_eq!(outcome.event("protected")["complete"], true);
        assert_eq!(outcome.end()["failed"], 1);
    }
}

/// Each mistake is a failed check, and the script goes on.
#[test]
fn mistakes_in_a_script_are_told_and_it_goes_on() {
    let mistakes = [
        ("atack 00:03.0 read", "attack"),
        ("attack", "attack: expected a device"),
        ("attack 3 read", "[SSSS:]BB:DD.F"),
        ("attack 00:03.0 sideways", "read"),
        ("attack 00:03.0 read nowhere", "canary"),
        ("attack 00:1d.0 read", "0000:00:1d.0"),
        ("release 00:03.0", "0000:00:03.0"),
        ("policy 00:1d.0 log", "0000:00:1d.0"),
        ("policy never", "bugcheck|contain|log"),
        ("mappings", "device"),
        ("selftest nonsense", "registers"),
        ("units please", "nothing more"),
    ];
    let lines: Vec<_> = mistakes.iter().map(|(line, _)| *line).collect();
    let script = format!("{}; policy log; attack 00:03.0 read", lines.join("; "));
    let outcome = Run::new().options("drill=off").script(&script).go();
    outcome.assert_status(1);
    let details = details(&outcome, "script", "fail");
    assert_eq!(details.len(), mistakes.len(), "{details:?}");
    for ((line, said), detail) in mistakes.iter().zip(details) {
        assert!(detail.contains(said), "{line}: {detail}");
        assert_eq!(detail.lines().count(), 1, "{line}");
    }
    assert_eq!(outcome.end()["failed"], mistakes.len());
    let [attack] = outcome.attacks("attack")[..] else { panic!("not one attack") };
    outcome.assert_blocked(attack, "never-mapped");
}

/// At the prompt a mistake is answered with one line, and fails nothing: whoever typed it has read it.
#[test]
fn mistakes_at_the_prompt_are_answered() {
    let mut running = Run::new().start();
    running.run_command("attack 00:03.0 sideways");
    for command in
        ["help", "units", "devices", "domains", "mappings 00:03.0", "faults", "faults 00:03.0", "report"]
    {
        running.run_command(command);
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    for said in ["attack: expected", "list the remapping units", "0000:00:1f.2", "never-mapped, expected"] {
        assert!(outcome.serial.contains(said), "{said}");
    }
    // `report` tells units, devices and domains once more.
    assert_eq!(outcome.events("unit").len(), 2);
    assert!(outcome.events("domain").len() >= 2);
}
