//! The NVMe driver: what the host put into images is read, what is written arrives in them, every depth of the queue
//! works, and no transfer gets where it must not.
//!
//! Machine: q35, BIOS, VT-d with 48 bits, an `edu` at 00:03.0, and at 00:10.0 an NVMe controller with two namespaces:
//! number 1 with blocks of 512 bytes, number 3 with blocks of 4096.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::{Outcome, Run, TARGETS, attacks, count};

const BDF: &str = "0000:00:10.0";

/// Bytes of each image.
const BYTES: usize = 1 << 20;

/// How long all figures may take, those among a million mappings with them.
const LIMIT: Duration = Duration::from_secs(600);

/// The images behind the two namespaces; gone when this is dropped.
struct Disks {
    folder: tempfile::TempDir,
}

/// A namespace: its number, and bytes of its blocks.
const NAMESPACES: [(u32, usize); 2] = [(1, 512), (3, 4096)];

impl Disks {
    /// Fills the images with bytes that do not repeat, but for some blocks of zeros.
    fn new() -> Self {
        let disks = Self { folder: tempfile::tempdir().unwrap() };
        for (namespace, _) in NAMESPACES {
            fs::write(disks.path(namespace), content(namespace)).unwrap();
        }
        disks
    }

    fn path(&self, namespace: u32) -> PathBuf {
        self.folder.path().join(format!("{namespace}.img"))
    }

    /// The machine with these disks.
    fn machine(&self) -> Run {
        let drive = |path: &Path, id: u32| format!("if=none,id=d{id},format=raw,file={}", path.display());
        let [one, three] = NAMESPACES.map(|(namespace, _)| drive(&self.path(namespace), namespace));
        Run::new()
            .no_default_devices()
            .device("edu,addr=03.0,dma_mask=0xffffffffffffffff")
            .device("nvme,id=nvme0,addr=10.0,serial=test-1")
            .device("nvme-ns,bus=nvme0,nsid=1,drive=d1,logical_block_size=512,physical_block_size=512")
            .device("nvme-ns,bus=nvme0,nsid=3,drive=d3,logical_block_size=4096,physical_block_size=4096")
            .qemu_arguments(&["-drive", &one, "-drive", &three])
    }
}

