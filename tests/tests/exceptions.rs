//! Exceptions and panics end in a report and a stop screen; interrupts leave the interrupted code alone; the
//! kernel does without what a machine lacks.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits) with or without its `edu` devices at 00:03.0 and
//! 00:04.0; what is further taken away stands at each test.

use std::io::Write;

use boot::machine::Firmware;
use boot::qemu::Moment;
use serde_json::{Value, json};
use tests::{Outcome, Run, hex};

/// Names under which a stop reports registers.
const REGISTERS: [&str; 30] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", "cs", "ss", "rflags", "cr0", "cr2", "cr3", "cr4", "efer", "dr0", "dr6", "dr7", "fs_base",
    "gs_base",
];

/// Where the self-test accesses memory that is not mapped.
const UNMAPPED: u64 = 0x1234_5678;

/// The end of the address space, where the kernel's image is.
const IMAGE: std::ops::Range<u64> = 0xffff_ffff_8000_0000..0xffff_ffff_ffff_ffff;

/// Boots a machine without devices that a driver knows, raises one exception, and checks report and screen.
#[track_caller]
fn raised(name: &str, vector: u64, error_code: u64, words: &str) -> Outcome {
    let outcome = Run::new().no_default_devices().script(&format!("selftest {name}; selftest idt")).go();
    assert_exception(&outcome, vector, error_code, words);
    outcome
}

#[track_caller]
fn assert_exception(outcome: &Outcome, vector: u64, error_code: u64, words: &str) {
    assert_stopped(outcome, 0x7f, "UNEXPECTED_KERNEL_MODE_TRAP");
    let stop = outcome.event("bugcheck");
    let [p1, p2, p3, p4] = ["p1", "p2", "p3", "p4"].map(|name| hex(&stop[name]));
    assert_eq!((p1, p2), (vector, error_code), "vector and error code");
    assert_eq!((p3, p4), (hex(&stop["cpu"]["rip"]), hex(&stop["cpu"]["cr2"])));
    assert!(IMAGE.contains(&p3), "{p3:#x} is in the kernel");
    let detail = stop["detail"].as_str().unwrap();
    let vector = format!("{words} (vector {vector})");
    assert!(detail.contains(&vector), "{vector} in {detail}");
    assert!(outcome.serial.contains(&vector), "{vector} on the console");
}

/// Checks what every stop has in common.
#[track_caller]
fn assert_stopped(outcome: &Outcome, code: u64, name: &str) {
    let kinds: Vec<_> = outcome.report.lines().iter().rev().take(2).map(|line| line.kind()).collect();
    assert_eq!(kinds, ["end", "bugcheck"]);
    assert_eq!(outcome.end()["status"], "bugcheck");
    let stop = outcome.event("bugcheck");
    assert_eq!((hex(&stop["code"]), &stop["name"]), (code, &name.into()));
    assert_eq!(stop["fault"], Value::Null);
    for register in REGISTERS {
        assert!(stop["cpu"][register].is_string(), "register {register}");
    }
    let [p1, p2, p3, p4] = ["p1", "p2", "p3", "p4"].map(|name| hex(&stop[name]));
    let line = format!("*** STOP: 0x{code:08X} (0x{p1:016X}, 0x{p2:016X}, 0x{p3:016X}, 0x{p4:016X})");
    assert_eq!(outcome.serial.matches(&line).count(), 1, "{line}");
    assert!(outcome.serial.contains(name) && outcome.serial.contains("The machine is halted."));
    // A script would have gone on with its next command.
    assert_eq!(outcome.events("check").len(), 0);
    outcome.assert_status(3);
}

/// Says that the machine lacks what a check needs. Past the capture of passing tests' output, so that it is seen.
fn skip(check: &Value) {
    let [name, why] = ["name", "detail"].map(|field| check[field].as_str().unwrap());
    std::io::stderr().write_all(format!("\nSKIP {name}: {why}\n").as_bytes()).unwrap();
}

fn p4(outcome: &Outcome) -> u64 {
    hex(&outcome.event("bugcheck")["p4"])
}

#[test]
fn divide_error() {
    raised("raise-de", 0, 0, "#DE divide error");
}

#[test]
fn debug_exception() {
    let outcome = raised("raise-db", 1, 0, "#DB debug exception");
    assert_eq!(hex(&outcome.event("bugcheck")["cpu"]["dr6"]) & 1 << 14, 1 << 14, "a single step");
}

