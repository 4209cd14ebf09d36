//! A machine made of bytes: functions whose every register is arbitrary, and base address registers and bridge windows
//! at places where something is.

use std::cell::RefCell;
use std::collections::BTreeMap;

use dma_types::{Bdf, PhysAddr, Segment};
use pci::testing::RawSpace;
use pci::{AddressRange, BusRange, Claims, ConfigSpace, EcamWindow, Owner, Topology};

use crate::Bytes;

/// Bits of the processor's physical addresses.
pub const ADDRESS_BITS: u8 = 40;
/// The registers of the remapping unit, two pages.
pub const UNIT: u64 = 0xc000_0000;

/// Functions at most.
const MOST: usize = 24;
/// Bytes that describe one function to [`RawSpace`].
const RECORD: usize = 12;
/// Registers from the first base address register to the end of a bridge's windows.
const FIRST: u16 = 0x10;
const END: u16 = 0x30;
const WORDS: usize = ((END - FIRST) / 4) as usize;
/// The word in which a bridge's windows begin.
const BRIDGE_WINDOWS: usize = 4;
const COMMAND: u16 = 0x04;

/// Where something is, or something begins or ends.
const PLACES: [u64; 16] = [
    0,
    0x9_f000,
    0x7fff_f000,
    0xb000_0000,
    0xbfff_f000,
    UNIT,
    UNIT + 0x2000,
    0xc100_0000,
    0xe000_0000,
    0xe010_0000,
    0xfea0_0000,
    0xfec0_0000,
    0xfee0_0000,
    0xfff0_0000,
    1 << 32,
    (1 << ADDRESS_BITS) - 0x10_0000,
];

/// Four-byte registers of which some bits can be written.
#[derive(Clone, Copy, Debug, Default)]
struct Registers {
    decodes: bool,
    values: [u32; WORDS],
    writable: [u32; WORDS],
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    raw: RawSpace,
    registers: RefCell<BTreeMap<Bdf, Registers>>,
}

impl Machine {
    /// Takes a machine from the bytes.
    pub fn new(bytes: &mut Bytes<'_>) -> Self {
        let count = bytes.below(MOST + 1);
        let records: Vec<[u8; RECORD]> = (0..count).map(|_| bytes.array()).collect();
        let registers = records.iter().map(|record| {
            let place = Bdf::new(
                Segment(0),
                dma_types::SourceId::from_bits(u16::from_be_bytes([record[1], record[2]])),
            );
            (place, Registers::new(bytes, record[3] & 1 != 0))
        });
        let registers = RefCell::new(registers.collect());
        Self { raw: RawSpace::new(records.as_flattened()), registers }
    }

    /// Checks enumeration and groups of the machine without its windows, and in how many reads they are found.
    pub fn check_raw(&self) {
        self.raw.check();
    }

    /// Finds the functions.
    pub fn enumerate(&self) -> Topology {
        pci::enumerate(self, &[BusRange { segment: Segment(0), first: 0, last: 255 }])
    }

    fn is_bridge(&self, function: Bdf) -> bool {
        self.raw.read8(function, 0x0e) & 0x7f == 1
    }

    /// A register that is not as arbitrary as the others.
    fn own(&self, function: Bdf, offset: u16) -> Option<u32> {
        let registers = self.registers.borrow();
        let found = registers.get(&function)?;
        match offset {
            COMMAND => Some(u32::from(found.decodes) << 1 | u32::from(self.raw.read16(function, 6)) << 16),
            FIRST..END => {
                let word = usize::from((offset - FIRST) / 4);
                let is_other = word >= 6 && !self.is_bridge(function);
                (!is_other).then(|| found.values[word])
            }
            _ => None,
        }
    }
}

impl Registers {
    fn new(bytes: &mut Bytes<'_>, is_bridge: bool) -> Self {
        let mut this = Self { decodes: bytes.byte() & 3 != 0, ..Self::default() };
        let mut word = 0;
        let bars = if is_bridge { 2 } else { 6 };
        while word < bars {
            let (kind, place, size) = (bytes.byte(), place(bytes), 4 + bytes.byte() % 40);
            let mask = !((1_u64 << size) - 1);
            match kind % 8 {
                0..=2 => {}
                3 => this.set(word, [kind.into(), bytes.u32()]),
                4 | 5 if word + 1 < bars => {
                    let address = place & mask;
                    this.set(word, [address as u32 | 4, mask as u32]);
                    this.set(word + 1, [(address >> 32) as u32, (mask >> 32) as u32]);
                    word += 1;
                }
                _ => this.set(word, [(place & mask) as u32, mask as u32]),
            }
            word += 1;
        }
        if is_bridge {
            let [first, last] = [place(bytes), place(bytes)].map(|place| place >> 16 & 0xfff0);
            this.values[BRIDGE_WINDOWS] = (last << 16 | first) as u32;
            let [first, last] = [place(bytes), place(bytes)];
            this.values[BRIDGE_WINDOWS + 1] =
                ((last >> 16 & 0xfff0 | 1) << 16 | first >> 16 & 0xfff0 | 1) as u32;
            this.values[BRIDGE_WINDOWS + 2] = (first >> 32) as u32;
            this.values[BRIDGE_WINDOWS + 3] = (last >> 32) as u32;
        }
        this
    }

    fn set(&mut self, word: usize, [value, mask]: [u32; 2]) {
        self.values[word] = value;
        self.writable[word] = mask & !0xf;
    }
}

/// A place, or one some pages or MiB behind it.
fn place(bytes: &mut Bytes<'_>) -> u64 {
    let (place, pages) = (PLACES[bytes.below(PLACES.len())], u64::from(bytes.byte()));
    let unit = if pages & 1 == 0 { 0x10_0000 } else { 0x1000 };
    place + (pages >> 1) * unit
}

impl ConfigSpace for Machine {
    fn read8(&self, function: Bdf, offset: u16) -> u8 {
        (self.read32(function, offset & !3) >> (offset % 4 * 8)) as u8
    }

    fn read16(&self, function: Bdf, offset: u16) -> u16 {
        (self.read32(function, offset & !3) >> (offset % 4 * 8)) as u16
    }

    fn read32(&self, function: Bdf, offset: u16) -> u32 {
        self.own(function, offset).unwrap_or_else(|| self.raw.read32(function, offset))
    }

    fn write16(&self, function: Bdf, offset: u16, value: u16) {
        if offset == COMMAND
            && let Some(registers) = self.registers.borrow_mut().get_mut(&function)
        {
            registers.decodes = value & 2 != 0;
        }
    }

    fn write32(&self, function: Bdf, offset: u16, value: u32) {
        if (FIRST..END).contains(&offset)
            && let Some(registers) = self.registers.borrow_mut().get_mut(&function)
        {
            let word = usize::from((offset - FIRST) / 4);
            let writable = registers.writable[word];
            registers.values[word] = registers.values[word] & !writable | value & writable;
        }
    }
}

/// What is no device's in this machine: memory below 2 GiB, configuration space at 0xb000_0000, the unit.
pub fn claims() -> Claims {
    let mut claims = Claims::of_machine(ADDRESS_BITS);
    let range = |first, bytes| AddressRange::with_length(PhysAddr::new(first), bytes);
    claims.add(range(UNIT, 0x2000), Owner::Unit { index: 0 });
    claims.add(range(0, 0x8000_0000), Owner::Memory);
    let buses = BusRange { segment: Segment(0), first: 0, last: 255 };
    let window =
        EcamWindow::new(buses, PhysAddr::new(0xb000_0000), ADDRESS_BITS).expect("a window that fits");
    claims.add_configuration(&[window]);
    claims
}
