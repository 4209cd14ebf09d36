//! Fixed hardware, ACPI "Fixed ACPI Description Table (FADT)".

use acpi::address::{AddressSpace, GenericAddress};
use acpi::fadt::Fadt;
use acpi_root::{FirmwareMemory, Inventory, MAX_TABLE_LEN};
use acpi_tables::SoftOff;
use alloc::vec::Vec;
use dma_types::PhysAddr;

use super::copies::Copies;
use super::memory::Firmware;
use crate::platform::power::{PortWrite, PowerRegisters};

const FADT: [u8; 4] = *b"FACP";
const SSDT: [u8; 4] = *b"SSDT";
/// Bytes of the oldest FADT.
const FADT_LEN: usize = 116;
/// Bytes that hold the reset register and its value.
const WITH_RESET: usize = 129;
/// Bytes of the header of the DSDT.
const HEADER_LEN: usize = 36;

/// The power management timer, which counts 3,579,545 times a second; ACPI "Power Management Timer".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmTimer {
    /// The port, 32 bits wide.
    pub port: u16,
    /// Bits that count: 24 or 32.
    pub bits: u8,
}

/// Timer, power and reset registers; what is not at a port is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedHardware {
    /// The power management timer.
    pub timer: Option<PmTimer>,
    /// How the machine is switched off and reset.
    pub power: PowerRegisters,
}

/// Reads the FADT; everything is absent where there is no sound one.
pub fn read(inventory: &Inventory) -> FixedHardware {
    if !inventory.each_holds(FADT, FADT_LEN) {
        return FixedHardware::default();
    }
    let copies = Copies::of(inventory, FADT);
    let Some(fadt) = copies.find::<Fadt>() else { return FixedHardware::default() };
    let power = PowerRegisters {
        pm1a_control: fadt.pm1a_control_block().ok().and_then(port),
        pm1b_control: fadt.pm1b_control_block().ok().flatten().and_then(port),
        soft_off: soft_off(inventory, fadt.dsdt_address().ok()),
        acpi_enable: acpi_enable(&fadt),
        reset: reset(&fadt, fadt.region_length()),
    };
    FixedHardware { timer: timer(&fadt), power }
}

fn timer(fadt: &Fadt) -> Option<PmTimer> {
    let bits = if { fadt.flags }.pm_timer_is_32_bit() { 32 } else { 24 };
    Some(PmTimer { port: fadt.pm_timer_block().ok().flatten().and_then(port)?, bits })
}

fn acpi_enable(fadt: &Fadt) -> Option<PortWrite> {
    let port = u16::try_from(fadt.smi_cmd_port).ok().filter(|port| *port != 0)?;
    Some(PortWrite { port, value: fadt.acpi_enable })
}

fn reset(fadt: &Fadt, len: usize) -> Option<PortWrite> {
    if !{ fadt.flags }.supports_system_reset_via_fadt() || len < WITH_RESET {
        return None;
    }
    Some(PortWrite { port: fadt.reset_register().ok().and_then(port)?, value: fadt.reset_value })
}

/// The port that an address names, if it names one.
fn port(address: GenericAddress) -> Option<u16> {
    let is_port = address.address_space == AddressSpace::SystemIo && address.address != 0;
    if is_port { u16::try_from(address.address).ok() } else { None }
}

/// Looks for `\_S5` in the DSDT, then in the SSDTs.
fn soft_off(inventory: &Inventory, dsdt: Option<usize>) -> Option<SoftOff> {
    let dsdt = dsdt.and_then(|address| read_dsdt(PhysAddr::new(address as u64)));
    dsdt.and_then(|aml| SoftOff::find(&aml)).or_else(|| {
        let mut ssdts = inventory.all(SSDT);
        ssdts.find_map(|table| SoftOff::find(&Firmware.read(table.address, table.len)?))
    })
}

/// The DSDT, which only the FADT points to.
fn read_dsdt(at: PhysAddr) -> Option<Vec<u8>> {
    let header = Firmware.read(at, HEADER_LEN)?;
    let declared = u32::from_le_bytes(*header.get(4..)?.first_chunk()?);
    let len = usize::try_from(declared).ok()?;
    if header.starts_with(b"DSDT") && len <= MAX_TABLE_LEN { Firmware.read(at, len) } else { None }
}
