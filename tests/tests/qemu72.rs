//! The core set on QEMU 7.2, which Debian 12 has in its main suite and many people therefore have.
//!
//! `scripts/setup --with-qemu 7.2` puts it where it is looked for here; `IVT_QEMU72` names another.
//!
//! Machine: the default one. This release records no interrupt-remapping faults and ends where `edu` transfers
//! 4096 bytes; neither is part of the set.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use boot::image::{self, Layout};
use boot::judge::{self, Ending, Evidence, Finding, Purpose, SelfTest};
use boot::machine::{Iommu, Machine};
use boot::qemu::{Launch, Moment, Outcome, Qemu, Session};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(240);

/// The program, or a line that says that the test cannot run.
fn qemu() -> Option<Qemu> {
    let named = std::env::var_os("IVT_QEMU72").map(PathBuf::from);
    let program = named.unwrap_or_else(|| boot::target_folder().join("qemu-7.2/qemu-system-x86_64"));
    if program.exists() {
        return Some(Qemu::find(Some(&program)).unwrap());
    }
    // Past the harness, which would keep it to itself, and not behind what it has begun to write.
    let line = "\nSKIP core set on QEMU 7.2: it is not here; scripts/setup --with-qemu 7.2 fetches it\n";
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// Runs a script in a machine and demands that every check of `ivt` holds.
fn run(qemu: Qemu, machine: Machine, purpose: Purpose, options: &str, script: &str) -> Outcome {
    let image = image::cached(tests::kernel().unwrap(), Layout::Bios).unwrap();
    let options = boot::kernel_options::compose(options, Some(script)).unwrap();
    let mut session = Session::start(Launch { options, ..Launch::new(qemu, machine, image) }).unwrap();
    let ending = match session.wait_end(Some(LIMIT)).unwrap() {
        Moment::Over(ending) => ending,
        Moment::Stopped | Moment::Reached => Ending::Ended,
    };
    let outcome = session.finish(ending).unwrap();
    let evidence = Evidence { purpose, report: &outcome.report, ending, self_test: SelfTest::Excluded };
    let findings: Vec<_> = judge::findings(&evidence).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{findings:?}\n{}\n{}", outcome.serial, outcome.messages);
    outcome
}

#[test]
fn boots_to_protected_with_either_address_width() {
    for (iommu, levels) in [(Iommu::Intel, 4), (Iommu::Intel39, 3)] {
        let Some(qemu) = qemu() else { return };
        let machine = Machine { iommu, ..Machine::default() };
        let outcome = run(qemu, machine, Purpose::Run, "", "units");
        assert_eq!(outcome.report.of_kind("unit").next().unwrap()["levels"], levels);
        assert!(outcome.report.protected().all(|state| state.complete));
    }
}

#[test]
fn every_drill_is_blocked() {
    let Some(qemu) = qemu() else { return };
    let outcome = run(qemu, Machine::default(), Purpose::Run, "", "drill");
    // A disk writes whole blocks of its own, and none of them stands in the kernel's text.
    let disk = |drill: &&Value| {
        [&drill["bdf"], &drill["access"], &drill["target"]] == ["0000:00:05.0", "write", "kernel"]
    };
    let drills = outcome.report.of_kind("drill").filter(|drill| !disk(drill));
    let results: Vec<_> = drills.map(|drill| &drill["result"]).collect();
    // At boot and by command, six devices, reads and writes.
    assert!(results.len() > 90 && results.iter().all(|result| **result == "blocked"), "{results:?}");
}

#[test]
fn attacks_are_blocked_and_explained() {
    let Some(qemu) = qemu() else { return };
    let script = "attack 00:03.0 write; attack 00:04.0 read freed";
    let outcome = run(qemu, Machine::default(), Purpose::Run, "policy=log drill=off", script);
    let drills =
        outcome.report.of_kind("drill").map(|drill| (&drill["bdf"], &drill["result"], &drill["verdict"]));
    let told: Vec<_> = drills.map(|(bdf, result, verdict)| format!("{bdf} {result} {verdict}")).collect();
    assert_eq!(told, [r#""0000:00:03.0" "blocked" "never-mapped""#, r#""0000:00:04.0" "blocked" "stale""#,]);
    assert_eq!(outcome.report.faults().count(), 2);
}

#[test]
fn the_demo_stops_the_device() {
    let Some(qemu) = qemu() else { return };
    let outcome = run(qemu, Machine::default(), Purpose::Demo, "", "demo");
    let stop = outcome.report.of_kind("bugcheck").next().unwrap();
    assert_eq!((&stop["code"], &stop["p1"]), (&"0xe6".into(), &"0x26".into()));
}