#[test]
fn breakpoint() {
    raised("raise-bp", 3, 0, "#BP breakpoint");
}

#[test]
fn invalid_opcode() {
    raised("raise-ud", 6, 0, "#UD invalid opcode");
}

#[test]
fn device_not_available() {
    raised("raise-nm", 7, 0, "#NM device not available");
}

#[test]
fn double_fault() {
    let outcome = raised("raise-df", 8, 0, "#DF double fault");
    // What could not be written is the first word below the stack pointer, aligned.
    assert_eq!(p4(&outcome), (UNMAPPED & !0xf) - 8);
    assert!(outcome.serial.contains("the stack pointer is in no stack of the kernel"));
}

#[test]
fn a_stack_that_overflows_runs_into_its_guard_page() {
    let outcome = raised("overflow-stack", 8, 0, "#DF double fault");
    assert!(outcome.serial.contains("the kernel stack overflowed onto its guard page"));
    // The guard page was hit, and the interrupted stack is still searched for who called.
    assert!(IMAGE.contains(&p4(&outcome)));
    let detail = outcome.event("bugcheck")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("return addresses:\n"), "{detail}");
}

#[test]
fn segment_not_present() {
    raised("raise-np", 11, 0x28, "#NP segment not present");
}

#[test]
fn stack_segment_fault() {
    raised("raise-ss", 12, 0x28, "#SS stack-segment fault");
}

#[test]
fn general_protection_faults() {
    raised("raise-gp", 13, 0, "#GP general protection fault");
    let outcome = raised("raise-gp-selector", 13, 0xff8, "#GP general protection fault");
    assert!(outcome.serial.contains("entry 511 of the global descriptor table"));
}

#[test]
fn page_faults_outside_all_mappings() {
    for (name, error_code, words) in
        [("raise-pf-read", 0, "read of a page"), ("raise-pf-write", 2, "write to a page")]
    {
        let outcome = raised(name, 14, error_code, "#PF page fault");
        assert_eq!(p4(&outcome), UNMAPPED);
        assert!(outcome.serial.contains(&format!("{words} that is not mapped, by the kernel")));
    }
}

#[test]
fn page_faults_against_the_use_of_a_page() {
    let outcome = raised("raise-pf-code", 14, 3, "#PF page fault");
    assert!(IMAGE.contains(&p4(&outcome)));
    let outcome = raised("raise-pf-fetch", 14, 0x11, "#PF page fault");
    assert_eq!(outcome.event("bugcheck")["p3"], outcome.event("bugcheck")["p4"]);
}

#[test]
fn x87_error() {
    raised("raise-mf", 16, 0, "#MF x87 floating-point error");
}

/// QEMU's own processors note the error and raise nothing; there the kernel says so and goes on.
#[test]
fn simd_error() {
    let outcome = Run::new().no_default_devices().script("selftest raise-xm").go();
    if outcome.events("bugcheck").is_empty() {
        let check = outcome.check("raise-xm");
        assert_eq!(check["result"], "skip");
        outcome.assert_status(0);
        skip(check);
    } else {
        assert_exception(&outcome, 19, 0, "#XM SIMD floating-point exception");
    }
}

/// From outside, at the prompt.
#[test]
fn non_maskable_interrupt() {
    let mut running = Run::new().no_default_devices().start();
    running.wait_for_prompt();
    running.command("inject-nmi", json!({}));
    assert_eq!(running.wait_end(), Moment::Stopped);
    assert_exception(&running.finish(), 2, 0, "NMI non-maskable interrupt");
}

/// An uncorrected error in bank 1 of the first processor.
#[test]
fn machine_check() {
    let mut running = Run::new().no_default_devices().start();
    running.wait_for_prompt();
    running.command(
        "human-monitor-command",
        json!({"command-line": "mce 0 1 0xbe00000000000000 0x5 0x1000 0x0"}),
    );
    assert_eq!(running.wait_end(), Moment::Stopped);
    assert_exception(&running.finish(), 18, 0, "#MC machine check");
}

