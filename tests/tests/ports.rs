//! Requests with ids that no function carries: they count for the port that they come through, which is closed when
//! they come without end.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits) with a switch below a root port at 00:11.0 that has buses to
//! spare, and an `edu` below one of the switch's ports. Below the other an `edu` is plugged in once the kernel has
//! started, on a bus where nobody looks for newcomers: a device that hides, and does as it likes.

use std::time::{Duration, Instant};

use boot::report::Report;
use serde_json::{Value, json};
use tests::{Outside, Run, Running, config_space};

const PORT: &str = "0000:00:11.0";
const NEIGHBOUR: &str = "0000:03:00.0";
const BYSTANDER: &str = "0000:00:03.0";
/// What the hidden device calls itself: a bus behind the port, and behind no other.
const HIDDEN: &str = "0000:08:00.0";
const HIDDEN_BUS: u8 = 8;

// Offsets in configuration space.
const COMMAND: u64 = 0x04;
const BAR0: u64 = 0x10;
const BUSES: u64 = 0x18;
const MEMORY_WINDOW: u64 = 0x20;
const MEMORY_AND_BUS_MASTER: u32 = 0b110;
const BUS_MASTER: u32 = 0b100;

/// The device takes a tenth of a second for each request.
const PAUSE: Duration = Duration::from_millis(150);

fn machine() -> Run {
    Run::new()
        .device("pcie-root-port,id=top,bus=pcie.0,addr=11.0,chassis=1,bus-reserve=9")
        .device("x3130-upstream,id=switch,bus=top")
        .device("xio3130-downstream,id=left,bus=switch,addr=00.0,chassis=2")
        .device("xio3130-downstream,id=right,bus=switch,addr=01.0,chassis=3")
        .device("edu,bus=left,dma_mask=0xffffffffffffffff")
}

/// Plugs the device in where it hides; gives the place of its registers.
fn plug_in(running: &mut Running, outside: &mut Outside) -> u32 {
    let (switch, right) = (config_space(1, 0, 0), config_space(2, 1, 0));
    outside.write32(right + BUSES, u32::from_le_bytes([2, HIDDEN_BUS, HIDDEN_BUS, 0]));
    outside.write32(switch + BUSES, u32::from_le_bytes([1, 2, HIDDEN_BUS, 0]));
    outside.write32(right + COMMAND, MEMORY_AND_BUS_MASTER);
    running.command("device_add", json!({"driver": "edu", "bus": "right", "dma_mask": u64::MAX}));
    let hidden = config_space(HIDDEN_BUS, 0, 0);
    // The window starts at a multiple of 1 MiB, as the device's registers must.
    let registers = outside.read32(right + MEMORY_WINDOW) << 16;
    outside.write32(hidden + BAR0, registers);
    outside.write32(hidden + COMMAND, MEMORY_AND_BUS_MASTER);
    registers
}

/// The last word of the report on a function's state.
fn state<'r>(report: &'r Report, bdf: &str) -> &'r Value {
    &report.device(bdf).unwrap()["state"]
}

/// Positive twins: one request is only told; the `edu` below another port goes on working; what was below the closed one
/// works again once it is released.
#[test]
fn a_port_through_which_made_up_ids_storm_is_closed() {
    let mut outside = Outside::new();
    let mut running = machine().options("policy=log storm=1 drill=off").reached_by(&outside).start();
    running.wait_for_prompt();
    assert_eq!(state(running.report(), NEIGHBOUR), "assigned");
    let port = config_space(0, 0x11, 0) + COMMAND;
    assert_ne!(outside.read32(port) & BUS_MASTER, 0, "the port is open for the edu that has a driver");
    let registers = plug_in(&mut running, &mut outside);
    outside.let_edu_write(registers.into(), 0x20_0000);
    running.wait_for_events("fault", 1);
    assert_eq!(state(running.report(), NEIGHBOUR), "assigned");
    // More of them, until two fall into a second, whatever the host is busy with.
    let mut last = Instant::now();
    running.wait_for("the end of it", |report, _| {
        if last.elapsed() > PAUSE {
            outside.let_edu_write(registers.into(), 0x20_0000);
            last = Instant::now();
        }
        [PORT, NEIGHBOUR].iter().all(|bdf| state(report, bdf) == "quarantined")
    });
    assert_eq!(outside.read32(port) & BUS_MASTER, 0, "the port is closed");
    assert!(!running.may_master_the_bus(NEIGHBOUR));
    assert!(running.may_master_the_bus(BYSTANDER));
    running.run_command("attack 00:03.0 write");
    running.run_command("release 00:11.0");
    assert_ne!(outside.read32(port) & BUS_MASTER, 0, "the port is open again");
    running.run_command("attack 03:00.0 write");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    // For faults that nobody asked for.
    outcome.assert_status(1);
    assert_eq!(outcome.end()["failed"], 0);
    let faults = outcome.events("fault");
    let of_hidden: Vec<_> = faults.iter().filter(|fault| fault["requester"] == HIDDEN).collect();
    let first = of_hidden[0];
    assert_eq!(
        [&first["verdict"], &first["port"], &first["action"], &first["bdf"]],
        [&json!("unknown-requester"), &json!(PORT), &json!("logged"), &json!(null)]
    );
    for words in [&first["explanation"], &first["advice"]] {
        assert!(words.as_str().unwrap().contains(PORT), "{words}");
    }
    assert!(of_hidden.iter().all(|fault| fault["port"] == PORT), "{of_hidden:?}");
    let others = faults.iter().filter(|fault| fault["requester"] != HIDDEN);
    assert!(others.clone().count() >= 2 && others.into_iter().all(|fault| fault["port"].is_null()));
    assert_eq!(outcome.device(PORT)["state"], "blocked");
    assert_eq!(outcome.device(NEIGHBOUR)["state"], "assigned");
    for attack in outcome.attacks("attack") {
        outcome.assert_blocked(attack, "never-mapped");
    }
    assert_eq!(outcome.attacks("attack").len(), 2);
}
