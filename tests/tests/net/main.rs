//! The machine on the network: an address by DHCP, echoes, and bytes over TCP with checksums compared.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits, `edu` at 00:03.0 and 00:04.0), its two network cards
//! each on a user network of its own, on which 10.0.2.2 is the gateway and stands for the host.

mod attacker;
mod peer;

use std::net::TcpListener;

use attacker::Attacker;
use network::{Pattern, Tally};
use peer::{Manners, Peer};
use serde_json::{Value, json};
use tests::{Outcome, Run};

/// The network cards, and what QEMU calls their networks.
const CARDS: [(&str, &str); 2] = [("0000:00:06.0", "virtio-net"), ("0000:00:08.0", "e1000e")];

const MIB: u64 = 1 << 20;

/// Results and details of all checks of one name, in order.
fn checks<'a>(outcome: &'a Outcome, name: &str) -> Vec<(&'a str, &'a str)> {
    let checks = outcome.report.of_kind("check").filter(|check| check["name"] == name);
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    checks.map(|check| (text(&check["result"]), text(&check["detail"]))).collect()
}

/// What the kernel must have sent.
fn pattern(bytes: u64) -> Tally {
    let mut all = vec![0; bytes as usize];
    Pattern::new().fill(&mut all);
    let mut tally = Tally::default();
    tally.add(&all);
    tally
}

/// Demands that both ends saw the same bytes in both directions, and that they are the right ones.
#[track_caller]
fn assert_same_bytes(detail: &str, peer: &peer::Seen, receive: u64, send: u64) {
    assert_eq!((peer.sent.bytes(), peer.received.bytes()), (receive, send));
    assert_eq!(peer.received.crc32(), pattern(send).crc32());
    assert_eq!(detail, format!("received={} sent={}", peer.sent, peer.received));
}

#[test]
fn every_card_gets_an_address_and_an_echo() {
    let outcome = Run::new().options("drill=off").script("net; ping 10.0.2.2").go();
    outcome.assert_status(0);
    for (bdf, _) in CARDS {
        assert_eq!(checks(&outcome, &format!("net {bdf}")), [("pass", "10.0.2.15/24 gateway 10.0.2.2")]);
    }
    let [("pass", detail)] = checks(&outcome, "ping 10.0.2.2")[..] else { panic!("no echo") };
    assert!(detail.contains(" ms from "), "{detail}");
}

#[test]
fn sixteen_mebibytes_move_both_ways_on_every_card() {
    let peers = CARDS.map(|_| Peer::start(16 * MIB, Manners::ReadsToTheEnd));
    let script: String = CARDS
        .iter()
        .zip(&peers)
        .map(|((bdf, _), peer)| format!("tcp {bdf} 10.0.2.2 {} {1} {1}; ", peer.port(), 16 * MIB))
        .collect();
    let outcome = Run::new().options("drill=off").script(&script).go();
    outcome.assert_status(0);
    for ((bdf, _), peer) in CARDS.iter().zip(peers) {
        let [("pass", detail)] = checks(&outcome, &format!("tcp {bdf}"))[..] else { panic!("{bdf}") };
        assert_same_bytes(detail, &peer.finish(), 16 * MIB, 16 * MIB);
    }
}

/// Each way to fail is a failed check that says what came in its way, and the next transfer works.
#[test]
fn what_goes_wrong_is_told() {
    let (bdf, _) = CARDS[1];
    // Nobody listens on a port that was just given back.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let early = Peer::start(1000, Manners::EndsAtOnce);
    let talkative = Peer::start(5000, Manners::ReadsToTheEnd);
    let good = Peer::start(3000, Manners::ReadsToTheEnd);
    let script = format!(
        "tcp {bdf} 10.0.2.2 {free} 1 1; tcp {bdf} 10.0.2.2 {} 3000 0; tcp {bdf} 10.0.2.2 {} 3000 0; \
         tcp {bdf} 10.0.2.2 {} 3000 7; tcp 00:03.0 10.0.2.2 1 1 1; ping 10.0.2.77; ping 255.255.255.255",
        early.port(),
        talkative.port(),
        good.port()
    );
    let outcome = Run::new().options("drill=off").script(&script).go();
    outcome.assert_status(1);
    let details = checks(&outcome, &format!("tcp {bdf}"));
    assert!(details[..3].iter().all(|(result, _)| *result == "fail"), "{details:?}");
    for ((_, detail), said) in details.iter().zip(["refused", "ended too early", "more than was asked for"]) {
        assert!(detail.contains(said), "{detail}");
    }
    let ("pass", detail) = details[3] else { panic!("{details:?}") };
    assert_same_bytes(detail, &good.finish(), 3000, 7);
    drop((early, talkative));
    let [("fail", mistake)] = checks(&outcome, "script")[..] else { panic!("no mistake") };
    assert!(mistake.contains("no driver runs 0000:00:03.0 as a network card"), "{mistake}");
    assert_eq!(checks(&outcome, "ping 10.0.2.77"), [("fail", "no answer from 10.0.2.77 in time")]);
    assert_eq!(checks(&outcome, "ping 255.255.255.255").len(), 1);
}