/// Before it, devices with drivers master the bus; after it, nothing does.
#[test]
fn a_panic_stills_every_device_and_ends_like_a_stop() {
    let mut running = Run::new().self_test_possible().start();
    running.wait_for_prompt();
    for function in ["0000:00:03.0", "0000:00:04.0"] {
        assert!(running.may_master_the_bus(function), "{function}");
    }
    running.send_line("selftest panic");
    assert_eq!(running.wait_end(), Moment::Stopped);
    for function in ["0000:00:03.0", "0000:00:04.0", "0000:00:1f.2"] {
        assert!(!running.may_master_the_bus(function), "{function}");
    }
    let outcome = running.finish();
    assert_stopped(&outcome, 0, "PANIC");
    let detail = outcome.event("bugcheck")["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("asked for by the self-test") && detail.contains("selftest/raise/mod.rs"),
        "{detail}"
    );
    assert!(outcome.serial.contains("asked for by the self-test"));
}

/// A message that cannot be shown raises an exception in the middle of the stop.
#[test]
fn a_second_fault_while_stopping_ends_in_a_halt_with_a_line() {
    let mut running = Run::new().self_test_possible().start();
    running.run_command("units");
    running.send_line("selftest panic-twice");
    assert_eq!(running.wait_end(), Moment::Stopped);
    for function in ["0000:00:03.0", "0000:00:04.0"] {
        assert!(!running.may_master_the_bus(function), "{function}");
    }
    let outcome = running.finish();
    assert_eq!(outcome.serial.matches("while stopping: #UD invalid opcode (vector 6) at 0x").count(), 1);
    let stop = outcome.event("bugcheck");
    assert_eq!((&stop["code"], &stop["name"]), (&"0x0".into(), &"PANIC".into()));
    assert!(stop["detail"].as_str().unwrap().starts_with("while stopping: #UD"));
    assert_eq!(outcome.end()["status"], "bugcheck");
    outcome.assert_status(3);
}

/// Machine: four further `edu` devices, for a denser storm.
#[test]
fn interrupts_leave_the_interrupted_code_alone() {
    let edu = |place: &str| format!("edu,addr={place}.0,dma_mask=0xffffffffffffffff");
    let run = ["10", "11", "12", "13"].map(edu).iter().fold(Run::new(), |run, device| run.device(device));
    let outcome = run.script("selftest idt; selftest exhaustion; selftest timer-storm").go();
    outcome.assert_status(0);
    for name in ["idt", "exhaustion", "timer-storm"] {
        assert_eq!(outcome.check(name)["result"], "pass", "{name}");
    }
    assert!(outcome.end()["faults"].as_u64() > Some(20), "{}", outcome.end());
}

/// Machine: its serial ports stand where nobody looks for them; the report goes to the debug console.
#[test]
fn it_goes_on_without_serial_ports() {
    let without = |script| {
        let run = Run::new().no_default_devices().options("report=debugcon").script(script);
        run.qemu_arguments(&["-global", "isa-serial.iobase=0x3e8"]).go()
    };
    let outcome = without("selftest idt");
    outcome.assert_status(0);
    assert_eq!(outcome.check("idt")["result"], "pass");
    assert_eq!(outcome.serial, "");
    let outcome = without("selftest raise-ud");
    assert_eq!(outcome.event("bugcheck")["p1"], "0x6");
    outcome.assert_status(3);
}

/// Machine: no keyboard controller.
#[test]
fn it_goes_on_without_a_keyboard() {
    let mut running = Run::new().no_default_devices().qemu_arguments(&["-machine", "i8042=off"]).start();
    running.run_command("units");
    running.send_line("poweroff");
    running.wait_end();
    running.finish().assert_status(0);
}

/// Machine: a display with 1 MiB of memory, which has room for the smallest modes only.
#[test]
fn it_goes_on_with_a_tiny_screen() {
    let run = Run::new().no_default_devices().qemu_arguments(&["-global", "VGA.vgamem_mb=1"]);
    let outcome = run.script("selftest raise-ud").go();
    assert_exception(&outcome, 6, 0, "#UD invalid opcode");
}

/// Machine: UEFI, whose driver finds no mode for so little display memory and offers no framebuffer.
#[test]
fn it_goes_on_without_a_screen() {
    let run = Run::new().firmware(Firmware::Uefi).no_default_devices();
    let outcome = run.qemu_arguments(&["-global", "VGA.vgamem_mb=1"]).script("selftest raise-ud").go();
    assert_exception(&outcome, 6, 0, "#UD invalid opcode");
}
