//! A fake configuration space and a builder of topologies, for tests of this crate and of its users.
//!
//! A mistake in what a test builds panics.

use crate::config::ConfigSpace;
use crate::enumerate::{BusRange, enumerate};
use crate::express::PortType;
use crate::topology::Topology;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use dma_types::{Bdf, Segment};

mod raw;

pub use raw::{RawSpace, check};

/// Reads a BDF from text.
pub fn bdf(text: &str) -> Bdf {
    text.parse().expect("a BDF")
}

/// A write, as it reached the fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Offset within the function's space.
    pub offset: u16,
    /// What was written.
    pub value: u32,
}

/// 4 KiB of registers, each bit with a mask that tells whether it can be written; base address registers cannot until
/// [`FakeFunction::bar`] makes them. The status register
/// clears where a 1 is written, as on hardware.
#[derive(Clone, Debug)]
pub struct FakeFunction {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    answers: BTreeMap<usize, VecDeque<u32>>,
    clears_on_one: Vec<u8>,
}

impl FakeFunction {
    fn new() -> Self {
        let mut writable = vec![0xff; 4096];
        writable[0x10..0x28].fill(0);
        let mut clears_on_one = vec![0; 4096];
        clears_on_one[6..8].fill(0xff);
        Self { bytes: vec![0; 4096], writable, clears_on_one, answers: BTreeMap::new() }
    }

    /// Sets a byte.
    pub fn set8(&mut self, offset: usize, value: u8) -> &mut Self {
        self.bytes[offset] = value;
        self
    }

