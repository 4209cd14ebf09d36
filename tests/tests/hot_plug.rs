//! Devices that are pulled out and plugged in while the kernel runs.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits) with a root port at 00:11.0 and an NVMe disk below it at
//! 01:00.0. The guest takes no part: power goes off at the slot, or the chipset ejects the device.

use std::io::Write;

use boot::machine::NATIVE_HOT_PLUG;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tests::{Outcome, Outside, Run, Running, config_space, count};

const PLACE: &str = "0000:01:00.0";
const DISK: &str = "1b36:0010";
const EDU: &str = "1234:11e8";

/// Who takes devices out: the port itself, whose slot then tells what it holds, or ACPI, where it tells nothing.
#[derive(Clone, Copy, PartialEq)]
enum HotPlug {
    Native,
    Acpi,
}

/// The machine, its bus from outside, and the disk's image.
struct Slot {
    outside: Outside,
    hot_plug: HotPlug,
    image: NamedTempFile,
}

impl Slot {
    fn new(hot_plug: HotPlug) -> Self {
        let mut image = NamedTempFile::new().unwrap();
        image.write_all(&b"the disk's blocks\n".repeat(64 << 10)).unwrap();
        Self { outside: Outside::new(), hot_plug, image }
    }

    fn machine(&self, options: &str) -> Run {
        let drive = format!("if=none,id=pulled,format=raw,file={}", self.image.path().display());
        let run = Run::new()
            .device("pcie-root-port,id=bay,bus=pcie.0,addr=11.0,chassis=1")
            .device("nvme,id=victim,serial=pulled,drive=pulled,bus=bay")
            .qemu_arguments(&["-drive", &drive])
            .options(options)
            .reached_by(&self.outside);
        match self.hot_plug {
            HotPlug::Native => run.qemu_arguments(&NATIVE_HOT_PLUG),
            HotPlug::Acpi => run,
        }
    }

    /// Slot control of the port: power off with its indicator off, or power on (PCIe "Slot Control Register").
    fn set_power(&mut self, control: u32) {
        let port = config_space(0, 0x11, 0);
        let mut next = u64::from(self.outside.read32(port + 0x34) & 0xfc);
        while next != 0 {
            let capability = self.outside.read32(port + next);
            if capability & 0xff == 0x10 {
                self.outside.write32(port + next + 0x18, control);
                return;
            }
            next = u64::from(capability >> 8 & 0xfc);
        }
        panic!("the port has no PCIe capability");
    }

    /// Takes out what is there, under this name.
    fn pull(&mut self, running: &mut Running, name: &str) {
        match self.hot_plug {
            HotPlug::Native => self.set_power(0x0700),
            HotPlug::Acpi => {
                running.command("device_del", json!({"id": name}));
                // QEMU "ACPI PCI hotplug interface": every bus is tried, then the slot of its first device.
                for bus in 0..4 {
                    self.outside.write_port32(0xcc0 + 0x10, bus);
                    self.outside.write_port32(0xcc0 + 0x08, 1);
                }
            }
        }
    }

    /// Plugs an `edu` in, under this name.
    fn plug(&mut self, running: &mut Running, name: &str) {
        if self.hot_plug == HotPlug::Native {
            self.set_power(0);
        }
        let mask = u64::MAX;
        running.command("device_add", json!({"driver": "edu", "bus": "bay", "id": name, "dma_mask": mask}));
    }

    /// Gives the `edu` registers, and bus mastering behind the kernel's back, as one has that does not obey.
    fn let_loose(&mut self) -> u64 {
        let (port, edu) = (config_space(0, 0x11, 0), config_space(1, 0, 0));
        let registers = u64::from(self.outside.read32(port + 0x20) & 0xfff0) << 16;
        self.outside.write32(edu + 0x10, registers as u32);
        self.outside.write32(edu + 0x04, 0b110);
        registers
    }
}

/// What was said of the function at the place: id and state.
fn lines(report: &boot::report::Report) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let here = report.of_kind("device").filter(|device| device["bdf"] == PLACE);
    here.map(|device| (text(&device["id"]), text(&device["state"]))).collect()
}

fn wait_for_line(running: &mut Running, id: &str, state: &str, times: usize) {
    let wanted = (id.to_owned(), state.to_owned());
    running.wait_for(&format!("{id} {state}"), |report, _| {
        lines(report).iter().filter(|line| **line == wanted).count() >= times
    });
}

