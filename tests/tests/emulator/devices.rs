//! The devices of the machine, which request memory as they are told.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dma_types::{Access, Iova, PhysAddr};
use serde_json::json;
use tempfile::TempDir;
use vfio_device::{ConfigSpace, Device, Identity, PlainCard};

use super::machine::Port;

/// QEMU's words for what every machine has: two `edu` on the root bus, one below a root port, one behind a bridge that
/// gives it another id.
const EVERYWHERE: [&str; 7] = [
    "edu,addr=3.0,dma_mask=0xffffffffffffffff",
    "edu,addr=4.0,dma_mask=0xffffffffffffffff",
    "pcie-root-port,id=first,addr=5.0,chassis=1",
    "edu,bus=first,addr=0.0,dma_mask=0xffffffffffffffff",
    "pcie-root-port,id=second,addr=6.0,chassis=2",
    "pcie-pci-bridge,id=bridge,bus=second,addr=0.0",
    "edu,bus=bridge,addr=5.0,dma_mask=0xffffffffffffffff",
];

/// Where those stand, the id that their requests carry, and where their registers go.
const EDUS: [((u8, u8), u16, u32); 4] = [
    ((0, 3 << 3), 0x0018, 0xe000_0000),
    ((0, 4 << 3), 0x0020, 0xe010_0000),
    ((1, 0), 0x0100, 0xe020_0000),
    // Behind a bridge that puts its own id in.
    ((3, 5 << 3), 0x0300, 0xe030_0000),
];

/// QEMU's `iommu-testdev`, and our device made of software.
const TESTER: ((u8, u8), u16, u32) = ((0, 7 << 3), 0x0038, 0xe050_0000);
const ATTACKER: ((u8, u8), u16) = ((0, 8 << 3), 0x0040);

/// How long QEMU may take to connect to a device.
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);
/// A function's registers that every machine sets: command, with memory and bus mastering; first base address.
const COMMAND: u8 = 0x04;
const MEMORY_AND_BUS_MASTER: u32 = 0x6;
const FIRST_BAR: u8 = 0x10;

/// Bytes of a request.
const TRANSFER: u64 = 8;
/// What an `edu` and the attacker write.
const MARK: u64 = 0x6d61_726b_6d61_726b;

/// Whether a device is in a domain, where it has the scratch page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Inside,
    /// It is blocked.
    Outside,
}

/// A device that requests memory as it is told.
pub trait Requester {
    /// What it is called in the tally.
    fn name(&self) -> &'static str;

    /// What it can be told to do.
    fn accesses(&self) -> &'static [Access] {
        &[Access::Read, Access::Write]
    }

    /// The eight bytes that it writes.
    fn mark(&self) -> u64 {
        MARK
    }

    /// Has it write them.
    fn send(&self, to: Iova);

    /// Has it read eight bytes; what it then has, as far as that can be known.
    fn fetch(&self, from: Iova, standing: Standing) -> Option<u64>;
}

/// A device, and the id that its requests carry.
pub struct Member {
    /// The id.
    pub source: u16,
    /// The device.
    pub device: Box<dyn Requester>,
}

/// Which devices a release of QEMU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `edu` alone.
    Edu,
    /// `iommu-testdev` as well, and the attacker where the unit tells of mappings.
    All,
}

/// Devices that wait for their machine.
pub struct Equipment {
    /// QEMU's words for them.
    pub arguments: Vec<String>,
    choice: Choice,
    attacker: Option<(Device, TempDir)>,
}

impl Equipment {
    /// Chooses the devices of a machine with such a unit.
    pub fn choose(choice: Choice, unit: &str) -> Self {
        let mut arguments: Vec<_> = EVERYWHERE.iter().map(ToString::to_string).collect();
        let mut attacker = None;
        if choice == Choice::All {
            arguments.push("iommu-testdev,addr=7.0".to_owned());
            // QEMU has such devices only behind units with caching mode.
            if unit.contains("caching-mode=on") {
                let folder = tempfile::tempdir().unwrap();
                let (device, words) = listen(&folder.path().join("attacker"));
                arguments.push(words);
                attacker = Some((device, folder));
            }
        }
        Self { arguments, choice, attacker }
    }

