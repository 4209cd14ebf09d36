//! virtio disks and network cards: each in a domain of its own, and only where they pass through the IOMMU.
//!
//! Machine: the default one or, where a test names its own devices, one without the usual ones. A disk is a file of
//! the test's with random blocks; network cards have a user-mode network without a host behind it.
//!
//! Positive twins: before each overreach a device shows by a transfer within its own memory that it is alive, or
//! the attack is a failed check; so status 0 says that every device was.

use std::path::{Path, PathBuf};

use boot::machine::Iommu;
use tests::{Outcome, Run, Running, hex};

/// What QEMU is told so that a device passes through the IOMMU.
const TRANSLATED: &str = "iommu_platform=on,disable-legacy=on";

/// Bytes of a block, and blocks of a test's disk.
const BLOCK: usize = 512;
const BLOCKS: usize = 2048;

/// A test's disk: its file, and what the file holds before the machine starts.
struct Scratch {
    path: PathBuf,
    content: Vec<u8>,
}

impl Scratch {
    /// Makes a disk of blocks that all differ. `name` is the test's own.
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("virtio-{name}.img"));
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let content: Vec<u8> = std::iter::repeat_with(|| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(BLOCKS * BLOCK / 8)
        .flatten()
        .collect();
        std::fs::write(&path, &content).unwrap();
        Self { path, content }
    }

    fn blocks(&self, first: usize, count: usize) -> &[u8] {
        &self.content[first * BLOCK..(first + count) * BLOCK]
    }

    /// Plugs the disk in at a place of bus 0.
    fn plug(&self, run: Run, place: &str) -> Run {
        let drive = format!("if=none,id=scratch,format=raw,file={}", self.path.display());
        run.device(&format!("virtio-blk-pci,addr={place},{TRANSLATED},drive=scratch"))
            .qemu_arguments(&["-drive", &drive])
    }
}

/// Plugs a network card in at a place of bus 0.
fn plug_card(run: Run, place: &str) -> Run {
    run.device(&format!("virtio-net-pci,addr={place},{TRANSLATED},netdev=net{place},romfile="))
        .qemu_arguments(&["-netdev", &format!("user,id=net{place},restrict=on")])
}

/// CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg())
    })
}

