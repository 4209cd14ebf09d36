//! Devices behind ports, bridges and a second root bus: who asked is told apart from whose id the request carries.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.
//!
//! Positive twins: before each overreach the device moves the same bytes through memory of its own, and an attack
//! for which that fails is a failed check.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use tests::{Outcome, Outside, Run, Running, config_space};

/// An `edu` that sends all address bits.
fn edu(place: &str) -> String {
    format!("edu,{place},dma_mask=0xffffffffffffffff")
}

/// Attacks by one device, both ways, and their verdicts.
const ATTACKS: [(&str, &str, &str); 3] =
    [("write", "canary", "never-mapped"), ("read", "freed", "stale"), ("write", "foreign", "foreign")];

/// Lets each of these devices attack.
fn attack_all(machine: Run, bdfs: &[&str]) -> Outcome {
    let lines = bdfs
        .iter()
        .flat_map(|bdf| ATTACKS.map(|(access, target, _)| format!("attack {bdf} {access} {target}; ")));
    let outcome = machine.options("policy=log").script(&lines.collect::<String>()).go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    outcome
}

/// Every attack of the device was blocked, and its faults carry this id.
#[track_caller]
fn assert_attributed(outcome: &Outcome, bdf: &str, requester: &str) {
    assert_eq!(outcome.device(bdf)["requester"], requester);
    let attacks: Vec<_> =
        outcome.attacks("attack").into_iter().filter(|attack| attack["bdf"] == bdf).collect();
    assert_eq!(attacks.len(), ATTACKS.len());
    for (attack, (_, _, verdict)) in attacks.into_iter().zip(ATTACKS) {
        assert_eq!(attack["expected_fault"]["requester"], requester);
        let fault = outcome.assert_blocked(attack, verdict);
        assert_eq!((&fault["bdf"], &fault["candidates"]), (&bdf.into(), &Value::Array(Vec::new())));
    }
}

fn group(outcome: &Outcome, bdf: &str) -> Value {
    outcome.device(bdf)["group"].clone()
}

/// Machine: an `edu` below a root port; a second root bus 0x40 with a root port and an `edu` below that.
#[test]
fn below_root_ports_a_device_carries_its_own_id() {
    let machine = Run::new()
        .device("pcie-root-port,id=near,bus=pcie.0,addr=11.0,chassis=1")
        .device(&edu("bus=near"))
        .device("pxb-pcie,id=expander,bus_nr=0x40,bus=pcie.0,addr=10.0")
        .device("pcie-root-port,id=far,bus=expander,addr=2.0,chassis=2")
        .device(&edu("bus=far"));
    let outcome = attack_all(machine, &["0000:01:00.0", "0000:41:00.0"]);
    assert_attributed(&outcome, "0000:01:00.0", "0000:01:00.0");
    assert_attributed(&outcome, "0000:41:00.0", "0000:41:00.0");
    assert_ne!(group(&outcome, "0000:01:00.0"), group(&outcome, "0000:41:00.0"));
    assert_ne!(group(&outcome, "0000:01:00.0"), group(&outcome, "0000:00:03.0"));
}

/// Machine: an `edu` behind a PCIe-to-PCI bridge, which gives it the id of its bus; another behind two
/// conventional bridges, of which the first gives it its own id.
#[test]
fn behind_bridges_a_device_carries_the_bridge_s_id() {
    let machine = Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("pcie-pci-bridge,id=express-bridge,bus=root-port")
        .device(&edu("bus=express-bridge,addr=05.0"))
        .device("i82801b11-bridge,id=outer,bus=pcie.0,addr=12.0")
        .device("pci-bridge,id=inner,bus=outer,chassis_nr=3,addr=01.0")
        .device(&edu("bus=inner,addr=06.0"));
    let outcome = attack_all(machine, &["0000:02:05.0", "0000:04:06.0"]);
    assert_attributed(&outcome, "0000:02:05.0", "0000:02:00.0");
    assert_attributed(&outcome, "0000:04:06.0", "0000:00:12.0");
    assert_eq!(group(&outcome, "0000:02:05.0"), group(&outcome, "0000:01:00.0"));
    assert_eq!(group(&outcome, "0000:04:06.0"), group(&outcome, "0000:00:12.0"));
    assert_ne!(group(&outcome, "0000:02:05.0"), group(&outcome, "0000:04:06.0"));
}