    /// Gives every device its registers and lets it work.
    pub fn open(self, port: &Port, scratch: (Iova, PhysAddr), mark_at: PhysAddr) -> Vec<Member> {
        port.open_bridges();
        port.write64(mark_at.as_u64(), MARK);
        let mut members: Vec<_> = EDUS
            .iter()
            .map(|(place, source, registers)| Member {
                source: *source,
                device: Box::new(Edu::open(port, *place, *registers, scratch, mark_at)),
            })
            .collect();
        if self.choice == Choice::All {
            let (place, source, registers) = TESTER;
            members.push(Member { source, device: Box::new(Tester::open(port, place, registers)) });
        }
        if let Some((device, folder)) = self.attacker {
            let (place, source) = ATTACKER;
            let attacker = Attacker::open(port, place, device, folder);
            members.push(Member { source, device: Box::new(attacker) });
        }
        members
    }
}

/// A device that listens for QEMU, and QEMU's words for it.
fn listen(socket: &Path) -> (Device, String) {
    let config = ConfigSpace::new(Identity { vendor: 0x1234, device: 0xbad0, class: 0xff_0000 });
    let card = PlainCard::new(config.express_endpoint());
    let device = Device::listen(socket, Arc::new(Mutex::new(card))).unwrap();
    let words = json!({
        "driver": "vfio-user-pci",
        "addr": "08.0",
        "socket": {"type": "unix", "path": socket.to_string_lossy()},
    });
    (device, words.to_string())
}

/// Lets a function work, with its registers at an address.
fn let_work(port: &Port, (bus, devfn): (u8, u8), registers: Option<u32>) {
    if let Some(at) = registers {
        port.write_config(bus, devfn, FIRST_BAR, at);
    }
    port.write_config(bus, devfn, COMMAND, MEMORY_AND_BUS_MASTER);
}

/// QEMU's `edu`: it fetches into a buffer of its own, and sends from there.
struct Edu {
    port: Port,
    registers: u64,
    scratch: (Iova, PhysAddr),
}

/// Registers and commands of `edu` (QEMU "EDU device"), and the slots of its buffer that are used.
mod edu {
    pub const SOURCE: u64 = 0x80;
    pub const DESTINATION: u64 = 0x88;
    pub const COUNT: u64 = 0x90;
    pub const COMMAND: u64 = 0x98;
    pub const BUFFER: u64 = 0x4_0000;
    pub const START: u64 = 0b01;
    pub const TO_MEMORY: u64 = 0b10;
    /// What it fetched.
    pub const SLOT: u64 = BUFFER;
    /// What it sends.
    pub const MARK_SLOT: u64 = BUFFER + super::TRANSFER;
    /// What a slot holds into which nothing came.
    pub const BLANK: u64 = 0x626c_616e_6b21_2121;
    /// Looks at a device that works; a transfer takes 100 ms of the machine's time.
    pub const LOOKS: usize = 1_000_000;
}

impl Edu {
    fn open(
        port: &Port,
        place: (u8, u8),
        registers: u32,
        scratch: (Iova, PhysAddr),
        mark_at: PhysAddr,
    ) -> Self {
        let_work(port, place, Some(registers));
        let device = Self { port: port.clone(), registers: registers.into(), scratch };
        // Nothing is translated yet.
        device.transfer((mark_at.as_u64(), edu::MARK_SLOT), edu::START);
        device
    }

    fn transfer(&self, (source, destination): (u64, u64), command: u64) {
        self.port.write64(self.registers + edu::SOURCE, source);
        self.port.write64(self.registers + edu::DESTINATION, destination);
        self.port.write64(self.registers + edu::COUNT, TRANSFER);
        self.port.write64(self.registers + edu::COMMAND, command);
        let works = || self.port.read64(self.registers + edu::COMMAND) & edu::START != 0;
        assert!((0..edu::LOOKS).any(|_| !works()), "the transfer does not end");
    }
}

