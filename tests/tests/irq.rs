//! Who may interrupt the processor: vectors with their owners, what firmware left armed, and which processors there are.
//!
//! Machine: the default one, and some with other processors. What `interrupts` prints is held against what was done, and
//! against the chips as QEMU's monitor shows them.

use std::io::Write;

use acpi_tables::testing::DmarBuilder;
use acpi_tables::{DmarFlags, DrhdFlags};
use dma_types::{PhysAddr, Segment};
use serde_json::json;
use tempfile::NamedTempFile;
use tests::{Outcome, Outside, Run, config_space};

/// Where q35 has its I/O APIC, its event timer and its remapping unit.
const IO_APIC: u64 = 0xfec0_0000;
const HPET: u64 = 0xfed0_0000;
const UNIT: u64 = 0xfed9_0000;

/// A line of the table of vectors.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    vector: u32,
    count: u64,
    owner: &'a str,
}

/// What one of the commands `interrupts` of a script has printed: from its prompt to the next.
fn table(serial: &str, which: usize) -> Vec<Line<'_>> {
    let printed = serial.split("ivt> ").filter(|part| part.starts_with("interrupts")).nth(which).unwrap();
    printed.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line<'_>> {
    let (vector, rest) = text.strip_prefix("vector 0x")?.split_once(": ")?;
    let (count, owner) = rest.split_once(' ')?;
    Some(Line {
        vector: u32::from_str_radix(vector, 16).ok()?,
        count: count.parse().ok()?,
        owner: owner.trim_end(),
    })
}

fn of<'a, 'b>(table: &'a [Line<'b>], owner: &str) -> &'a Line<'b> {
    table.iter().find(|line| line.owner.contains(owner)).unwrap_or_else(|| panic!("{owner}: {table:?}"))
}

/// A disk that works interrupts, one that rests does not. The kernel's own vectors outrank both, and no vector has two owners.
#[test]
fn every_drivers_vector_is_listed_with_a_count_that_grows_as_it_works() {
    const DRIVEN: [&str; 4] = ["00:05.0", "00:06.0", "00:07.0", "00:08.0"];
    let script = "interrupts; disk read 00:05.0 1 0 8; attack 00:03.0 write; interrupts; report";
    let outcome = Run::new().options("policy=log drill=off").script(script).go();
    outcome.assert_status(0);
    let (before, after) = (table(&outcome.serial, 0), table(&outcome.serial, 1));
    for bdf in DRIVEN {
        let line = of(&before, &format!("message 0 of 0000:{bdf}, to processor 0, open"));
        assert!((0x30..0xf0).contains(&line.vector), "{line:?}");
        assert_eq!(line.vector, of(&after, bdf).vector);
        assert_eq!(after.iter().filter(|other| other.vector == line.vector).count(), 1);
    }
    assert!(of(&after, "00:05.0").count > of(&before, "00:05.0").count, "{before:?} {after:?}");
    assert_eq!(of(&after, "00:07.0").count, of(&before, "00:07.0").count, "it was asked for nothing");
    let units = (of(&before, "the remapping units"), of(&after, "the remapping units"));
    assert!(units.0.vector >= 0xf0 && units.1.count == units.0.count + 1, "{units:?}");
    assert!(of(&after, "the APIC's timer").vector >= 0xf0);
    let report = outcome.serial.rsplit("ivt> report").next().unwrap();
    // The units' vector stands beside them as well.
    assert_eq!(report.lines().filter_map(line).count(), after.len() + 1);
}

/// An entry of the I/O APIC, read or written from outside: its lower half.
fn pin(outside: &mut Outside, pin: u32) -> u32 {
    outside.write32(IO_APIC, 0x10 + 2 * pin);
    outside.read32(IO_APIC + 0x10)
}

fn arm(outside: &mut Outside, pin: u32, entry: u32) {
    outside.write32(IO_APIC, 0x10 + 2 * pin);
    outside.write32(IO_APIC + 0x10, entry);
}

const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;

