//! Reasons for which QEMU's unit refuses an interrupt, each with the message that passes.
//!
//! Machine: the default one. Entries, table pointer and messages are made wrong from outside while the machine stands
//! still, and put right again before it runs on; 0x21, 0x22 and 0x26 of MSI are the kernel's own (`selftest interrupts`).

use serde_json::{Value, json};
use tests::{Outcome, Outside, Run, Running, config_space};

/// The unit's registers (VT-d "Register Descriptions").
const UNIT: u64 = 0xfed9_0000;
const COMMAND: u64 = UNIT + 0x18;
const STATUS: u64 = UNIT + 0x1c;
const TABLE: u64 = UNIT + 0xb8;
/// A command that happens once: takes the table pointer. And status bits of such, which must not be repeated.
const SET_TABLE: u32 = 1 << 24;
const ONCE: u32 = 0x6900_0000;

/// No memory of this machine.
const NOWHERE: u32 = 0x7000_0000;

/// `edu` at 00:03.0: its id, and registers that raise its interrupt and end it.
const EDU: (u8, u16, &str) = (3, 0x0018, "0000:00:03.0");
const RAISE: u64 = 0x60;
const ACKNOWLEDGE: u64 = 0x64;

/// The machine at its prompt, seen from outside.
struct Scene {
    outside: Outside,
    running: Running,
    registers: u64,
}

impl Scene {
    fn start(run: Run) -> Self {
        let mut outside = Outside::new();
        let mut running = run.options("policy=log drill=off").reached_by(&outside).start();
        running.wait_for_prompt();
        let registers = u64::from(outside.read32(config_space(0, EDU.0, 0) + 0x10) & !0xf);
        Self { outside, running, registers }
    }

    /// Has `edu` send its message.
    fn raise(&mut self) {
        self.outside.write32(self.registers + RAISE, 1);
        self.outside.write32(self.registers + ACKNOWLEDGE, 1);
    }

    /// How many messages of a function the kernel counts.
    fn arrived(&mut self, bdf: &str) -> u64 {
        let mut count = None;
        self.running.run_command("interrupts");
        let of = format!("message 0 of {bdf}");
        self.running.wait_for("the table of vectors", |_, console| {
            let line = console.lines().rfind(|line| line.contains(&of));
            let words = line.and_then(|line| line.split_whitespace().nth(2));
            count = words.and_then(|word| word.parse().ok());
            count.is_some()
        });
        count.unwrap()
    }

    /// Index and place of the entry that only requests with an id may name.
    fn entry_of(&mut self, id: u16) -> (u64, u64) {
        let base =
            u64::from(self.outside.read32(TABLE) & !0xfff) | u64::from(self.outside.read32(TABLE + 4)) << 32;
        let table = self.running.memory(base, 4096);
        let is_its = |entry: &[u8]| entry[0] & 1 == 1 && entry[8..10] == id.to_le_bytes();
        let index = table.chunks(16).position(is_its).expect("an entry") as u64;
        (index, base + index * 16)
    }

    /// Gives the unit its table anew, as its register says.
    fn set_table(&mut self) {
        let status = self.outside.read32(STATUS);
        self.outside.write32(COMMAND, status & !ONCE | SET_TABLE);
    }

    /// Does something while the processor stands still.
    fn while_stopped(&mut self, act: impl FnOnce(&mut Self)) {
        self.running.command("stop", json!({}));
        act(self);
        self.running.command("cont", json!({}));
    }

    /// Waits for the fault of a reason.
    fn wait_for_reason(&mut self, reason: &str) {
        self.running
            .wait_for(reason, |report, _| report.of_kind("fault").any(|fault| fault["reason"] == reason));
    }

    fn finish(mut self) -> Outcome {
        self.running.send_line("poweroff");
        self.running.wait_end();
        let outcome = self.running.finish();
        // Nobody asked for these faults.
        outcome.assert_status(1);
        assert_eq!(outcome.event("protected")["complete"], true);
        outcome
    }
}

/// The only fault, which is of an interrupt.
#[track_caller]
fn assert_refused<'a>(outcome: &'a Outcome, reason: &str, requester: &str, kind: &str) -> &'a Value {
    let faults = outcome.events("fault");
    let of_reason: Vec<_> = faults.into_iter().filter(|fault| fault["reason"] == reason).collect();
    let fault = *of_reason.first().unwrap_or_else(|| panic!("no fault of reason {reason}"));
    assert_eq!((&fault["requester"], &fault["access"]), (&requester.into(), &"interrupt".into()));
    assert_eq!((&fault["verdict"], &fault["address"]), (&"interrupt".into(), &Value::Null), "{fault}");
    assert_eq!(fault["interrupt"]["kind"], kind, "{fault}");
    assert!(fault["explanation"].as_str().is_some_and(|words| !words.is_empty()), "{fault}");
    fault
}

#[test]
fn an_entry_with_a_reserved_bit_refuses_its_own_device() {
    const RESERVED: u32 = 1 << 24;
    let mut scene = Scene::start(Run::new());
    scene.raise();
    assert_eq!(scene.arrived(EDU.2), 1, "the twin: it passes");
    let (_, entry) = scene.entry_of(EDU.1);
    scene.while_stopped(|scene| {
        let low = scene.outside.read32(entry);
        scene.outside.write32(entry, low | RESERVED);
        scene.raise();
        scene.outside.write32(entry, low);
    });
    scene.wait_for_reason("0x24");
    assert_eq!(scene.arrived(EDU.2), 1);
    scene.raise();
    assert_eq!(scene.arrived(EDU.2), 2, "it passes again");
    assert_refused(&scene.finish(), "0x24", EDU.2, "reserved");
}

