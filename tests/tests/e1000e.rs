//! An Intel 82574L, as QEMU's `e1000e`: its driver starts, and it reaches nothing but what it was given.
//!
//! Machine: the default one, which has an `e1000e` at 00:08.0.
//!
//! Positive twins: before each overreach the device copies the same bytes between buffers of its own, and a
//! attack for which that fails is a failed check, so status 0 says that the device was alive.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Outcome, Run, TARGETS, attacks};

const CARD: &str = "0000:00:08.0";

/// Demands that every attack of [`attacks`] was blocked and rightly judged.
fn assert_attacks_blocked(outcome: &Outcome, card: &str) {
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), 2 * TARGETS.len());
    for (pair, (target, verdict)) in attacks.chunks(2).zip(TARGETS) {
        for (attack, access) in pair.iter().zip(["read", "write"]) {
            assert_eq!((&attack["target"], &attack["access"]), (&target.into(), &access.into()));
            assert_eq!((&attack["length"], attack["before"].is_null()), (&64.into(), false));
            let fault = outcome.assert_blocked(attack, verdict);
            assert_eq!((&fault["bdf"], &fault["driver"]), (&card.into(), &"e1000e".into()));
        }
    }
}

#[test]
fn the_card_works_in_an_address_space_of_its_own() {
    let outcome = Run::new().script("devices").go();
    outcome.assert_status(0);
    let card = outcome.device(CARD);
    assert_eq!((&card["id"], &card["driver"]), (&"8086:10d3".into(), &"e1000e".into()));
    assert_eq!(card["state"], "assigned");
    let told = |line: &str| line.contains(CARD) && line.contains("its interrupt message arrives");
    assert!(outcome.serial.lines().any(told), "{}", outcome.serial);
    let drilled = outcome.attacks("drill").into_iter().find(|drill| drill["bdf"] == CARD).expect("a drill");
    assert_eq!(outcome.assert_blocked(drilled, "never-mapped")["action"], "expected");
}

#[test]
fn every_attack_is_blocked_with_its_verdict() {
    let outcome = Run::new().options("policy=log storm=off").script(&attacks(CARD)).go();
    outcome.assert_status(0);
    assert_attacks_blocked(&outcome, CARD);
    assert_eq!(outcome.device(CARD)["state"], "assigned");
}

/// Contained in the midst of a transfer, the card is as good as new after its release, and again after that.
#[test]
fn the_card_is_contained_and_released() {
    let mut running = Run::new().options("policy=contain").start();
    running.wait_for_prompt();
    assert!(running.may_master_the_bus(CARD));
    for access in ["write", "read"] {
        running.run_command(&format!("attack 00:08.0 {access}"));
        assert!(!running.may_master_the_bus(CARD), "a contained device must not master the bus");
        running.run_command("attack 00:08.0 write");
        running.run_command("release 00:08.0");
        assert!(running.may_master_the_bus(CARD));
    }
    running.run_command("attack 00:08.0 write freed");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    outcome.assert_status(0);

    let attacks = outcome.attacks("attack");
    for blocked in [attacks[0], attacks[2]] {
        assert_eq!(outcome.assert_blocked(blocked, "never-mapped")["action"], "contained");
    }
    for untried in [attacks[1], attacks[3]] {
        outcome.assert_not_possible(untried, "no address space");
    }
    outcome.assert_blocked(attacks[4], "stale");
    let states: Vec<&Value> = outcome
        .report
        .of_kind("device")
        .filter(|line| line["bdf"] == CARD)
        .map(|line| &line["state"])
        .collect();
    let rounds = ["assigned", "quarantined"].repeat(3);
    assert_eq!(states, [&["blocked"], rounds.as_slice()].concat());
}

/// Machine: another `e1000e` at 00:10.0, with the host as its network. The only frames that get there are the ones
/// with which the card asks for an address in the end.
#[test]
fn attacks_send_no_frame_and_let_none_in() {
    const LISTENED: &str = "0000:00:10.0";
    let network = Network::new();
    let machine = Run::new()
        .device("e1000e,netdev=host,addr=10.0")
        .qemu_arguments(&["-netdev", &format!("{},id=host", network.for_qemu())]);
    let mut running = machine.options("policy=log storm=off").start();
    for attack in attacks(LISTENED).split_terminator("; ") {
        running.run_command(attack);
    }
    let before = network.frames();
    running.run_command("net");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();
    assert_attacks_blocked(&outcome, LISTENED);
    assert_eq!(before, Vec::<Vec<u8>>::new(), "an attack sent a frame");
    // Nobody there gives addresses, so that check failed, and nothing else did.
    let findings: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
    assert!(findings.len() == 1 && findings[0].contains(LISTENED), "{findings:?}");
    let frames = network.frames();
    assert!(!frames.is_empty(), "frames do not get to the host at all");
    assert!(network.sent() > 0, "the host's frames do not get to the machine at all");
}

/// The host as a network: it sends frames to everybody all the time, and keeps what comes.
struct Network {
    folder: TempDir,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    sent: AtomicUsize,
    came: Mutex<Vec<Vec<u8>>>,
}

impl Network {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let host = UnixDatagram::bind(folder.path().join("host")).expect("a socket");
        host.set_read_timeout(Some(Duration::from_millis(2))).expect("a time limit");
        let shared = Arc::new(Shared::default());
        let there = folder.path().join("qemu");
        let part = Arc::clone(&shared);
        thread::spawn(move || {
            let mut frame = [0; 2048];
            while !part.over.load(Ordering::Relaxed) {
                // It fails while the machine is not there, or has no room.
                if host.send_to(&[0xff; 600], &there).is_ok() {
                    part.sent.fetch_add(1, Ordering::Relaxed);
                }
                if let Ok(length) = host.recv(&mut frame) {
                    part.came.lock().expect("the frames").push(frame[..length].to_vec());
                }
            }
        });
        Self { folder, shared }
    }

    /// As QEMU's `-netdev` takes it, the id left out.
    fn for_qemu(&self) -> String {
        let [here, there] = ["host", "qemu"].map(|name| self.folder.path().join(name).display().to_string());
        format!("dgram,local.type=unix,local.path={there},remote.type=unix,remote.path={here}")
    }

    fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    fn frames(&self) -> Vec<Vec<u8>> {
        self.shared.came.lock().expect("the frames").clone()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}