/// Positive twin: the same card with its cable.
#[test]
fn a_card_without_a_cable_is_left_out() {
    let (bdf, network) = CARDS[1];
    let mut running = Run::new().options("drill=off").start();
    running.wait_for_prompt();
    for up in [false, true] {
        running.command("set_link", json!({"name": network, "up": up}));
        running.run_command("net");
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);
    let [("skip", "no link"), ("pass", _)] = checks(&outcome, &format!("net {bdf}"))[..] else {
        panic!("{:?}", outcome.events("check"))
    };
}

/// A card that overreaches is cut off, which is told, and works again once it is released.
#[test]
fn a_contained_card_works_again_after_its_release() {
    let script: String =
        CARDS.iter().map(|(bdf, _)| format!("net; attack {bdf} write; net; release {bdf}; net; ")).collect();
    let outcome = Run::new().options("policy=contain drill=off").script(&script).go();
    // The two checks that had to fail.
    outcome.assert_status(1);
    assert_eq!(outcome.end()["failed"], CARDS.len());
    for ((bdf, _), from) in CARDS.iter().zip([0, 3]) {
        let checks = checks(&outcome, &format!("net {bdf}"));
        let results: Vec<_> = checks.iter().map(|(result, _)| *result).collect();
        assert_eq!(results.len(), 6);
        assert_eq!(results[from..from + 3], ["pass", "fail", "pass"], "{checks:?}");
        assert!(checks[from + 1].1.contains("cut off"), "{checks:?}");
    }
    outcome.attacks("attack").iter().for_each(|attack| assert_eq!(attack["result"], "blocked", "{attack}"));
}

/// Both `edu` devices are told from outside, past the kernel, to write where they may not, in the midst of a
/// transfer. Positive twin: the transfer's second half, which moves only after their faults.
#[test]
fn a_transfer_does_not_feel_an_attack_in_its_midst() {
    for (bdf, _) in CARDS {
        let peer = Peer::start(2 * MIB, Manners::PausesHalfway);
        let mut attacker = Attacker::new();
        let script = format!("tcp {bdf} 10.0.2.2 {} {1} {1}", peer.port(), 2 * MIB);
        let mut running =
            Run::new().options("policy=log drill=off").reached_by(attacker.outside()).script(&script).start();
        running.wait_for_events("protected", 1);
        peer.wait_for_half();
        attacker.strike(&mut running, 3, 0x20_0000);
        // The unit has but one record: what comes before it is read is counted, not told.
        running.wait_for_events("fault", 1);
        attacker.strike(&mut running, 4, 0x300_0000);
        running.wait_for_events("fault", 2);
        let half = peer.go_on();
        running.wait_end();
        let outcome = running.finish();
        // The faults are nobody's fault but the test's, and all that is wrong.
        outcome.assert_status(1);
        assert_eq!(outcome.end()["failed"], 0);
        for (fault, edu) in outcome.events("fault").iter().zip(["0000:00:03.0", "0000:00:04.0"]) {
            assert_eq!((&fault["bdf"], &fault["verdict"]), (&edu.into(), &"never-mapped".into()));
        }
        let [("pass", detail)] = checks(&outcome, &format!("tcp {bdf}"))[..] else { panic!("{bdf}") };
        assert_same_bytes(detail, &half.finish(), 2 * MIB, 2 * MIB);
    }
}