/// What an image holds at first.
fn content(namespace: u32) -> Vec<u8> {
    let mut state = u64::from(namespace) | 1 << 40;
    let mut bytes = Vec::with_capacity(BYTES);
    while bytes.len() < BYTES {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    bytes[28 << 10..32 << 10].fill(0);
    bytes
}

/// What the check of a read must tell.
fn detail_of_read(namespace: u32, first: usize, blocks: usize, bytes: &[u8]) -> String {
    let head: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{BDF} {namespace} {first} {blocks} crc32={:#x} first={head}", crc32fast::hash(bytes))
}

/// The details of all checks of a name, each of which must have passed.
#[track_caller]
fn passed<'a>(outcome: &'a Outcome, name: &'a str) -> Vec<&'a str> {
    let checks = outcome.report.of_kind("check").filter(|check| check["name"] == name);
    checks
        .map(|check| {
            assert_eq!(check["result"], "pass", "{check}");
            check["detail"].as_str().unwrap()
        })
        .collect()
}

/// Single blocks, many, the last one, all of a namespace; the host compares bytes and checksums.
#[test]
fn reads_bring_what_the_host_put_there() {
    let disks = Disks::new();
    let mut script = String::from("disks; ");
    let mut expected = Vec::new();
    for (namespace, block_bytes) in NAMESPACES {
        let (content, all) = (content(namespace), BYTES / block_bytes);
        for (first, blocks) in [(0, 1), (3, 1), (7, 9), (all - 1, 1), (1, all - 1), (0, all)] {
            script += &format!("disk read 00:10.0 {namespace} {first} {blocks}; ");
            let bytes = &content[first * block_bytes..][..blocks * block_bytes];
            expected.push(detail_of_read(namespace, first, blocks, bytes));
        }
    }
    let outcome = disks.machine().script(&script).go();
    outcome.assert_status(0);
    assert_eq!(passed(&outcome, "disk read"), expected);
    assert_eq!(
        (&outcome.device(BDF)["driver"], &outcome.device(BDF)["state"]),
        (&"nvme".into(), &"assigned".into())
    );
    for line in [
        "0000:00:10.0 QEMU NVMe Ctrl, serial test-1",
        "namespace 1: 2048 blocks of 512 bytes, 1 MiB",
        "namespace 3: 256 blocks of 4096 bytes, 1 MiB",
        "health: healthy, 50 C",
    ] {
        assert!(outcome.serial.contains(line), "{line}");
    }
    for (namespace, _) in NAMESPACES {
        assert_eq!(fs::read(disks.path(namespace)).unwrap(), content(namespace), "the medium is as it was");
    }
}

/// What is written is in the image once the machine is off, and nothing else has changed.
#[test]
fn writes_arrive_in_the_image_and_nowhere_else() {
    let disks = Disks::new();
    let written = [(1, 5, 300), (3, 100, 40)];
    let mut script = String::new();
    for (namespace, first, blocks) in written {
        let range = format!("00:10.0 {namespace} {first} {blocks}");
        script += &format!("disk write {range}; disk read {range}; ");
    }
    let outcome = disks.machine().options("disk-write=00:10.0").script(&script).go();
    outcome.assert_status(0);
    assert_eq!(passed(&outcome, "disk write").len(), written.len());
    let reads = passed(&outcome, "disk read");
    for ((namespace, first, blocks), read) in written.into_iter().zip(reads) {
        let (_, block_bytes) = NAMESPACES.into_iter().find(|(id, _)| *id == namespace).unwrap();
        let pattern: Vec<u8> = (first..first + blocks)
            .flat_map(|lba| (lba as u64).to_le_bytes().repeat(block_bytes / 8))
            .collect();
        assert_eq!(read, detail_of_read(namespace, first, blocks, &pattern));
        let mut expected = content(namespace);
        expected[first * block_bytes..][..pattern.len()].copy_from_slice(&pattern);
        assert!(fs::read(disks.path(namespace)).unwrap() == expected, "namespace {namespace}");
    }
}

/// Without the option, or with another disk in it, nothing is written; what does not exist is refused. Each mistake
/// is one line.
#[test]
fn what_must_not_or_cannot_be_done_is_refused_in_a_line() {
    let refused = [
        ("disk write 00:10.0 1 0 1", "option disk-write=0000:00:10.0"),
        ("disk read 00:10.0 2 0 1", "expected one of 1 to 3"),
        ("disk read 00:10.0 1 2048 1", "expected blocks 0 to 2047 of namespace 1"),
        ("disk read 00:10.0 3 255 2", "expected blocks 0 to 255 of namespace 3"),
        ("disk read 00:10.0 1 0xffffffffffffffff 2", "expected blocks 0 to 2047"),
        ("disk read 00:10.0 1 0 0", "expected 1 to 1048576 blocks"),
        ("disk read 00:10.0 1 0 4294967295", "expected 1 to 1048576 blocks"),
        ("disk read 00:03.0 1 0 1", "expected one that `disks` lists"),
        ("disk read 00:1e.0 1 0 1", "there is no device 0000:00:1e.0"),
        ("disk peek 00:10.0 1 0 1", "expected read|write"),
    ];
    let disks = Disks::new();
    let script: String = refused.iter().map(|(line, _)| format!("{line}; ")).collect();
    let outcome = disks.machine().options("disk-write=00:03.0").script(&script).go();
    outcome.assert_status(1);
    let mistakes: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "script").collect();
    assert_eq!(mistakes.len(), refused.len());
    for (mistake, (line, expected)) in mistakes.iter().zip(refused) {
        let detail = mistake["detail"].as_str().unwrap();
        assert!(mistake["result"] == "fail" && detail.contains(expected), "{line}: {detail}");
        assert!(!detail.contains('\n'), "{line}: {detail}");
    }
    assert_eq!(fs::read(disks.path(1)).unwrap(), content(1));
}

/// Reading is done by comparing memory with the medium, writing by reading the medium; before each overreach the same
/// succeeds with memory of the controller's own. `leak-detector` shows that a hit would be seen.
#[test]
fn overreaches_are_blocked_with_the_right_verdict() {
    let script = format!(
        "selftest leak-detector; {}attack 00:10.0 read 0x200000; attack 00:10.0 write 0x200000; \
         attack 00:10.0 read 0x200001; disk read 00:10.0 1 0 2048",
        attacks("00:10.0")
    );
    let disks = Disks::new();
    let outcome = disks.machine().options("policy=log").script(&script).go();
    outcome.assert_status(0);
    assert_eq!(outcome.check("leak-detector")["result"], "pass");
    let attacks = outcome.attacks("attack");
    let targets = TARGETS.into_iter().chain([("0x200000", "never-mapped")]);
    let [pairs @ .., unaligned] = &attacks[..] else { panic!("no attack") };
    assert_eq!(pairs.len(), 2 * (TARGETS.len() + 1));
    for (pair, (target, verdict)) in pairs.chunks(2).zip(targets) {
        outcome.assert_blocked(pair[0], verdict);
        // What the controller writes are zeros, a block of them: they stand nowhere in the kernel's code.
        match target {
            "kernel" => outcome.assert_not_possible(pair[1], "stands there already"),
            _ => drop(outcome.assert_blocked(pair[1], verdict)),
        }
    }
    outcome.assert_not_possible(unaligned, "no request at such an address");
    // It works on, and the medium is as it was.
    assert_eq!(passed(&outcome, "disk read"), [detail_of_read(1, 0, 2048, &content(1))]);
    assert_eq!(fs::read(disks.path(1)).unwrap(), content(1));
}

/// Contained after an overreach, refused meanwhile, at work again once it is released.
#[test]
fn a_contained_controller_works_again_once_released() {
    let disks = Disks::new();
    let read = "disk read 00:10.0 3 0 256";
    let script = format!("attack 00:10.0 write; {read}; release 00:10.0; {read}; attack 00:10.0 read; disks");
    let outcome = disks.machine().options("policy=contain").script(&script).go();
    outcome.assert_status(1);
    let reads: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "disk read").collect();
    assert_eq!(reads.iter().map(|check| &check["result"]).collect::<Vec<_>>(), ["fail", "pass"]);
    assert_eq!(reads[1]["detail"], detail_of_read(3, 0, 256, &content(3)));
    for attack in outcome.attacks("attack") {
        outcome.assert_blocked(attack, "never-mapped");
    }
    assert!(outcome.serial.contains("health: unknown, the device is cut off"));
}