impl Requester for Edu {
    fn name(&self) -> &'static str {
        "edu"
    }

    fn send(&self, to: Iova) {
        self.transfer((edu::MARK_SLOT, to.as_u64()), edu::START | edu::TO_MEMORY);
    }

    /// What it has it shows only where it may write.
    fn fetch(&self, from: Iova, standing: Standing) -> Option<u64> {
        let (scratch, scratch_at) = (self.scratch.0.as_u64(), self.scratch.1.as_u64());
        if standing == Standing::Outside {
            self.transfer((from.as_u64(), edu::SLOT), edu::START);
            return None;
        }
        self.port.write64(scratch_at, edu::BLANK);
        self.transfer((scratch, edu::SLOT), edu::START);
        self.transfer((from.as_u64(), edu::SLOT), edu::START);
        self.transfer((edu::SLOT, scratch), edu::START | edu::TO_MEMORY);
        Some(self.port.read64(scratch_at)).filter(|fetched| *fetched != edu::BLANK)
    }
}

/// QEMU's `iommu-testdev`, which only writes.
struct Tester {
    port: Port,
    registers: u64,
}

/// Registers of `iommu-testdev` (QEMU "hw/misc/iommu-testdev").
mod tester {
    pub const TRIGGER: u64 = 0x00;
    pub const IOVA_LOW: u64 = 0x04;
    pub const IOVA_HIGH: u64 = 0x08;
    pub const LENGTH: u64 = 0x0c;
    pub const RESULT: u64 = 0x10;
    pub const DOORBELL: u64 = 0x14;
    pub const ARM: u32 = 1;
    /// What is written, over and over.
    pub const MARK: u64 = 0x1234_5678_1234_5678;
    /// What the result is where no transfer has been run.
    pub const IDLE: u32 = 0xffff_ffff;
}

impl Tester {
    fn open(port: &Port, place: (u8, u8), registers: u32) -> Self {
        let_work(port, place, Some(registers));
        Self { port: port.clone(), registers: registers.into() }
    }
}

impl Requester for Tester {
    fn name(&self) -> &'static str {
        "iommu-testdev"
    }

    fn accesses(&self) -> &'static [Access] {
        &[Access::Write]
    }

    fn mark(&self) -> u64 {
        tester::MARK
    }

    fn send(&self, to: Iova) {
        let write = |register, value| self.port.write32(self.registers + register, value);
        let [low, high] = [to.as_u64(), to.as_u64() >> 32].map(|half| half as u32);
        write(tester::IOVA_LOW, low);
        write(tester::IOVA_HIGH, high);
        write(tester::LENGTH, TRANSFER as u32);
        write(tester::DOORBELL, tester::ARM);
        self.port.read32(self.registers + tester::TRIGGER);
        // Memory and the unit's record are what is judged.
        assert_ne!(self.port.read32(self.registers + tester::RESULT), tester::IDLE, "nothing was tried");
    }

    fn fetch(&self, _from: Iova, _standing: Standing) -> Option<u64> {
        None
    }
}

/// Our own device, a process as the machine sees it.
struct Attacker {
    device: Device,
    /// Where it listens.
    _folder: TempDir,
}

impl Attacker {
    fn open(port: &Port, place: (u8, u8), device: Device, folder: TempDir) -> Self {
        assert!(device.port().wait_connected(CONNECTED_WITHIN), "QEMU does not connect to its device");
        let_work(port, place, None);
        Self { device, _folder: folder }
    }
}

impl Requester for Attacker {
    fn name(&self) -> &'static str {
        "attacker"
    }

    fn send(&self, to: Iova) {
        // Refused or not: memory and the unit's record are what is judged.
        let _ = self.device.port().write(to.as_u64(), &MARK.to_le_bytes());
    }

    fn fetch(&self, from: Iova, _standing: Standing) -> Option<u64> {
        let bytes = self.device.port().read(from.as_u64(), TRANSFER as usize).ok()?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}
