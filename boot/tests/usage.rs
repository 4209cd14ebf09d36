//! The command `ivt` refuses what it cannot do before it builds anything: status 2, one line, no waiting.

use std::process::{Command, Output};

fn ivt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivt")).args(arguments).output().unwrap()
}

#[track_caller]
fn assert_refused(arguments: &[&str], expected: &str) {
    let output = ivt(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.contains(expected), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn wrong_options_are_refused() {
    assert_refused(&["--firmware", "dos"], "possible values: bios, uefi");
    assert_refused(&["run", "--memory", "lots"], "--memory");
    assert_refused(&["demo", "--timeout", "0"], "--timeout");
    assert_refused(&["fly"], "fly");
    assert_refused(&["--script", "units", "--cmdline", "script=faults"], "one place");
    assert_refused(&["--screenshot", "screen.jpg"], ".png");
}

#[test]
fn what_the_host_lacks_is_named_with_the_remedy() {
    assert_refused(&["--qemu", "/nowhere/qemu"], "scripts/setup");
    let output = Command::new(env!("CARGO_BIN_EXE_ivt")).env("IVT_QEMU", "/nowhere/qemu").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = Command::new(env!("CARGO_BIN_EXE_ivt"))
        .args(["image", "kernel.img"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`cargo`"));
}

#[test]
fn machines_that_qemu_refuses_are_refused() {
    assert_refused(&["--device", "no-such-device"], "no-such-device");
    assert_refused(&["--device", "edu,addr=03.0"], "edu");
}

#[test]
fn files_that_cannot_be_written_are_refused() {
    assert_refused(&["--report", "/nowhere/report"], "/nowhere/report");
    assert_refused(&["--screenshot", "/nowhere/screen.png"], "/nowhere/screen.png");
    assert_refused(&["image", "/nowhere/image"], "/nowhere/image");
}

#[test]
fn files_that_are_no_table_are_refused() {
    assert_refused(&["run", "--dmar", "/nowhere/DMAR"], "/nowhere/DMAR");
    assert_refused(&["run", "--dmar", "/dev/null"], "no binary DMAR table");
}

#[test]
fn hostile_devices_are_listed_and_need_their_emulator() {
    let output = ivt(&["evil", "list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().any(|line| line.starts_with("power-on  ")), "{text}");
    assert_refused(&["evil", "fly"], "no scenario 'fly'");
    assert_refused(&["evil", "removal", "--image", "/dev/null"], "this kernel only");
    // Whatever this is, it is no QEMU that is new enough.
    assert_refused(&["evil", "--qemu", "/bin/true"], "scripts/setup --with-qemu 11.1");
}

#[test]
fn help_is_no_mistake() {
    let output = ivt(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("demo"));
}
