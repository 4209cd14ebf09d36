//! Configuration space of this machine: through memory where firmware's table says so, else through ports.

use alloc::vec::Vec;

use dma_types::{Bdf, Segment, SourceId};
use pci::{ConfigSpace, EcamWindow};

use super::ports;
use crate::memory::mmio::Mmio;

/// What an absent register reads as; narrower reads are cut from it.
const ABSENT: u32 = u32::MAX;

/// Configuration space of all segments. Access takes no lock.
pub struct MachineConfig {
    windows: Vec<Window>,
}

/// A window that is mapped.
struct Window {
    place: EcamWindow,
    registers: Mmio,
}

/// Where a register is.
enum Register<'a> {
    /// At an offset in a window.
    Memory(&'a Mmio, usize),
    /// Behind the legacy ports.
    Port,
    /// Nowhere.
    Absent,
}

impl MachineConfig {
    /// Only what the legacy ports reach.
    pub const fn legacy() -> Self {
        Self { windows: Vec::new() }
    }

    /// Maps the windows. One that cannot be mapped or does not show the functions that the ports show is
    /// left out.
    pub fn open(windows: &[EcamWindow]) -> Self {
        let mapped = windows.iter().filter_map(|place| {
            let mapped = Mmio::of_platform(place.start(), place.len() as usize);
            let registers =
                mapped.inspect_err(|error| log::warn!("{place:?} is not mapped: {error}")).ok()?;
            Some(Window { place: *place, registers })
        });
        let agrees = |window: &Window| {
            let agrees = window.agrees_with_ports();
            if !agrees {
                log::warn!("{:?} shows other functions than the legacy ports; not used", window.place);
            }
            agrees
        };
        Self { windows: mapped.filter(agrees).collect() }
    }

    /// The windows in use.
    pub fn windows(&self) -> impl Iterator<Item = &EcamWindow> {
        self.windows.iter().map(|window| &window.place)
    }

    /// Finds a register of `bytes` bytes.
    fn find(&self, function: Bdf, offset: u16, bytes: u16) -> Register<'_> {
        if !offset.is_multiple_of(bytes) {
            return Register::Absent;
        }
        for window in &self.windows {
            if let Some(at) = window.place.offset_of(function, offset) {
                return Register::Memory(&window.registers, at as usize);
            }
        }
        if function.segment == Segment(0) && offset < 0x100 { Register::Port } else { Register::Absent }
    }
}

impl Window {
    /// Compares the ids of bus 0's devices, where the window holds that bus.
    fn agrees_with_ports(&self) -> bool {
        (0..32).filter_map(|device| SourceId::new(0, device, 0)).all(|id| {
            let function = Bdf::new(Segment(0), id);
            match self.place.offset_of(function, 0) {
                Some(at) => self.registers.read32(at as usize) == ports::read(function, 0),
                None => true,
            }
        })
    }
}

impl ConfigSpace for MachineConfig {
    fn read8(&self, function: Bdf, offset: u16) -> u8 {
        match self.find(function, offset, 1) {
            Register::Memory(registers, at) => registers.read8(at),
            Register::Port => ports::read(function, offset),
            Register::Absent => ABSENT as u8,
        }
    }

    fn read16(&self, function: Bdf, offset: u16) -> u16 {
        match self.find(function, offset, 2) {
            Register::Memory(registers, at) => registers.read16(at),
            Register::Port => ports::read(function, offset),
            Register::Absent => ABSENT as u16,
        }
    }

    fn read32(&self, function: Bdf, offset: u16) -> u32 {
        match self.find(function, offset, 4) {
            Register::Memory(registers, at) => registers.read32(at),
            Register::Port => ports::read(function, offset),
            Register::Absent => ABSENT,
        }
    }

    fn write16(&self, function: Bdf, offset: u16, value: u16) {
        match self.find(function, offset, 2) {
            Register::Memory(registers, at) => registers.write16(at, value),
            Register::Port => ports::write(function, offset, value),
            Register::Absent => {}
        }
    }

    fn write32(&self, function: Bdf, offset: u16, value: u32) {
        match self.find(function, offset, 4) {
            Register::Memory(registers, at) => registers.write32(at, value),
            Register::Port => ports::write(function, offset, value),
            Register::Absent => {}
        }
    }
}
