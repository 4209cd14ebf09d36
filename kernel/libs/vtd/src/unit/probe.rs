//! Probing: reads only, and believes nothing.

use dma_types::PAGE_SIZE;
use mmio_regs::{Registers, TypedAccess};

use crate::invalidation::Limits;
use crate::spec::capability::{Capabilities, ExtendedCapabilities, Version};
use crate::spec::registers::{CAP, ECAP, FAULT_RECORD, FIXED_PART, IOTLB_REGISTERS, VER};

use super::{InvalidationPath, Unit, UnitError, WindowPart};

/// Bytes of a unit's registers, in whole pages, of which `registers` are the first: as many as its capability
/// registers place there. Writes nothing.
///
/// To be asked before [`Unit::probe`], so that enough is mapped: old firmware tells no size, and some tells too
/// small a one (VT-d "DMA Remapping Hardware Unit Definition Structure", "Capability Register").
///
/// # Errors
///
/// The registers do not answer.
pub fn register_bytes(registers: &impl Registers) -> Result<usize, UnitError> {
    let (_, capabilities, extended) = identify(registers)?;
    let behind_records = capabilities.fault_record_offset() + capabilities.fault_records() * FAULT_RECORD;
    let end = behind_records.max(extended.iotlb_offset() + IOTLB_REGISTERS).max(FIXED_PART);
    Ok(end.next_multiple_of(PAGE_SIZE as usize))
}

impl<R: Registers> Unit<R> {
    /// Reads what a unit is. Writes nothing.
    ///
    /// # Errors
    ///
    /// The registers do not answer, or the places of the variable ones are impossible.
    pub fn probe(registers: R) -> Result<Self, UnitError> {
        let (version, capabilities, extended) = identify(&registers)?;
        check_window(&registers)?;
        Ok(Self {
            limits: Limits::new(capabilities, extended),
            registers,
            version,
            capabilities,
            extended,
            root: None,
            interrupts: None,
            path: InvalidationPath::None,
            queue: None,
        })
    }
}

/// Reads what does not change, if a unit answers.
fn identify(registers: &impl Registers) -> Result<(Version, Capabilities, ExtendedCapabilities), UnitError> {
    check_place(WindowPart::Fixed, 0, FIXED_PART, registers.len())?;
    let version = registers.get(VER);
    let capabilities = registers.get(CAP);
    let extended = registers.get(ECAP);
    let silent = |bits: u64| bits == 0 || bits == u64::MAX;
    if matches!(version.0, 0 | u32::MAX) || silent(capabilities.0) || silent(extended.0) {
        return Err(UnitError::NotAnswering { version, capabilities, extended });
    }
    Ok((version, capabilities, extended))
}

/// Checks that the variable registers lie behind the fixed ones, in the window, and apart.
fn check_window(registers: &impl Registers) -> Result<(), UnitError> {
    let window = registers.len();
    let capabilities = registers.get(CAP);
    let records = capabilities.fault_record_offset();
    let records_size = capabilities.fault_records() * FAULT_RECORD;
    let iotlb = registers.get(ECAP).iotlb_offset();
    check_place(WindowPart::FaultRecords, records, records_size, window)?;
    check_place(WindowPart::Iotlb, iotlb, IOTLB_REGISTERS, window)?;
    if iotlb < records + records_size && records < iotlb + IOTLB_REGISTERS {
        return Err(UnitError::Misplaced {
            part: WindowPart::Iotlb,
            offset: iotlb,
            size: IOTLB_REGISTERS,
            window,
        });
    }
    Ok(())
}

fn check_place(part: WindowPart, offset: usize, size: usize, window: usize) -> Result<(), UnitError> {
    let behind_fixed = part == WindowPart::Fixed || offset >= FIXED_PART;
    if behind_fixed && offset + size <= window {
        Ok(())
    } else {
        Err(UnitError::Misplaced { part, offset, size, window })
    }
}