/// Machine: three `edu` that share one id, one of them behind a further bridge.
///
/// They cannot be told apart: all are named as candidates, and all are contained together.
#[test]
fn devices_that_share_an_id_share_their_fate() {
    let machine = Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("pcie-pci-bridge,id=express-bridge,bus=root-port")
        .device(&edu("bus=express-bridge,addr=05.0"))
        .device(&edu("bus=express-bridge,addr=06.0"))
        .device("pci-bridge,id=inner,bus=express-bridge,chassis_nr=3,addr=01.0")
        .device(&edu("bus=inner,addr=06.0"));
    let sharing = ["0000:02:05.0", "0000:02:06.0", "0000:03:06.0"];
    let script = "attack 02:06.0 write; attack 03:06.0 write; release 02:06.0; policy log; \
        attack 03:06.0 read freed; attack 00:03.0 read foreign";
    let outcome = machine.options("policy=contain").script(script).go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    let attacks = outcome.attacks("attack");
    for (attack, verdict, action) in
        [(attacks[0], "never-mapped", "contained"), (attacks[2], "stale", "logged")]
    {
        let fault = outcome.assert_blocked(attack, verdict);
        assert_eq!((&fault["requester"], &fault["action"]), (&"0000:02:00.0".into(), &action.into()));
        let candidates: Vec<_> =
            fault["candidates"].as_array().unwrap().iter().map(|one| &one["bdf"]).collect();
        assert_eq!(candidates, sharing);
    }
    outcome.assert_not_possible(attacks[1], "no address space");
    outcome.assert_blocked(attacks[3], "foreign");
    for bdf in sharing {
        let states = outcome.report.of_kind("device").filter(|device| device["bdf"] == bdf);
        let states: Vec<_> = states.map(|device| &device["state"]).collect();
        assert_eq!(states, ["blocked", "assigned", "quarantined", "assigned"], "{bdf}");
        assert_eq!(group(&outcome, bdf), group(&outcome, "0000:01:00.0"));
    }
    assert_eq!(outcome.device("0000:00:03.0")["state"], "assigned");
}

/// The low half of the context entry of a function on a bus, as the unit's tables stand in memory.
fn context_entry(running: &mut Running, outside: &mut Outside, bus: u8, device: u8) -> u64 {
    /// The unit's registers, and of these the root table's address (VT-d "Root Table Address Register").
    const ROOT_TABLE: u64 = 0xfed9_0000 + 0x20;
    const TABLE: u64 = !0xfff;
    let mut word = |address| u64::from_le_bytes(running.memory(address, 8).try_into().unwrap());
    let root = u64::from(outside.read32(ROOT_TABLE)) & TABLE;
    let context = word(root + 16 * u64::from(bus)) & TABLE;
    assert_ne!(context, 0, "bus {bus} has no context table");
    word(context + 16 * (u64::from(device) << 3))
}

/// Machine: two `edu` that share an id behind a PCIe-to-PCI bridge. One faults, and both are quarantined: then nothing
/// is left of either, its own id among it. Positive twin: before, and after a release, both ids lead to the domain.
#[test]
fn a_quarantined_sibling_keeps_no_entry_of_its_own_id() {
    const PRESENT: u64 = 1;
    let mut outside = Outside::new();
    let machine = Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("pcie-pci-bridge,id=express-bridge,bus=root-port")
        .device(&edu("bus=express-bridge,addr=05.0"))
        .device(&edu("bus=express-bridge,addr=06.0"));
    let mut running = machine.options("policy=contain drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    let mut entries = |running: &mut Running| {
        [0, 5, 6].map(|device| context_entry(running, &mut outside, 2, device) & PRESENT)
    };
    assert_eq!(entries(&mut running), [PRESENT; 3]);
    running.run_command("attack 02:05.0 write");
    assert_eq!(entries(&mut running), [0; 3]);
    running.run_command("release 02:06.0");
    assert_eq!(entries(&mut running), [PRESENT; 3]);
    running.send_line("poweroff");
    running.wait_end();
    running.finish().assert_status(0);
}

/// Machine: one device with two functions, both `edu`: one group, for they can talk past any unit.
#[test]
fn functions_of_one_device_share_a_group_and_keep_their_ids() {
    let machine = Run::new().device(&edu("addr=10.0,multifunction=on")).device(&edu("addr=10.1"));
    let outcome = attack_all(machine, &["0000:00:10.0", "0000:00:10.1"]);
    assert_attributed(&outcome, "0000:00:10.0", "0000:00:10.0");
    assert_attributed(&outcome, "0000:00:10.1", "0000:00:10.1");
    assert_eq!(group(&outcome, "0000:00:10.0"), group(&outcome, "0000:00:10.1"));
}