    /// Sets two bytes.
    pub fn set16(&mut self, offset: usize, value: u16) -> &mut Self {
        self.bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// Sets four bytes.
    pub fn set32(&mut self, offset: usize, value: u32) -> &mut Self {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// Only the bits of `writable` can be changed.
    pub fn read_only16(&mut self, offset: usize, writable: u16) -> &mut Self {
        self.writable[offset..offset + 2].copy_from_slice(&writable.to_le_bytes());
        self
    }

    /// Of these two bytes nothing can be changed but that the bits of `mask` clear where a 1 is written.
    pub fn clears_on_one16(&mut self, offset: usize, mask: u16) -> &mut Self {
        self.clears_on_one[offset..offset + 2].copy_from_slice(&mask.to_le_bytes());
        self.read_only16(offset, 0)
    }

    /// A base address register with a value and what it reads as after all ones were written.
    pub fn bar(&mut self, index: usize, value: u32, all_ones: u32) -> &mut Self {
        let offset = 0x10 + 4 * index;
        self.set32(offset, value);
        self.writable[offset..offset + 4].copy_from_slice(&(all_ones & !(value & 0xf)).to_le_bytes());
        self
    }

    /// The bits of a base address register that can be set, where it is the upper half of the one before.
    pub fn upper_bar(&mut self, index: usize, writable: u32) -> &mut Self {
        let offset = 0x10 + 4 * index;
        self.writable[offset..offset + 4].copy_from_slice(&writable.to_le_bytes());
        self
    }

    /// The next reads of four bytes at an offset give these values one after the other, whatever stands there.
    pub fn answers(&mut self, offset: usize, values: &[u32]) -> &mut Self {
        self.answers.entry(offset).or_default().extend(values);
        self
    }

    fn read<const N: usize>(&mut self, offset: usize) -> Option<[u8; N]> {
        if N == 4
            && let Some(answer) = self.answers.get_mut(&offset).and_then(VecDeque::pop_front)
        {
            return answer.to_le_bytes().get(..N)?.try_into().ok();
        }
        self.bytes.get(offset..offset + N)?.try_into().ok()
    }

    fn write(&mut self, offset: usize, value: &[u8]) {
        for (at, &new) in (offset..self.bytes.len()).zip(value) {
            let old = self.bytes[at];
            let (clears, writable) = (self.clears_on_one[at], self.writable[at] & !self.clears_on_one[at]);
            self.bytes[at] = (old & !writable | new & writable) & !(new & clears);
        }
    }
}

/// A machine's configuration space: what was not built reads as all ones.
#[derive(Clone, Debug, Default)]
pub struct FakeSpace {
    functions: RefCell<BTreeMap<Bdf, FakeFunction>>,
    /// The buses that really stand below a bridge, first and last.
    routes: RefCell<BTreeMap<Bdf, (u8, u8)>>,
    writes: RefCell<Vec<Write>>,
}

impl FakeSpace {
    /// A machine without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything written so far.
    pub fn writes(&self) -> Vec<Write> {
        self.writes.borrow().clone()
    }

    /// Finds the functions of segment 0 and of whatever other segment was built.
    pub fn enumerate(&self) -> Topology {
        let mut segments: Vec<Segment> = self.functions.borrow().keys().map(|at| at.segment).collect();
        segments.dedup();
        let ranges: Vec<_> =
            segments.into_iter().map(|segment| BusRange { segment, first: 0, last: 255 }).collect();
        enumerate(self, &ranges)
    }

    /// Changes a function that was built before.
    pub fn with(self, at: &str, change: impl FnOnce(&mut FakeFunction) -> &mut FakeFunction) -> Self {
        change(self.functions.borrow_mut().get_mut(&bdf(at)).expect("built before"));
        self
    }

    /// A conventional function with no capabilities.
    pub fn endpoint(self, at: &str, vendor: u16, device: u16) -> Self {
        self.functions.borrow_mut().insert(bdf(at), FakeFunction::new());
        self.with(at, |f| f.set16(0, vendor).set16(2, device).set32(8, 0xff00_0001))
    }

    /// A PCIe endpoint; its capability stands at 0x40.
    pub fn express_endpoint(self, at: &str, vendor: u16, device: u16) -> Self {
        self.endpoint(at, vendor, device).express(at, PortType::ENDPOINT)
    }

    /// A root port with the buses below it.
    pub fn root_port(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.conventional_bridge(at, secondary, subordinate).express(at, PortType::ROOT_PORT)
    }

    /// A switch's upstream port.
    pub fn upstream_port(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.conventional_bridge(at, secondary, subordinate).express(at, PortType::UPSTREAM)
    }

    /// A switch's downstream port.
    pub fn downstream_port(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.conventional_bridge(at, secondary, subordinate).express(at, PortType::DOWNSTREAM)
    }

    /// A PCIe-to-PCI bridge.
    pub fn express_to_pci_bridge(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.conventional_bridge(at, secondary, subordinate).express(at, PortType::EXPRESS_TO_PCI)
    }

    /// A PCI-to-PCIe bridge.
    pub fn pci_to_express_bridge(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.conventional_bridge(at, secondary, subordinate).express(at, PortType::PCI_TO_EXPRESS)
    }

    /// A bridge without a PCIe capability.
    pub fn conventional_bridge(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        self.routes.borrow_mut().insert(bdf(at), (secondary, subordinate));
        self.impostor(at, secondary, subordinate)
    }

    /// A function that says what a bridge would say; what stands on those buses is reached without it.
    pub fn impostor(self, at: &str, secondary: u8, subordinate: u8) -> Self {
        let primary = bdf(at).source.bus();
        self.endpoint(at, 0x1b36, 0x0001).with(at, |f| {
            f.set32(8, 0x0604_0000)
                .set8(0x0e, 1)
                .set8(0x18, primary)
                .set8(0x19, secondary)
                .set8(0x1a, subordinate);
            f.writable[0x18..0x1b].fill(0xff);
            f
        })
    }

    /// Adds an ACS capability that offers these controls, all off.
    pub fn acs(self, at: &str, offered: u16) -> Self {
        self.with(at, |f| f.set32(0x100, 0x0001_000d).set16(0x104, offered).read_only16(0x106, offered))
    }

    /// Sets the bit that tells of further functions.
    pub fn multi_function(self, at: &str) -> Self {
        self.with(at, |f| {
            let header = f.bytes[0x0e];
            f.set8(0x0e, header | 0x80)
        })
    }

    fn express(self, at: &str, port: PortType) -> Self {
        let flags = 2 | u16::from(port.0) << 4;
        self.with(at, |f| f.set16(6, 0x10).set8(0x34, 0x40).set16(0x40, 0x0010).set16(0x42, flags))
    }

    /// Tells whether every bridge above a bus still has its number.
    fn is_reached(&self, at: Bdf) -> bool {
        let (functions, bus) = (self.functions.borrow(), at.source.bus());
        self.routes.borrow().iter().all(|(bridge, (first, last))| {
            let above = bridge.segment == at.segment && (*first..=*last).contains(&bus);
            let open = functions.get(bridge).is_some_and(|f| (f.bytes[0x19]..=f.bytes[0x1a]).contains(&bus));
            !above || open
        })
    }

    fn read<const N: usize>(&self, function: Bdf, offset: u16) -> [u8; N] {
        let offset = usize::from(offset);
        assert_eq!(offset % N, 0, "aligned");
        if !self.is_reached(function) {
            return [0xff; N];
        }
        let mut functions = self.functions.borrow_mut();
        functions.get_mut(&function).and_then(|function| function.read(offset)).unwrap_or([0xff; N])
    }

    fn write(&self, function: Bdf, offset: u16, value: &[u8], number: u32) {
        assert_eq!(usize::from(offset) % value.len(), 0, "aligned");
        self.writes.borrow_mut().push(Write { offset, value: number });
        if let Some(function) = self.functions.borrow_mut().get_mut(&function) {
            function.write(usize::from(offset), value);
        }
    }
}

impl ConfigSpace for FakeSpace {
    fn read8(&self, function: Bdf, offset: u16) -> u8 {
        u8::from_le_bytes(self.read(function, offset))
    }

    fn read16(&self, function: Bdf, offset: u16) -> u16 {
        u16::from_le_bytes(self.read(function, offset))
    }

    fn read32(&self, function: Bdf, offset: u16) -> u32 {
        u32::from_le_bytes(self.read(function, offset))
    }

    fn write16(&self, function: Bdf, offset: u16, value: u16) {
        self.write(function, offset, &value.to_le_bytes(), value.into());
    }

    fn write32(&self, function: Bdf, offset: u16, value: u32) {
        self.write(function, offset, &value.to_le_bytes(), value);
    }
}
