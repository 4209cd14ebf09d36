//! The devices of the machine, which request memory as they are told.

mod attacker;
mod edu;
mod tester;

use dma_types::{Access, Iova, PhysAddr};
use tempfile::TempDir;
use vfio_device::Device;

use super::machine::Port;
use attacker::Attacker;
use edu::Edu;
use tester::Tester;

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

/// The two devices that AMD's unit is asked by, both on the root bus: an `edu`, and `iommu-testdev`.
pub const ON_ROOT_BUS: [&str; 2] = ["edu,addr=3.0,dma_mask=0xffffffffffffffff", "iommu-testdev,addr=7.0"];

/// Gives those their registers and lets them work.
pub fn open_on_root_bus(port: &Port, scratch: (Iova, PhysAddr), mark_at: PhysAddr) -> [Member; 2] {
    port.write64(mark_at.as_u64(), MARK);
    let (place, source, registers) = EDUS[0];
    let edu = Member { source, device: Box::new(Edu::open(port, place, registers, scratch, mark_at)) };
    let (place, source, registers) = TESTER;
    [edu, Member { source, device: Box::new(Tester::open(port, place, registers)) }]
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
                let (device, words) = attacker::listen(&folder.path().join("attacker"));
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

/// Lets a function work, with its registers at an address.
fn let_work(port: &Port, (bus, devfn): (u8, u8), registers: Option<u32>) {
    if let Some(at) = registers {
        port.write_config(bus, devfn, FIRST_BAR, at);
    }
    port.write_config(bus, devfn, COMMAND, MEMORY_AND_BUS_MASTER);
}
