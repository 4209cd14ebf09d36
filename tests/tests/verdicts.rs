//! Where each verdict is shown, and those that need a machine of their own: devices that nobody enumerated, that go
//! on although they were cut off, or that cannot be told apart.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.

use std::path::Path;

use diagnosis::Verdict;
use serde_json::{Value, json};
use tests::{Outcome, Outside, Run, config_space};

/// A test: its file, from the workspace's folder, and its name.
type Test = (&'static str, &'static str);

/// Every verdict that there is.
const VERDICTS: [Verdict; 13] = [
    Verdict::Interrupt,
    Verdict::UnknownRequester,
    Verdict::Contained,
    Verdict::TableCorruption,
    Verdict::TranslatedRequest,
    Verdict::BeyondWidth,
    Verdict::Unclaimed,
    Verdict::WrongDirection,
    Verdict::Stale,
    Verdict::Overrun,
    Verdict::Foreign,
    Verdict::NeverMapped,
    Verdict::Alias,
];

/// The test that shows a verdict: in QEMU, save for the one that QEMU cannot produce, which a host test shows.
const fn shown_by(verdict: Verdict) -> Test {
    const ATTACKS: Test = ("tests/tests/isolation.rs", "every_attack_is_blocked_with_its_verdict");
    const REASONS: Test = ("tests/tests/reasons.rs", "every_reason_is_provoked_reported_and_put_right_again");
    const HOST: &str = "kernel/libs/diagnosis/src/tests/verdicts.rs";
    match verdict {
        Verdict::NeverMapped
        | Verdict::Stale
        | Verdict::Foreign
        | Verdict::WrongDirection
        | Verdict::Overrun => ATTACKS,
        Verdict::TableCorruption | Verdict::Unclaimed => REASONS,
        Verdict::BeyondWidth => ("tests/tests/isolation.rs", "any_address_can_be_attacked"),
        Verdict::UnknownRequester => {
            ("tests/tests/verdicts.rs", "a_device_that_nobody_enumerated_is_told_as_such")
        }
        Verdict::Alias => ("tests/tests/verdicts.rs", "devices_that_share_an_id_have_verdicts_of_their_own"),
        Verdict::Contained => ("tests/tests/verdicts.rs", "a_contained_device_that_goes_on_is_told_as_such"),
        Verdict::Interrupt => {
            ("tests/tests/interrupts.rs", "a_device_that_raises_what_is_not_its_own_is_refused_and_named")
        }
        // QEMU's unit never refuses a request with reason 0xd.
        Verdict::TranslatedRequest => {
            (HOST, "translated_and_too_wide_requests_come_before_the_missing_driver")
        }
    }
}

/// The table above stays true: each test is there, and its file names the verdict.
#[test]
fn every_verdict_is_shown_by_a_test() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for verdict in VERDICTS {
        let (file, test) = shown_by(verdict);
        let text =
            std::fs::read_to_string(workspace.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            text.contains(&format!("#[test]\nfn {test}()")),
            "{verdict}: there is no test {test} in {file}"
        );
        let named =
            text.contains(&format!("\"{verdict}\"")) || text.contains(&format!("Verdict::{verdict:?}"));
        assert!(named, "{file} does not name {verdict}");
    }
    let last = VERDICTS.iter().max().map(|verdict| *verdict as usize + 1);
    assert_eq!(last, Some(VERDICTS.len()), "a verdict is missing in this file's list");
}

const COMMAND: u64 = 0x04;
const BAR0: u64 = 0x10;
const BUSES: u64 = 0x18;
const MEMORY_WINDOW: u64 = 0x20;
const MEMORY_AND_BUS_MASTER: u32 = 0b110;

/// The run has one flaw: a fault that nobody asked for.
#[track_caller]
fn assert_one_flaw(outcome: &Outcome) {
    outcome.assert_status(1);
    assert_eq!((outcome.findings.len(), &outcome.end()["failed"]), (1, &0.into()), "{:?}", outcome.findings);
}

/// Machine: an empty root port, into which an `edu` is plugged once the kernel has started; the test gives the port
/// another bus, where nobody looks for newcomers, opens it, and has the `edu` write, as a device with a mind of its own
/// would.
///
/// Positive twin: an `edu` that was there is still told by its name.
#[test]
fn a_device_that_nobody_enumerated_is_told_as_such() {
    const BUS: u8 = 5;
    let (port, late) = (config_space(0, 0x11, 0), config_space(BUS, 0, 0));
    let mut outside = Outside::new();
    let mut running = Run::new()
        .device("pcie-root-port,id=late,bus=pcie.0,addr=11.0,chassis=1")
        .options("policy=contain drill=off")
        .reached_by(&outside)
        .start();
    running.wait_for_prompt();
    running.command("device_add", json!({"driver": "edu", "bus": "late", "dma_mask": u64::MAX}));
    outside.write32(port + BUSES, u32::from_le_bytes([0, BUS, BUS, 0]));
    outside.write32(port + COMMAND, MEMORY_AND_BUS_MASTER);
    // The window starts at a multiple of 1 MiB, as the device's registers must.
    let registers = outside.read32(port + MEMORY_WINDOW) << 16;
    outside.write32(late + BAR0, registers);
    outside.write32(late + COMMAND, MEMORY_AND_BUS_MASTER);
    outside.let_edu_write(registers.into(), 0x20_0000);
    running.wait_for_events("fault", 1);
    // The fault was told behind the prompt, so nobody waits for that.
    for line in ["policy log", "attack 00:03.0 write", "poweroff"] {
        running.send_line(line);
    }
    running.wait_end();
    let outcome = running.finish();

    assert_one_flaw(&outcome);
    let faults = outcome.events("fault");
    let fault = faults[0];
    assert_eq!(
        [&fault["verdict"], &fault["requester"], &fault["address"], &fault["access"], &fault["action"]],
        ["unknown-requester", "0000:05:00.0", "0x200000", "write", "logged"]
    );
    assert!([&fault["bdf"], &fault["name"], &fault["driver"]].into_iter().all(Value::is_null), "{fault}");
    assert_eq!((&fault["candidates"], &fault["at_least"]), (&json!([]), &true.into()));
    let words = fault["explanation"].as_str().unwrap();
    assert!(words.contains("0000:05:00.0"), "{words}");
    assert!(outcome.events("device").iter().all(|device| device["bdf"] != "0000:05:00.0"));
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
    assert_eq!(faults.last().unwrap()["bdf"], "0000:00:03.0");
}

