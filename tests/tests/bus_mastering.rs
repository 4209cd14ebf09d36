//! Bus mastering as it is seen from outside: of bridges, of virtual functions, and after a stop.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0) with what each test names.

use acpi_tables::DrhdFlags;
use acpi_tables::testing::{DmarBuilder, ScopeSpec};
use boot::machine::Iommu;
use boot::qemu::Moment;
use dma_types::{PhysAddr, Segment};
use serde_json::json;
use tests::{Outside, Run, Running, config_space};

/// A port with an `edu`, one with a network card that no driver knows, and one with nothing.
const USED: &str = "0000:00:11.0";
const UNUSED: &str = "0000:00:12.0";
const EMPTY: &str = "0000:00:13.0";
const EDU: &str = "0000:01:00.0";

fn ports() -> Run {
    ["used", "unused", "empty"]
        .into_iter()
        .zip(0x11..)
        .fold(Run::new(), |run, (name, slot)| {
            run.device(&format!("pcie-root-port,id={name},bus=pcie.0,addr={slot:x}.0,chassis={slot}"))
        })
        .device("edu,bus=used,dma_mask=0xffffffffffffffff")
        .device("rtl8139,bus=unused")
}

#[track_caller]
fn assert_ports(running: &mut Running, open: &[&str]) {
    for port in [USED, UNUSED, EMPTY] {
        assert_eq!(running.may_master_the_bus(port), open.contains(&port), "{port}");
    }
}

/// The positive twin of the next test.
#[test]
fn a_port_is_open_exactly_while_a_device_below_may_work() {
    let mut running = ports().options("policy=contain drill=off").start();
    running.wait_for_prompt();
    assert_ports(&mut running, &[USED]);
    running.run_command(&format!("attack {EDU} write"));
    assert_ports(&mut running, &[]);
    running.run_command(&format!("release {EDU}"));
    assert_ports(&mut running, &[USED]);
    running.run_command("policy log");
    running.run_command(&format!("attack {EDU} write"));
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    for attack in outcome.attacks("attack") {
        outcome.assert_blocked(attack, "never-mapped");
    }
}

/// As firmware left the port, its bus-master bit apart.
#[test]
fn without_an_iommu_no_port_is_opened() {
    let mut running = ports().iommu(Iommu::None).start();
    running.run_command("report");
    assert_ports(&mut running, &[]);
    for slot in [0x11, 0x12] {
        assert_eq!(running.memory(config_space(0, slot, 0) + 4, 2), [0x03, 0x01], "port {slot:x}");
    }
    running.command("inject-nmi", json!({}));
    assert_eq!(running.wait_end(), Moment::Stopped);
    assert_ports(&mut running, &[]);
    let outcome = running.finish();
    outcome.assert_status(3);
    for words in ["no IOMMU holds every device", "Given up before: no IOMMU was found"] {
        assert!(outcome.serial.contains(words), "{words}");
    }
    assert!(outcome.serial.contains("given up: no IOMMU was found"), "the command `report`");
}

/// The unit holds everybody after the stop, so what is said then is another thing.
#[test]
fn where_the_unit_holds_the_stop_says_so() {
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    running.command("inject-nmi", json!({}));
    assert_eq!(running.wait_end(), Moment::Stopped);
    let outcome = running.finish();
    assert!(outcome.serial.contains("every IOMMU unit still enforces"));
    assert!(!outcome.serial.contains("Given up before"));
}

/// Two devices without a driver and with a region that firmware names: the one was left mastering the bus, and its port is
/// open for it; the other was not.
#[test]
fn a_port_is_open_above_a_firmware_region_s_device_that_works() {
    let region = (PhysAddr::new(0x300_0000), PhysAddr::new(0x300_ffff));
    let below = |port| ScopeSpec::endpoint(0, port, 0).then(0, 0);
    let table = DmarBuilder::new()
        .width_bits(48)
        .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), PhysAddr::new(0xfed9_0000), &[])
        .rmrr(Segment(0), region.0, region.1, &[below(0x11), below(0x12)])
        .build();
    let mut running = Run::new()
        .options("dmar=fw_cfg")
        .fw_cfg("opt/ivt/dmar", table)
        .device("pcie-root-port,id=used,bus=pcie.0,addr=11.0,chassis=17")
        .device("pcie-root-port,id=unused,bus=pcie.0,addr=12.0,chassis=18")
        .device("pcie-root-port,id=empty,bus=pcie.0,addr=13.0,chassis=19")
        .device("ich9-ahci,bus=used")
        .device("pci-testdev,bus=unused")
        .start();
    running.wait_for_prompt();
    assert_ports(&mut running, &[USED]);
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    for (bdf, was_on) in [("0000:01:00.0", true), ("0000:02:00.0", false)] {
        let device = outcome.device(bdf);
        assert_eq!(
            (&device["state"], &device["bus_master_at_boot"]),
            (&"firmware-region".into(), &was_on.into())
        );
    }
}

/// A card whose virtual functions somebody switched on: a stop ends them.
#[test]
fn a_stop_ends_virtual_functions() {
    const CARD: u64 = config_space(1, 0, 0);
    let mut outside = Outside::new();
    let machine = Run::new()
        .device("pcie-root-port,id=root-port,bus=pcie.0,addr=11.0,chassis=1")
        .device("igb,bus=root-port");
    let mut running = machine.reached_by(&outside).options("drill=off").start();
    running.wait_for_prompt();
    let capability = CARD + capability(&mut outside, CARD, 0x10);
    let (control, count) = (capability + 0x08, capability + 0x10);
    assert_eq!(outside.read32(control) & 1, 0);
    outside.write32(count, 2);
    outside.write32(control, 0b1001);
    assert_eq!(outside.read32(control) & 0b1001, 0b1001);
    running.command("inject-nmi", json!({}));
    assert_eq!(running.wait_end(), Moment::Stopped);
    assert_eq!(outside.read32(control) & 0b1001, 0);
}

/// Where an extended capability stands in a function's configuration space (PCIe "Extended Capabilities").
fn capability(outside: &mut Outside, function: u64, id: u32) -> u64 {
    let mut at = 0x100;
    loop {
        let header = outside.read32(function + at);
        match header >> 20 {
            _ if header & 0xffff == id => return at,
            0 => panic!("no capability {id:#x}"),
            next => at = u64::from(next),
        }
    }
}