/// 1,000 random transfers, 10,000 in the long run; every depth; an `edu` that is cut off and let back beside it.
#[test]
fn random_transfers_arrive_or_are_blocked_and_none_is_mistaken() {
    let proof = ["selftest nvme-proof", "selftest nvme-proof-long"][count(0, 1)];
    let script = format!("selftest nvme-depth; {proof}; selftest bystander");
    let disks = Disks::new();
    let outcome = disks.machine().options("policy=log storm=off drill=off").script(&script).go();
    outcome.assert_status(0);
    let transfers = count(1_000, 10_000);
    let proof = passed(&outcome, "nvme-proof");
    assert!(proof[0].starts_with(&format!("{transfers} transfers, ")), "{proof:?}");
    assert!(proof[0].ends_with(", none wrong") && !proof[0].contains(", 0 "), "{proof:?}");
    assert!(passed(&outcome, "nvme-depth")[0].starts_with("depths 1 to 64, "));
    assert!(passed(&outcome, "bystander")[0].starts_with("10 times, "));
    assert_eq!(fs::read(disks.path(1)).unwrap(), content(1));
}

/// The last figure of a name.
#[track_caller]
fn figure(outcome: &Outcome, name: &str) -> u64 {
    let figure = outcome.report.of_kind("bench").filter(|bench| bench["name"] == name).last();
    figure.unwrap_or_else(|| panic!("no figure {name}"))["value"].as_u64().unwrap()
}

/// Machine: with QEMU's instruction counting. What translation costs a request is what mapping and unmapping its
/// buffer cost, and little more.
#[test]
fn isolation_costs_a_request_no_more_than_its_mapping() {
    let disks = Disks::new();
    let machine = disks.machine().instruction_clock().memory_mib(2048).limit(LIMIT);
    let outcome = machine.script("bench; disk read 00:10.0 1 0 8").go();
    outcome.assert_status(0);
    for request in ["nvme_read_4k_qd1", "nvme_read_4k_qd32", "nvme_read_128k"] {
        let part = |part: &str| figure(&outcome, &format!("{request}{part}"));
        let (cost, mapping) = (part("") - part("_passthrough"), part("_map") + part("_unmap"));
        assert!(cost * 100 <= mapping * 110, "{request}: {cost} for translation, {mapping} for mapping");
    }
    // The controller is isolated again, and works.
    assert_eq!(passed(&outcome, "disk read"), [detail_of_read(1, 0, 8, &content(1)[..4096])]);
}