fn checks(outcome: &Outcome) -> Vec<(&Value, &Value)> {
    outcome.events("check").into_iter().map(|check| (&check["name"], &check["result"])).collect()
}

/// A disk is pulled and an `edu` put in its place, which writes where the disk's queue is mapped. Positive twin: the
/// disk reads blocks by that queue before.
fn a_newcomer_inherits_nothing(hot_plug: HotPlug) {
    let mut slot = Slot::new(hot_plug);
    let mut running = slot.machine("policy=log drill=off").start();
    running.run_command("disk read 01:00.0 1 0 8");
    let disk = u64::from(slot.outside.read32(config_space(1, 0, 0) + 0x10) & !0xf);
    // NVMe "Admin Submission Queue Base Address".
    let [low, high] = [0x28, 0x2c].map(|offset| u64::from(slot.outside.read32(disk + offset)));
    let queue = high << 32 | low;

    slot.pull(&mut running, "victim");
    wait_for_line(&mut running, DISK, "quarantined", 1);
    let before = running.report().of_kind("check").count();
    slot.plug(&mut running, "newcomer");
    wait_for_line(&mut running, EDU, "blocked", 1);
    let registers = slot.let_loose();
    slot.outside.let_edu_write(registers, queue);
    running.wait_for_events("fault", 1);
    // Neither the disk nor what stands in its place is let back, and nobody waits for it.
    running.send_line("disk read 01:00.0 1 0 8");
    running.wait_for_events("check", before + 1);
    running.send_line("release 01:00.0");
    running.wait_for("the refusal", |_, console| console.contains("nothing to release"));
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    // For the fault that nobody asked for.
    outcome.assert_status(1);
    let found: Vec<_> = checks(&outcome).into_iter().map(|(_, result)| result.as_str().unwrap()).collect();
    assert_eq!(found[0], "pass", "{:?}", checks(&outcome));
    let expected = [(DISK, "blocked"), (DISK, "assigned"), (DISK, "quarantined"), (EDU, "blocked")];
    assert_eq!(lines(&outcome.report), expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
    let fault = outcome.event("fault");
    assert_eq!((&fault["requester"], &fault["bdf"]), (&PLACE.into(), &PLACE.into()));
    assert_eq!((&fault["id"], &fault["driver"]), (&EDU.into(), &Value::Null));
    assert_eq!((&fault["verdict"], &fault["reason"]), (&"unclaimed".into(), &"0x2".into()));
    assert_eq!(fault["address"], format!("{:#x}", queue & !0xfff));
}

#[test]
fn a_newcomer_in_a_slot_that_tells_of_it_inherits_nothing() {
    a_newcomer_inherits_nothing(HotPlug::Native);
}

#[test]
fn a_newcomer_in_a_slot_that_tells_nothing_inherits_nothing() {
    a_newcomer_inherits_nothing(HotPlug::Acpi);
}

/// While devices are told to overreach, the disk is pulled; then others come and go in its place. What the disk's
/// neighbours are told to do ends as ever, and nobody waits for who has left.
#[test]
fn devices_come_and_go_while_others_work() {
    const ROUNDS: usize = 3;
    let mut slot = Slot::new(HotPlug::Native);
    let mut running = slot.machine("policy=log drill=off").start();
    running.wait_for_prompt();
    running.send_line(&["attack 01:00.0 read", "attack 00:03.0 write"].repeat(ROUNDS).join("\r"));
    running.wait_for_events("drill", 1);
    slot.pull(&mut running, "victim");
    wait_for_line(&mut running, DISK, "quarantined", 1);
    running.wait_for_events("drill", 2 * ROUNDS);
    for round in 1..=count(4, 64) {
        slot.plug(&mut running, "newcomer");
        wait_for_line(&mut running, EDU, "blocked", round);
        slot.pull(&mut running, "newcomer");
        running.wait_for("the newcomer's leaving", |_, console| {
            console.matches("has left, and").count() > round
        });
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    assert_eq!(outcome.end()["event"], "end");
    let attacks = outcome.attacks("attack");
    assert!(attacks.iter().all(|attack| attack["result"] != "LEAKED"));
    for attack in attacks.iter().filter(|attack| attack["bdf"] == "0000:00:03.0") {
        outcome.assert_blocked(attack, "never-mapped");
    }
    outcome.assert_not_possible(attacks[2 * ROUNDS - 2], "no address space");
    assert!(outcome.events("bugcheck").is_empty());
}