/// Before anything runs, a pin that the interval timer works, a level-triggered one and the event timer are armed, as
/// firmware may leave them. From the chips' own registers: all of it is silent at the prompt, and no vector was raised.
#[test]
fn what_firmware_left_armed_is_masked_stopped_and_named() {
    let mut outside = Outside::new();
    let machine = Run::new().options("policy=log drill=off").qemu_arguments(&["-S"]);
    let mut running = machine.reached_by(&outside).start();
    arm(&mut outside, 2, 0x81);
    arm(&mut outside, 21, 0x91 | LEVEL);
    outside.write32(HPET + 0x100, 1 << 2);
    outside.write32(HPET + 0x10, 1);
    assert_eq!((pin(&mut outside, 2) & MASKED, outside.read32(HPET + 0x10)), (0, 1));
    running.command("cont", json!({}));
    running.run_command("interrupts");
    for number in 0..24 {
        assert_eq!(pin(&mut outside, number) & MASKED, MASKED, "pin {number}");
    }
    assert_eq!((outside.read32(HPET + 0x10), outside.read32(HPET + 0x100) & 1 << 2), (0, 0));
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    let printed = outcome.serial.split("ivt> interrupts").nth(1).unwrap();
    for told in [
        "lines from 0: all 24 pins masked",
        "armed by firmware: pin 2 (edge-triggered, vector 0x81) is masked",
        "armed by firmware: pin 21 (level-triggered, vector 0x91) is masked",
        "event timer (HPET) at 0xfed00000, 3 timers: stopped",
        "firmware had armed its timers 0x1",
    ] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
    assert!(!outcome.serial.contains("unexpected interrupt"), "{}", outcome.serial);
}

/// The twin: a machine that nobody armed has nothing to tell.
#[test]
fn where_nothing_was_armed_nothing_is_told() {
    let outcome = Run::new().options("drill=off").script("interrupts; selftest x2apic").go();
    outcome.assert_status(0);
    assert!(outcome.serial.contains("all 24 pins masked") && outcome.serial.contains("stopped"));
    assert!(!outcome.serial.contains("firmware had armed") && !outcome.serial.contains("armed by firmware"));
}

/// What becomes of a machine with a second table of interrupt controllers, which holds these structures.
fn run_with_controllers(structures: &[u8], script: &str) -> Outcome {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&[&[0; 8], structures].concat()).unwrap();
    let table = format!("sig=APIC,data={}", file.path().display());
    let run = Run::new().options("policy=log drill=off").qemu_arguments(&["-acpitable", &table]);
    run.script(script).go()
}

fn io_apic(id: u8, address: u64) -> Vec<u8> {
    let address = u32::try_from(address).unwrap().to_le_bytes();
    [&[1, 12, id, 0][..], &address, &240_u32.to_le_bytes()].concat()
}

#[track_caller]
fn assert_given_up(outcome: &Outcome, words: &[&str]) {
    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    for words in words {
        assert!(outcome.serial.contains(words), "{words}: {}", outcome.serial);
    }
    // Devices are none the worse.
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}

#[test]
fn an_interrupt_controller_over_memory_or_a_unit_is_refused() {
    const MEMORY: u64 = 0x0600_0000;
    let structures = [io_apic(9, MEMORY), io_apic(10, UNIT), io_apic(11, IO_APIC)].concat();
    let outcome = run_with_controllers(&structures, "attack 00:03.0 write; report");
    let words = [
        "I/O APIC 9 at 0x6000000: 32 bytes at 0x6000000 touch memory",
        "I/O APIC 10 at 0xfed90000: the table has it lie over the registers of remapping unit 0",
        "I/O APIC 11 at 0xfec00000: the table has it lie where another one is",
        "given up: what firmware armed at 0x6000000 may go on interrupting",
        "all 24 pins masked",
    ];
    assert_given_up(&outcome, &words);
}

#[test]
fn a_damaged_table_of_interrupt_controllers_costs_completeness() {
    let outcome = run_with_controllers(&[1, 200, 9, 0], "attack 00:03.0 write; report");
    assert_given_up(&outcome, &["given up: the firmware's table of interrupt controllers could not be read"]);
}