/// What the console's checks of disk transfers said, in order.
fn transfers(outcome: &Outcome) -> Vec<(&str, &str)> {
    let checks = outcome.report.of_kind("check");
    checks
        .filter(|check| check["name"].as_str().is_some_and(|name| name.starts_with("disk ")))
        .map(|check| (check["result"].as_str().unwrap(), check["detail"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn assert_sum(detail: &str, bytes: &[u8]) {
    let sum = format!("crc32={:#x} ", crc32(bytes));
    assert!(detail.contains(&sum), "{detail}: expected {sum}");
}

/// One block, many, the last ones; and none beyond the end.
#[test]
fn a_disk_is_read_as_the_host_wrote_it() {
    let disk = Scratch::new("read");
    let ranges = [(0, 1), (1, 300), (BLOCKS - 8, 8)];
    let script: String =
        ranges.iter().map(|(first, count)| format!("disk read 00:10.0 1 {first} {count}; ")).collect();
    let outcome = disk.plug(Run::new(), "10.0").script(&script).go();
    outcome.assert_status(0);
    let transfers = transfers(&outcome);
    assert_eq!(transfers.len(), ranges.len());
    for ((result, detail), (first, count)) in transfers.into_iter().zip(ranges) {
        assert_eq!(result, "pass", "{detail}");
        assert_sum(detail, disk.blocks(first, count));
    }
    assert_eq!(outcome.device("0000:00:10.0")["driver"], "virtio-blk");
    assert_eq!(std::fs::read(&disk.path).unwrap(), disk.content, "a drill changes no medium");
}

/// The console writes each block's own number all over it.
#[test]
fn a_disk_holds_what_was_written_to_it_and_nothing_else() {
    let disk = Scratch::new("write");
    let (first, count) = (3, 200);
    let script = format!("disk write 00:10.0 1 {first} {count}; disk read 00:10.0 1 0 {BLOCKS}");
    let outcome = disk.plug(Run::new(), "10.0").options("disk-write=00:10.0").script(&script).go();
    outcome.assert_status(0);
    let mut expected = disk.content.clone();
    for (block, number) in expected.chunks_mut(BLOCK).zip(0u64..).skip(first).take(count) {
        block.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&number.to_le_bytes()));
    }
    assert!(std::fs::read(&disk.path).unwrap() == expected, "the file after power-off");
    assert_sum(transfers(&outcome)[1].1, &expected);
}

/// Machine: two network cards and a disk, nothing else that can be told to overreach. Each goes for a buffer of
/// another by its physical address, and for the live queues of both others by the addresses that they have there,
/// reading and writing.
#[test]
fn no_device_reaches_the_memory_of_another() {
    const CARDS: [&str; 2] = ["10.0", "11.0"];
    const DEVICES: [&str; 3] = ["10.0", "11.0", "12.0"];
    let disk = Scratch::new("across");
    let run = CARDS.iter().fold(Run::new().no_default_devices(), |run, place| plug_card(run, place));
    let mut running = disk.plug(run, "12.0").options("policy=log").start();
    running.run_command("domains");
    let mut expected = Vec::new();
    for (attacker, access) in DEVICES.iter().flat_map(|place| [(place, "read"), (place, "write")]) {
        let mut attack = |running: &mut Running, target: &str| {
            running.run_command(&format!("attack 00:{attacker} {access} {target}"));
            expected.push((format!("0000:00:{attacker}"), access));
        };
        attack(&mut running, "foreign");
        for victim in DEVICES.iter().filter(|victim| *victim != attacker) {
            // A device that was started again after an attack has its queues elsewhere.
            let queue = queue_of(&mut running, victim);
            attack(&mut running, &queue);
        }
    }
    running.run_command("disk read 00:12.0 1 0 8");
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    outcome.assert_status(0);
    assert_eq!(outcome.event("protected")["complete"], true);
    let owners = |place: &str| {
        let bdfs = serde_json::json!([format!("0000:00:{place}")]);
        outcome.report.of_kind("domain").filter(|domain| domain["bdfs"] == bdfs).count()
    };
    assert_eq!(DEVICES.map(owners), [1; 3], "a domain each, and nobody else in it");
    let attacks = outcome.attacks("attack");
    assert_eq!(attacks.len(), expected.len());
    for (attack, (bdf, access)) in attacks.into_iter().zip(expected) {
        let fault = outcome.assert_blocked(attack, "foreign");
        assert_eq!((&fault["bdf"], &fault["access"]), (&bdf.into(), &access.into()));
        assert_eq!(fault["expected"], false);
    }
    let (result, detail) = transfers(&outcome)[0];
    assert_eq!(result, "pass", "the disk works after all that: {detail}");
    assert_sum(detail, disk.blocks(0, 8));
    assert_eq!(std::fs::read(&disk.path).unwrap(), disk.content, "no attack changes a medium");
}

/// The address of a queue that a device has now, as the console lists it.
fn queue_of(running: &mut Running, place: &str) -> String {
    let command = format!("mappings 00:{place}");
    running.run_command(&command);
    let mut text = String::new();
    running.wait_for("the console", |_, console| {
        console.clone_into(&mut text);
        true
    });
    let (_, listed) = text.rsplit_once(&command).unwrap();
    let line = listed.lines().find(|line| line.contains("virtio queue")).expect("a live queue");
    line.split(' ').next().unwrap().to_owned()
}

/// A disk is cut off in mid-work, says so to whoever asks it, and works again once it is released.
#[test]
fn a_released_disk_works_again() {
    let disk = Scratch::new("release");
    let script = "disk read 00:10.0 1 0 1; attack 00:10.0 read; disk read 00:10.0 1 1 1; release 00:10.0; \
                  disk read 00:10.0 1 2 1; attack 00:10.0 write; release 00:10.0; disk read 00:10.0 1 3 1";
    let outcome = disk.plug(Run::new(), "10.0").options("policy=contain").script(script).go();
    outcome.assert_status(1);
    let transfers = transfers(&outcome);
    let results: Vec<_> = transfers.iter().map(|(result, _)| *result).collect();
    assert_eq!(results, ["pass", "fail", "pass", "pass"]);
    assert!(transfers[1].1.contains("cut off"), "{}", transfers[1].1);
    for place in [0, 2, 3] {
        assert_sum(transfers[place].1, disk.blocks(place, 1));
    }
    outcome.attacks("attack").into_iter().for_each(|attack| {
        outcome.assert_blocked(attack, "never-mapped");
    });
    assert_eq!(outcome.device("0000:00:10.0")["state"], "assigned");
}

/// Three devices that send requests around the unit: with the legacy interface, with both, with the modern one
/// alone.
///
/// Positive twin: the default machine's virtio devices offer the bit, and work.
#[test]
fn a_device_that_does_not_offer_to_be_translated_gets_no_bus() {
    const AROUND: [(&str, &str); 3] = [
        ("10.0", "virtio-rng-pci,disable-modern=on,disable-legacy=off"),
        ("11.0", "virtio-rng-pci,disable-modern=off,disable-legacy=off"),
        ("12.0", "virtio-net-pci,disable-legacy=on,romfile="),
    ];
    let mut run = Run::new().script("attack 00:12.0 write; attack 00:07.0 write").options("policy=log");
    for (place, device) in AROUND {
        run = run.device(&format!("{device},addr={place}"));
    }
    let mut running = run.start();
    running.wait_end();
    let masters = AROUND.map(|(place, _)| running.may_master_the_bus(&format!("0000:00:{place}")));
    let translated = ["06.0", "07.0"].map(|place| running.may_master_the_bus(&format!("0000:00:{place}")));
    let outcome = running.finish();

    outcome.assert_status(1);
    assert_eq!(outcome.event("protected")["complete"], false);
    assert_eq!((masters, translated), ([false; 3], [true; 2]));
    for (place, _) in AROUND {
        let bdf = format!("0000:00:{place}");
        let states: Vec<_> =
            outcome.events("device").into_iter().filter(|device| device["bdf"] == bdf).collect();
        let [device] = states[..] else { panic!("{bdf} has {} lines", states.len()) };
        assert_eq!((&device["state"], &device["unit"]), (&"bypasses-iommu".into(), &0.into()));
        assert_eq!(device["driver"], serde_json::Value::Null);
    }
    for (place, driver) in [("06.0", "virtio-net"), ("07.0", "virtio-blk")] {
        let device = outcome.device(&format!("0000:00:{place}"));
        assert_eq!((&device["state"], &device["driver"]), (&"assigned".into(), &driver.into()));
    }
    let attacks = outcome.attacks("attack");
    outcome.assert_not_possible(attacks[0], "cannot be told");
    outcome.assert_blocked(attacks[1], "never-mapped");
}

/// Without a unit that translates, nothing is driven, whatever it offers.
#[test]
fn without_a_unit_no_virtio_device_is_driven() {
    let outcome = Run::new().iommu(Iommu::None).script("drill").go();
    outcome.assert_status(1);
    for bdf in ["0000:00:06.0", "0000:00:07.0"] {
        let device = outcome.device(bdf);
        assert_eq!((&device["state"], device["driver"].is_null()), (&"bypasses-iommu".into(), true));
    }
}

/// Machine: seven network cards, each in a domain of its own, whose queues are never taken for another's.
#[test]
fn many_devices_are_driven_side_by_side() {
    const CARDS: usize = 7;
    let places: Vec<_> = (0..CARDS).map(|place| format!("{:x}.0", 0x10 + place)).collect();
    let run = places.iter().fold(Run::new().no_default_devices(), |run, place| plug_card(run, place));
    let outcome = run.options("verifier=on").script("devices").go();
    outcome.assert_status(0);
    let devices: Vec<_> = places.iter().map(|place| outcome.device(&format!("0000:00:{place}"))).collect();
    for device in &devices {
        assert_eq!(device["state"], "assigned", "{device}");
    }
    let objects: std::collections::BTreeSet<_> =
        devices.iter().map(|device| hex(&device["object"])).collect();
    assert_eq!(objects.len(), CARDS, "a record each");
    let attacks = outcome.attacks("drill");
    assert_eq!(attacks.len(), CARDS);
    attacks.into_iter().for_each(|attack| {
        outcome.assert_blocked(attack, "never-mapped");
    });
}
