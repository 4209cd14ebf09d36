//! The report leaves a machine that has no second serial line: over a network card, and off the screen.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits), for the network with a further card of each kind on a cable
//! that ends in this test.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use page_reader::Collector;
use serde_json::Value;
use tests::{Outcome, Run, Running};

/// A cable: QEMU puts each frame into a datagram of its own.
struct Cable(UdpSocket);

impl Cable {
    /// The cable, and what QEMU is told of it.
    fn new(name: &str) -> (Self, String) {
        let [ours, theirs] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [here, there] = [&ours, &theirs].map(|end| end.local_addr().unwrap());
        ours.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        (Self(ours), format!("socket,id={name},udp={here},localaddr={there}"))
    }

    /// The datagrams to everybody on the pages' port, in the order in which they came.
    fn datagrams(&self) -> Vec<String> {
        let (mut texts, mut frame) = (Vec::new(), [0; 2048]);
        while let Ok(length) = self.0.recv(&mut frame) {
            let frame = &frame[..length];
            let is_broadcast = frame[..6] == [0xff; 6] && frame[12..14] == [0x08, 0x00] && frame[23] == 17;
            if is_broadcast && frame[36..38] == pages::PORT.to_be_bytes() {
                let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
                texts.push(String::from_utf8(frame[42..end].to_vec()).unwrap());
            }
        }
        texts
    }
}

/// Demands that what was carried away is how the report of COM2 begins.
#[track_caller]
fn assert_is_beginning(carried: &str, outcome: &Outcome) {
    let lines: Vec<Value> = carried.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 15, "{} lines", lines.len());
    for kind in ["boot", "unit", "device", "protected", "verdict"] {
        let told: Vec<_> = lines.iter().filter(|line| line["event"] == kind).collect();
        let all: Vec<_> = outcome.report.of_kind(kind).take(told.len()).collect();
        assert!(!told.is_empty() && told == all, "{kind}");
    }
}

/// Cards without an address send it to whoever listens; a third of the frames is lost, and the others come in another
/// order than they were sent.
#[test]
fn the_report_leaves_over_every_kind_of_card() {
    let cables = ["virtio", "e1000e"].map(Cable::new);
    let [(virtio, virtio_netdev), (intel, intel_netdev)] = &cables;
    let outcome = Run::new()
        .options("drill=off")
        .no_default_devices()
        .device("virtio-net-pci,netdev=virtio,iommu_platform=on,disable-legacy=on,addr=10.0")
        .device("e1000e,netdev=e1000e,addr=11.0")
        .qemu_arguments(&["-netdev", virtio_netdev, "-netdev", intel_netdev])
        .script("report udp")
        .go();
    outcome.assert_status(0);
    for (bdf, cable) in [("0000:00:10.0", virtio), ("0000:00:11.0", intel)] {
        assert_eq!(outcome.check(&format!("report udp {bdf}"))["result"], "pass");
        let sent = cable.datagrams();
        let mut collector = Collector::default();
        for page in sent.iter().rev().take(sent.len() * 2 / 3) {
            collector.take(page).unwrap();
        }
        let complete: Vec<_> = collector.complete().collect();
        let [Ok(report)] = &complete[..] else { panic!("{bdf}: {} frames, {complete:?}", sent.len()) };
        assert_is_beginning(report, &outcome);
    }
}

/// Scans what the screen shows until every page has been seen; `next` asks for another one.
fn scan_all(running: &mut Running, mut next: impl FnMut(&mut Running)) -> String {
    let (mut collector, begun) = (Collector::default(), Instant::now());
    while collector.complete().next().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(180), "{:?}", collector.missing().collect::<Vec<_>>());
        // A page may be half drawn.
        for code in running.picture().codes().into_iter().flatten() {
            collector.take(&code).unwrap();
            next(running);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    collector.complete().next().unwrap().unwrap()
}

#[test]
fn the_report_leaves_off_the_screen() {
    let mut running = Run::new().start();
    running.wait_for_prompt();
    running.send_line("report qr");
    let report = scan_all(&mut running, |running| running.press(&["spc"]));
    running.press(&["q"]);
    running.wait_for_prompt();
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    assert_is_beginning(&report, &outcome);
}

/// Where nobody can type, it comes by itself.
#[test]
fn the_report_is_shown_where_there_is_no_keyboard() {
    let mut running = Run::new().options("drill=off").qemu_arguments(&["-machine", "i8042=off"]).start();
    running.wait_for_prompt();
    let report = scan_all(&mut running, |_| ());
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    assert_is_beginning(&report, &outcome);
}