/// Where a table names a controller, no device has registers: `edu` at 00:04.0 loses them, that at 00:03.0 works.
#[test]
fn registers_over_an_interrupt_controller_that_a_table_names_are_no_devices() {
    let mut outside = Outside::new();
    let mut running = Run::new().options("drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    let registers = u64::from(outside.read32(config_space(0, 4, 0) + 0x10) & !0xf);
    running.send_line("poweroff");
    running.wait_end();
    running.finish().assert_status(0);

    let outcome = run_with_controllers(&io_apic(9, registers), "attack 00:03.0 write");
    assert_given_up(&outcome, &[]);
    let refused = outcome.device("0000:00:04.0");
    assert_eq!(refused["state"], "blocked");
    let why = refused["refused"].as_str().unwrap();
    assert!(why.contains("the registers of I/O APIC 9"), "{why}");
    assert_eq!(outcome.device("0000:00:03.0")["state"], "assigned");
}

/// The line that says which mode the local APIC is in, and why.
fn mode(outcome: &Outcome) -> &str {
    let line = outcome.serial.lines().find(|line| line.contains("local APIC 0 in "));
    line.and_then(|line| line.split("local APIC 0 in ").nth(1)).unwrap().trim_end()
}

/// By processor, units and table; in each mode a blocked device interrupts, and a disk works.
#[test]
fn the_mode_of_the_local_apic_is_chosen_by_processor_units_and_table() {
    let table = |flags| {
        let table = DmarBuilder::new().width_bits(48).flags(flags);
        table.drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), PhysAddr::new(UNIT), &[]).build()
    };
    let opt_out = table(DmarFlags::INTR_REMAP | DmarFlags::X2APIC_OPT_OUT);
    let plain = Run::new().options("policy=log drill=off");
    let named = plain.clone().qemu_arguments(&["-global", "intel-iommu.eim=on"]);
    let opted = Run::new().options("policy=log drill=off dmar=fw_cfg").fw_cfg("opt/ivt/dmar", opt_out);
    for (run, expected) in [
        (plain, "xAPIC mode: a remapping unit cannot name processors in x2APIC mode (EIM)"),
        (named.clone(), "x2APIC mode: the processor has it"),
        (named.qemu_arguments(&["-cpu", "max,x2apic=off"]), "xAPIC mode: the processor has no other"),
        (opted, "xAPIC mode: the firmware's table asks for it (X2APIC_OPT_OUT)"),
    ] {
        let outcome = run.script("disk read 00:05.0 1 0 8; attack 00:03.0 write; selftest x2apic").go();
        outcome.assert_status(0);
        assert_eq!(mode(&outcome), expected);
        outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
        let passes = if expected.starts_with("x2") { "pass" } else { "skip" };
        assert_eq!(outcome.check("x2apic")["result"], passes);
        let cpu = outcome.event("cpu");
        assert_eq!((&cpu["apic_id"], &cpu["state"]), (&json!(0), &json!("running")));
    }
}

/// A processor whose id has nine bits is there, is told of, and stays parked; firmware had the boot processor in x2APIC
/// mode.
#[test]
fn a_processor_with_a_large_id_stays_parked_and_is_named() {
    let run = Run::new().options("policy=log drill=off").qemu_arguments(&[
        "-smp",
        "1,sockets=400,maxcpus=400",
        "-global",
        "intel-iommu.eim=on",
    ]);
    let run = run.device("max-x86_64-cpu,socket-id=399,core-id=0,thread-id=0");
    let outcome = run.script("interrupts; attack 00:03.0 write").go();
    outcome.assert_status(0);
    assert!(mode(&outcome).starts_with("x2APIC mode"), "{}", mode(&outcome));
    let cpus = outcome.events("cpu");
    let [here, far] = cpus[..] else { panic!("{cpus:?}") };
    assert_eq!((&here["apic_id"], &here["state"]), (&json!(0), &json!("running")));
    assert_eq!((&far["apic_id"], &far["state"]), (&json!(399), &json!("parked")));
    assert!(outcome.serial.contains("processors with APIC id 399 stay parked"), "{}", outcome.serial);
    outcome.assert_blocked(outcome.attacks("attack")[0], "never-mapped");
}