#[test]
fn a_table_that_is_not_in_memory_refuses_everybody() {
    let mut scene = Scene::start(Run::new());
    scene.while_stopped(|scene| {
        let low = scene.outside.read32(TABLE);
        scene.outside.write32(TABLE, low & 0xfff | NOWHERE);
        scene.set_table();
        scene.raise();
        scene.outside.write32(TABLE, low);
        scene.set_table();
    });
    scene.wait_for_reason("0x23");
    assert_eq!(scene.arrived(EDU.2), 0);
    scene.raise();
    assert_eq!(scene.arrived(EDU.2), 1, "the twin: by its table it passes");
    assert_refused(&scene.finish(), "0x23", EDU.2, "table");
}

/// The first entry of the disk's table of messages: its data has bits that must be 0.
#[test]
fn a_message_with_reserved_bits_is_refused() {
    const DISK: &str = "0000:00:05.0";
    const READ: &str = "disk read 00:05.0 1 0 8";
    let mut scene = Scene::start(Run::new());
    let before = scene.arrived(DISK);
    scene.running.run_command(READ);
    let passed = scene.arrived(DISK);
    assert_eq!(passed, before + 1, "the twin: each request has its message");
    let data = messages_of(&mut scene.outside, 5) + 8;
    let own = scene.outside.read32(data);
    scene.outside.write32(data, own | 1 << 16);
    scene.running.run_command(READ);
    scene.outside.write32(data, own);
    scene.wait_for_reason("0x20");
    assert_eq!(scene.arrived(DISK), passed);
    assert_refused(&scene.finish(), "0x20", DISK, "reserved");
}

/// Where a function on bus 0 has its table of messages (PCI "MSI-X Capability and Table Structures").
fn messages_of(outside: &mut Outside, slot: u8) -> u64 {
    const MSIX: u32 = 0x11;
    let config = config_space(0, slot, 0);
    let mut capability = config | u64::from(outside.read32(config + 0x34) & 0xff);
    loop {
        let header = outside.read32(capability);
        if header & 0xff == MSIX {
            break;
        }
        assert_ne!(header >> 8 & 0xff, 0, "it has no messages");
        capability = config | u64::from(header >> 8 & 0xff);
    }
    let table = outside.read32(capability + 4);
    let bar = config + 0x10 + u64::from(table & 7) * 4;
    let low = outside.read32(bar);
    let high = if low >> 1 & 3 == 2 { outside.read32(bar + 4) } else { 0 };
    (u64::from(high) << 32 | u64::from(low & !0xf)) + u64::from(table & !7)
}

/// Registers of `iommu-testdev` (QEMU "hw/misc/iommu-testdev"), and its word for a write that was blocked.
mod tester {
    pub const SLOT: u8 = 0x10;
    pub const TRIGGER: u64 = 0x00;
    pub const IOVA_LOW: u64 = 0x04;
    pub const IOVA_HIGH: u64 = 0x08;
    pub const LENGTH: u64 = 0x0c;
    pub const RESULT: u64 = 0x10;
    pub const DOORBELL: u64 = 0x14;
    pub const BLOCKED: u32 = 0xdead_0002;
}

/// Machine: QEMU 11.1 with `iommu-testdev` at 00:10.0, whose writes to the interrupt range carry the id 00:00.0. A plain
/// write, no message of any capability. The twin: where the entry is of that id, the same write raises the interrupt.
#[test]
fn a_message_forged_by_dma_is_refused_for_its_sender() {
    let run = Run::new().recent_emulator().device("iommu-testdev,addr=10.0");
    let mut scene = Scene::start(run);
    let config = config_space(0, tester::SLOT, 0);
    scene.outside.write32(config + 4, 0x6);
    let registers = u64::from(scene.outside.read32(config + 0x10) & !0xf);
    let (index, entry) = scene.entry_of(EDU.1);
    // Its data is a pattern: without SHV nothing is added to the index.
    let message = 0xfee0_0010 | index << 5;
    let forge = |scene: &mut Scene| {
        for (register, value) in [
            (tester::IOVA_LOW, message as u32),
            (tester::IOVA_HIGH, 0),
            (tester::LENGTH, 4),
            (tester::DOORBELL, 1),
        ] {
            scene.outside.write32(registers + register, value);
        }
        scene.outside.read32(registers + tester::TRIGGER);
        scene.outside.read32(registers + tester::RESULT)
    };
    assert_eq!(forge(&mut scene), tester::BLOCKED);
    scene.wait_for_reason("0x26");
    assert_eq!(scene.arrived(EDU.2), 0);

    let sender = scene.outside.read32(entry + 8);
    scene.outside.write32(entry + 8, sender & !0xffff);
    forge(&mut scene);
    scene.outside.write32(entry + 8, sender);
    assert_eq!(scene.arrived(EDU.2), 1, "the twin: it would arrive");

    let outcome = scene.finish();
    let fault = assert_refused(&outcome, "0x26", "0000:00:00.0", "forged");
    assert_eq!((&fault["interrupt"]["owner"], &fault["interrupt"]["index"]), (&EDU.2.into(), &index.into()));
}
