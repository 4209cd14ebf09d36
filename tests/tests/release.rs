//! The way back from containment: a device is reset before it is let into its domain again, and works.
//!
//! Machine: the default one (q35, BIOS, VT-d with 48 bits), and below root ports an NVMe disk at 01:00.0 and virtio
//! disks at 02:00.0 and 03:00.0, of which the last offers no reset of its own.
//!
//! Whether a function was reset shows in its table of interrupt messages: the test leaves a mark in an entry that the
//! driver does not use, which nothing but a reset of the whole function takes away.

use std::io::Write;

use serde_json::Value;
use tests::{Outside, Run, config_space};

/// A disk: its place, its device for QEMU, the disk's number for the kernel, and whether it offers a reset.
struct Disk {
    bus: u8,
    qemu: &'static str,
    resets: bool,
}

const DISKS: [Disk; 3] = [
    Disk { bus: 1, qemu: "nvme,serial=release", resets: true },
    Disk { bus: 2, qemu: "virtio-blk-pci,iommu_platform=on,disable-legacy=on", resets: true },
    Disk {
        bus: 3,
        qemu: "virtio-blk-pci,iommu_platform=on,disable-legacy=on,x-pcie-flr-init=off",
        resets: false,
    },
];

/// Blocks of 512 bytes that are read.
const BLOCKS: usize = 64;

const MARK: u32 = 0x5a5a_1234;

impl Disk {
    fn bdf(&self) -> String {
        format!("0000:{:02x}:00.0", self.bus)
    }

    /// What it stores.
    fn content(&self) -> Vec<u8> {
        (0..BLOCKS * 512).map(|at| (at / 7 * usize::from(self.bus)) as u8).collect()
    }

    /// What a read of all of it must tell.
    fn detail_of_read(&self) -> String {
        let content = self.content();
        let head: String = content.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{} 1 0 {BLOCKS} crc32={:#x} first={head}", self.bdf(), crc32fast::hash(&content))
    }

    /// Where the last entry of its table of messages keeps a message's data (PCI "MSI-X Capability and Table
    /// Structures").
    fn place_of_mark(&self, outside: &mut Outside) -> u64 {
        const MSIX: u32 = 0x11;
        let config = config_space(self.bus, 0, 0);
        let mut capability = config | u64::from(outside.read32(config + 0x34) & 0xff);
        let header = loop {
            let header = outside.read32(capability);
            if header & 0xff == MSIX {
                break header;
            }
            assert_ne!(header >> 8 & 0xff, 0, "{} has no messages", self.bdf());
            capability = config | u64::from(header >> 8 & 0xff);
        };
        let last = u64::from(header >> 16 & 0x7ff);
        let table = outside.read32(capability + 4);
        let bar = config + 0x10 + u64::from(table & 7) * 4;
        let low = outside.read32(bar);
        let high = if low >> 1 & 3 == 2 { outside.read32(bar + 4) } else { 0 };
        (u64::from(high) << 32 | u64::from(low & !0xf)) + u64::from(table & !7) + last * 16 + 8
    }
}

/// Positive twins: the disk that offers no reset keeps its mark; each read brings the bytes that the host put there.
#[test]
fn a_driven_device_is_reset_when_it_is_released_and_works_again() {
    let mut run = Run::new().options("policy=contain drill=off");
    let mut images = Vec::new();
    for (disk, number) in DISKS.iter().zip(1..) {
        let mut image = tempfile::NamedTempFile::new().unwrap();
        image.write_all(&disk.content()).unwrap();
        let drive = format!("if=none,id=disk{number},format=raw,file={}", image.path().display());
        run = run
            .device(&format!("pcie-root-port,id=port{number},bus=pcie.0,addr=1{number}.0,chassis={number}"))
            .device(&format!("{},bus=port{number},drive=disk{number}", disk.qemu))
            .qemu_arguments(&["-drive", &drive]);
        images.push(image);
    }
    let mut outside = Outside::new();
    let mut running = run.reached_by(&outside).start();
    for disk in &DISKS {
        let (bdf, read) = (disk.bdf(), format!("disk read {} 1 0 {BLOCKS}", disk.bdf()));
        running.run_command(&read);
        running.run_command(&format!("attack {bdf} write"));
        assert!(!running.may_master_the_bus(&bdf));
        let mark = disk.place_of_mark(&mut outside);
        outside.write32(mark, MARK);
        running.run_command(&read);
        assert_eq!(outside.read32(mark), MARK, "{bdf}");
        running.run_command(&format!("release {bdf}"));
        assert_eq!(outside.read32(mark) == MARK, !disk.resets, "{bdf}");
        assert!(running.may_master_the_bus(&bdf));
        running.run_command(&read);
    }
    running.send_line("poweroff");
    running.wait_end();
    let outcome = running.finish();

    // The reads that had to fail, and nothing else.
    outcome.assert_status(1);
    assert_eq!(outcome.end()["failed"], DISKS.len());
    let reads: Vec<_> =
        outcome.report.of_kind("check").filter(|check| check["name"] == "disk read").collect();
    assert_eq!(reads.len(), 3 * DISKS.len());
    for ((disk, reads), attack) in DISKS.iter().zip(reads.chunks(3)).zip(outcome.attacks("attack")) {
        let bdf = disk.bdf();
        let right = &Value::from(disk.detail_of_read());
        assert_eq!([&reads[0]["result"], &reads[1]["result"], &reads[2]["result"]], ["pass", "fail", "pass"]);
        assert_eq!([&reads[0]["detail"], &reads[2]["detail"]], [right, right]);
        assert_eq!(outcome.assert_blocked(attack, "never-mapped")["action"], "contained");
        let said = outcome.serial.lines().any(|line| line.contains(&bdf) && line.contains("was reset alone"));
        assert_eq!(said, disk.resets, "{bdf}");
        let states = outcome.events("device").into_iter().filter(|device| device["bdf"] == *bdf);
        let states: Vec<_> = states.map(|device| &device["state"]).collect();
        assert_eq!(states, ["blocked", "assigned", "quarantined", "assigned"], "{bdf}");
    }
}