/// The test gives a contained `edu` its bus mastering back, as a device would that does not care for it.
///
/// Positive twin: once it is released, its next overreach has an ordinary verdict again.
#[test]
fn a_contained_device_that_goes_on_is_told_as_such() {
    const ROGUE: &str = "0000:00:03.0";
    let device = config_space(0, 3, 0);
    let mut outside = Outside::new();
    let mut running = Run::new().options("policy=contain drill=off").reached_by(&outside).start();
    running.run_command("attack 00:03.0 write");
    assert!(!running.may_master_the_bus(ROGUE));
    outside.write32(device + COMMAND, MEMORY_AND_BUS_MASTER);
    let registers = outside.read32(device + BAR0) & !0xf;
    outside.let_edu_write(registers.into(), 0x20_0000);
    running.wait_for("the second fault", |report, _| {
        report.faults().any(|fault| fault.address == Some(report::Hex(0x20_0000)))
    });
    for line in ["release 00:03.0", "attack 00:03.0 write", "poweroff"] {
        running.send_line(line);
    }
    running.wait_end();
    let outcome = running.finish();

    assert_one_flaw(&outcome);
    let faults = outcome.events("fault");
    let verdicts: Vec<_> = faults.iter().map(|fault| &fault["verdict"]).collect();
    assert_eq!(verdicts, ["never-mapped", "contained", "never-mapped"]);
    assert!(faults.iter().all(|fault| fault["bdf"] == ROGUE && fault["action"] == "contained"), "{faults:?}");
}

/// An `edu` and a network card without a driver behind one bridge, which gives both its id.
fn behind_one_bridge() -> Run {
    Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("pcie-pci-bridge,id=bridge,bus=root-port")
        .device("edu,bus=bridge,addr=05.0,dma_mask=0xffffffffffffffff")
        .device("rtl8139,bus=bridge,addr=06.0")
}

const DRIVEN: &str = "0000:02:05.0";
const UNDRIVEN: &str = "0000:02:06.0";

/// The fault has the verdict `alias`, and lists both devices with what holds for each.
#[track_caller]
fn assert_alias(fault: &Value, own: &str) {
    assert_eq!(
        (&fault["verdict"], &fault["requester"]),
        (&"alias".into(), &"0000:02:00.0".into()),
        "{fault}"
    );
    let candidates = json!([{"bdf": DRIVEN, "verdict": own}, {"bdf": UNDRIVEN, "verdict": "unclaimed"}]);
    assert_eq!(fault["candidates"], candidates);
    assert_eq!((&fault["bdf"], &fault["at_least"]), (&DRIVEN.into(), &true.into()), "{fault}");
}

/// The hardware names the bridge's id only. Whoever sent the request, each device has its verdict; the attack, which
/// knows the device that it told to overreach, gets that device's.
#[test]
fn devices_that_share_an_id_have_verdicts_of_their_own() {
    let attacks =
        [("canary", "never-mapped"), ("freed", "stale"), ("past-end", "overrun"), ("foreign", "foreign")];
    let script: String =
        attacks.iter().map(|(target, _)| format!("attack 02:05.0 write {target}; ")).collect();
    let outcome = behind_one_bridge().options("policy=log").script(&script).go();
    outcome.assert_status(0);
    // The short drill after the start tries it, too.
    assert!(
        outcome
            .attacks("drill")
            .iter()
            .any(|attack| attack["bdf"] == DRIVEN && attack["result"] == "blocked")
    );
    let told = outcome.attacks("attack");
    assert_eq!(told.len(), attacks.len());
    for (attack, (target, own)) in told.into_iter().zip(attacks) {
        assert_eq!(
            [&attack["target"], &attack["result"], &attack["verdict"]],
            [target, "blocked", own],
            "{attack}"
        );
        let page = &attack["expected_fault"]["page"];
        let its = |fault: &&Value| fault["address"] == *page && fault["candidates"][0]["verdict"] == own;
        let fault = outcome.events("fault").into_iter().find(its);
        assert_alias(fault.unwrap_or_else(|| panic!("no fault for {attack}")), own);
    }
}

/// The stop is the attack's, although its fault has another verdict than the attack.
#[test]
fn a_stop_for_devices_that_share_an_id_names_them_all() {
    let outcome = behind_one_bridge().options("drill=off").script("attack 02:05.0 write").go();
    outcome.assert_status(0);
    assert_alias(&outcome.event("bugcheck")["fault"], "never-mapped");
    assert_eq!(outcome.event("bugcheck")["p2"], outcome.device(DRIVEN)["object"]);
}