/// Machine: every kind of bridge on q35, nested as far as QEMU lets them: a switch, PCIe-to-PCI bridges below a port and
/// on the root bus, an old one on the root bus, and a device below a port of a second root bus.
///
/// All of them are what they say, so nothing is refused, and a driver starts behind each.
#[test]
fn bridges_that_tell_the_truth_are_all_believed() {
    let machine = Run::new()
        .device("pcie-root-port,id=top,bus=pcie.0,addr=11.0,chassis=1")
        .device("x3130-upstream,id=switch,bus=top")
        .device("xio3130-downstream,id=left,bus=switch,addr=00.0,chassis=2")
        .device("xio3130-downstream,id=right,bus=switch,addr=01.0,chassis=3")
        .device(&edu("bus=left"))
        .device(&edu("bus=right"))
        .device("pcie-root-port,id=link,bus=pcie.0,addr=12.0,chassis=4")
        .device("pcie-pci-bridge,id=below-port,bus=link")
        .device("pci-bridge,id=inner,bus=below-port,chassis_nr=5,addr=01.0")
        .device(&edu("bus=inner,addr=06.0"))
        .device("pcie-pci-bridge,id=on-root,bus=pcie.0,addr=13.0")
        .device(&edu("bus=on-root,addr=05.0"))
        .device("i82801b11-bridge,id=old,bus=pcie.0,addr=14.0")
        .device(&edu("bus=old,addr=05.0"))
        .device("pxb-pcie,id=expander,bus_nr=0x40,bus=pcie.0,addr=10.0")
        .device("pcie-root-port,id=far,bus=expander,addr=2.0,chassis=6")
        .device(&edu("bus=far"));
    let outcome = machine.script("devices; report").go();
    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    let devices: Vec<_> = outcome.report.of_kind("device").collect();
    assert!(devices.iter().all(|device| device["refused"].is_null()), "{devices:?}");
    let edus = devices.iter().filter(|device| device["id"] == "1234:11e8" && device["state"] == "assigned");
    let mut working: Vec<_> = edus.map(|device| device["bdf"].as_str().unwrap()).collect();
    working.sort_unstable();
    working.dedup();
    assert_eq!(working.len(), 2 + 6, "{working:?}");
    assert!(!outcome.serial.contains("not believed"));
}

/// Waits until firmware has set a function up: it lets it answer last of all.
fn wait_for_firmware(running: &mut Running, outside: &mut Outside, function: u64) {
    const COMMAND: u64 = 0x04;
    const MEMORY: u32 = 0b10;
    const ROOT_PORT: u32 = 0x000c_1b36;
    while outside.read32(function) != ROOT_PORT || outside.read32(function + COMMAND) & MEMORY == 0 {
        assert!(running.report().of_kind("boot").next().is_none(), "the kernel came first");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Machine: two root ports with an `edu` below each. Once firmware is done, the first port says that it leads to the
/// second one's bus as well.
///
/// Who of them lies cannot be told, so nobody behind either gets anything, and that is said. Positive twin: who stands
/// elsewhere works.
#[test]
fn bridges_that_contradict_each_other_cost_those_behind_them() {
    const BUSES: u64 = 0x18;
    let (liar, honest) = (config_space(0, 0x11, 0), config_space(0, 0x12, 0));
    let mut outside = Outside::new();
    let mut running = Run::new()
        .device("pcie-root-port,id=liar,bus=pcie.0,addr=11.0,chassis=1")
        .device("pcie-root-port,id=honest,bus=pcie.0,addr=12.0,chassis=2")
        .device(&edu("bus=liar"))
        .device(&edu("bus=honest"))
        .options("policy=log drill=off")
        .script("attack 00:03.0 write; attack 01:00.0 write; attack 02:00.0 write")
        .reached_by(&outside)
        .start();
    [liar, honest].into_iter().for_each(|port| wait_for_firmware(&mut running, &mut outside, port));
    assert_eq!(outside.read32(honest + BUSES) & 0xff_ffff, 0x02_02_00, "firmware's numbers");
    outside.write32(liar + BUSES, 0x02_01_00);
    running.wait_end();
    let masters = ["0000:00:11.0", "0000:00:12.0", "0000:01:00.0"].map(|bdf| running.may_master_the_bus(bdf));
    assert_eq!(masters, [false; 3]);
    let outcome = running.finish();

    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    for bdf in ["0000:01:00.0", "0000:02:00.0"] {
        let device = outcome.device(bdf);
        // QEMU's table names the ports, and what is below one that is not believed is below nothing.
        assert_eq!(
            (&device["state"], &device["driver"]),
            (&"bypasses-iommu".into(), &Value::Null),
            "{device}"
        );
        assert!(device["refused"].as_str().is_some_and(|why| why.contains("bus numbers")), "{device}");
    }
    let attacks = outcome.attacks("attack");
    outcome.assert_blocked(attacks[0], "never-mapped");
    assert!(outcome.events("fault").iter().all(|fault| fault["bdf"] == "0000:00:03.0"));
    assert_eq!(outcome.device("0000:00:05.0")["state"], "assigned");
}
